"""Which file is meant: the path that was given, or the name of one that comes with the project."""

import difflib
import os
from collections.abc import Iterator
from pathlib import Path

from study.file.problems import FileProblem, StudyFileError

SHIPPED = "search_spaces"
"""The folder of the studies that come with the project, beside this package."""
FOLDERS = (Path(SHIPPED), Path(__file__).resolve().parents[2] / SHIPPED)


def find_study_file(given: Path) -> Path:
    """Return the study file: `given`, or for a bare name such as ``beta`` a shipped study.

    Raises:
        StudyFileError: if there is none, with the nearest file there is.
    """
    if os.path.lexists(given):
        return given
    shipped = list(shipped_files())
    if given.name == str(given):
        for file in shipped:
            if given.name in (file.stem, file.name):
                return file
    raise StudyFileError(
        str(given), [FileProblem("", f"there is no such file{_nearest_file(given, shipped)}")]
    )


def find_claims_file(given: str, *, beside: Path) -> Path:
    """Return the file of published numbers: a path, or the name of a shipped one such as ``mixup``.

    Args:
        given: what a study file says.
        beside: the study file's folder, from which a path is seen.

    Raises:
        FileNotFoundError: if there is none, with what there is.
    """
    if os.path.isfile(beside / given):
        return beside / given
    shipped = {file.stem: file for folder in FOLDERS[::-1] for file in folder.glob("claims/*.csv")}
    if given in shipped:
        return shipped[given]
    raise FileNotFoundError(
        f"there is no file `{given}`, seen from {beside}; shipped are {', '.join(sorted(shipped))}"
    )


def shipped_files() -> Iterator[Path]:
    """Yield the study files that come with the project."""
    for folder in FOLDERS:
        for pattern in ("*.yaml", "paper/*.yaml", "evidence/images_*.yaml"):
            yield from sorted(folder.glob(pattern))


def _nearest_file(given: Path, shipped: list[Path]) -> str:
    try:
        beside = sorted(given.parent.glob("*.yaml"))[:1000]
    except (OSError, ValueError):
        beside = []
    files = {file.stem: file for file in [*reversed(shipped), *beside]}
    close = difflib.get_close_matches(given.stem, files, n=1, cutoff=0.5)
    return f"; did you mean {files[close[0]]}?" if close else ""
