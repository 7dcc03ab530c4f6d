"""Where a result comes from: the commit and the versions of the packages."""

import platform
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path

from analysis.record.names import GIT_COMMIT, GIT_DIRTY, PACKAGES, PYTHON
from analysis.record.values import flag_text

ROOT = Path(__file__).resolve().parents[2]


@cache
def provenance_tags() -> dict[str, str]:
    """Return the tags that say which code and which versions run here."""
    commit = _ask_git("rev-parse", "HEAD")
    return {
        GIT_COMMIT: commit or "unknown",
        GIT_DIRTY: flag_text(bool(_ask_git("status", "--porcelain"))) if commit else "unknown",
        PYTHON: platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }


def _ask_git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
