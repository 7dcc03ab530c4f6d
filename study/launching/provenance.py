"""Where a result comes from: commit, what differs from it, versions, packages, driver."""

import platform
import subprocess
from collections.abc import Iterator
from functools import cache
from importlib.metadata import distributions, version
from pathlib import Path

import torch

from analysis.record.names import (
    CUDA,
    DIFF_FILE,
    DRIVER,
    GIT_COMMIT,
    GIT_DIRTY,
    PACKAGES,
    PACKAGES_FILE,
    PYTHON,
)
from analysis.record.values import flag_text
from trainables.devices import driver_version

ROOT = Path(__file__).resolve().parents[2]
OWN_FILE = Path(__file__).resolve()
CODE = ("lamix_study", "study", "trainables", "analysis", "pyproject.toml")
"""What a trial's code can lie in; a user's studies and data beside it are no change of it."""
LARGEST_DIFF = 2_000_000
"""Characters of a diff that are kept; what is longer is no change of code."""


@cache
def provenance_tags() -> dict[str, str]:
    """Return the tags that say which code and which versions run here.

    The commit is `unknown` where no repository tracks these files: installed into another project's
    environment they lie within that project's repository, whose commit says nothing of them.
    """
    commit = _ask_git("rev-parse", "HEAD") if is_tracked() else None
    changes = _ask_git("status", "--porcelain", "--", *CODE) if commit else None
    dirty = flag_text(bool(changes)) if commit else "unknown"
    return {
        GIT_COMMIT: commit or "unknown",
        GIT_DIRTY: dirty,
        PYTHON: platform.python_version(),
        **{name: version(name) for name in PACKAGES},
        CUDA: torch.version.cuda or "none",
        DRIVER: driver_version() or "none",
    }


def provenance_texts() -> dict[str, str]:
    """Return what is needed to have the code back, by the names of its files.

    The list of installed packages; and, where the tree is not as committed, its difference from the
    commit, with the files that git does not know yet.
    """
    texts = {PACKAGES_FILE: "".join(f"{line}\n" for line in installed_packages())}
    diff = uncommitted_diff() if is_tracked() else ""
    if diff:
        texts[DIFF_FILE] = diff
    return texts


@cache
def is_tracked() -> bool:
    """Return whether a git repository tracks these files."""
    return _ask_git("ls-files", "--error-unmatch", str(OWN_FILE)) is not None


def installed_packages() -> list[str]:
    """Return the installed packages as ``name==version``, in alphabetical order."""
    read = (dist.metadata for dist in distributions())  # parsed anew each time it is asked for
    found = {one["Name"].lower(): f"{one['Name']}=={one['Version']}" for one in read}
    return [found[name] for name in sorted(found)]


def uncommitted_diff() -> str:
    """Return how the tree differs from its commit, as `git apply` takes it; perhaps empty."""
    return "".join(_diff_parts())[:LARGEST_DIFF]


def _diff_parts() -> Iterator[str]:
    yield _run_git("diff", "HEAD", "--binary") or ""
    unknown = _run_git("ls-files", "--others", "--exclude-standard", "-z") or ""
    for name in filter(None, unknown.split("\0")):
        # Its status is 1 where the two differ, as they do here.
        yield _run_git("diff", "--no-index", "--", "/dev/null", name, statuses=(0, 1)) or ""


def _ask_git(*arguments: str) -> str | None:
    """Return git's answer in a line, or None where git or the repository has none."""
    answer = _run_git(*arguments)
    return None if answer is None else answer.strip()


def _run_git(*arguments: str, statuses: tuple[int, ...] = (0,)) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=ROOT,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout if done.returncode in statuses else None
