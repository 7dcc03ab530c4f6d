"""The frame of the simulations' results: date, versions, and a file that grows as they run."""

import platform
import time
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("numpy", "scipy", "scikit-learn")


def header(title: str, what: str) -> str:
    """Return the head of the results.

    Args:
        title: of the simulation.
        what: was simulated, with its size.
    """
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"# {title}\n\n{time.strftime('%Y-%m-%d')}, Python {platform.python_version()}, "
        f"{versions}. {what}; a simulation with fixed seeds."
    )


def write_results(sections: Iterable[str], name: str, out: Path | None) -> None:
    """Print the sections and write them, dated; a run that is cut off leaves what it has.

    Args:
        sections: of the results, in order.
        name: of the simulation, part of the file's name.
        out: the file; None for the usual place.
    """
    path = out or RESULTS / f"{time.strftime('%Y-%m-%d')}-{name}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    done: list[str] = []
    for text in sections:
        print(text, flush=True)
        done.append(text)
        path.write_text("\n".join(done) + "\n")
    print(f"Written to {path}")
