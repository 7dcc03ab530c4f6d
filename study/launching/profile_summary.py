"""A profile in words: the largest parts of its time, by the project's own functions."""

import re
import sysconfig
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pyinstrument.session import Session

import analysis
import study
import trainables

SHOWN = 5
"""Parts named."""
OWN_FOLDERS = tuple(str(Path(package.__path__[0])) for package in (analysis, study, trainables))
SHIPPED = "/py_modules_files/"
"""In the paths of the project's modules where Ray has brought them to another node: a folder of one
package follows."""
PACKAGES = re.compile(r"/(?:site|dist)-packages/([^/]+)")
PYTHON = sysconfig.get_path("stdlib")
OUTSIDE = "Python itself"
"""Where none of the project's functions is on the stack."""


@dataclass(frozen=True)
class ProfilePart:
    """A part of a profile: what one of the project's functions does, itself or by one library."""

    label: str
    seconds: float
    share: float
    """Of the whole profile, in [0, 1]."""


def largest_parts(session: Session, most: int = SHOWN) -> list[ProfilePart]:
    """Return the largest parts of a profile, from the largest; no two have time in common."""
    seconds: Counter[str] = Counter()
    for stack, more in session.frame_records:
        seconds[_label_of(stack)] += more  # type: ignore[assignment]  # it counts seconds
    whole = sum(seconds.values()) or 1.0
    return [ProfilePart(label, found, found / whole) for label, found in seconds.most_common(most)]


def summary_lines(name: str, session: Session) -> Iterator[str]:
    """Yield a profile in words: how long it is, and its largest parts.

    Args:
        name: of the profile.
        session: what was sampled.
    """
    whole = sum(seconds for _, seconds in session.frame_records)
    yield f"{name}: {whole:.2f} s; the process computed for {session.cpu_time:.2f} s"
    for part in largest_parts(session):
        yield f"  {part.seconds:7.2f} s {part.share:4.0%}  {part.label}"


def _label_of(stack: Sequence[str]) -> str:
    """Return the innermost function of the project on a stack, and the library that it calls."""
    library = ""
    for frame in reversed(stack):
        function, file = _function_of(frame)
        if own := _own_path(file):
            where = own if function == "<module>" else f"{function} ({own})"
            return f"{where}: {library}" if library else where
        library = _library_of(file) or library
    return library or OUTSIDE


@cache
def _function_of(frame: str) -> tuple[str, str]:
    """Return function and file of a frame as pyinstrument writes it."""
    function, _, rest = frame.partition("\x00")
    return function, rest.partition("\x00")[0]


@cache
def _own_path(file: str) -> str:
    """Return the path of a file of the project from the project's root, or nothing."""
    for folder in OWN_FOLDERS:
        if file.startswith(f"{folder}/"):
            return str(Path(file).relative_to(Path(folder).parent))
    _, _, shipped = file.partition(SHIPPED)
    return shipped.partition("/")[2]


@cache
def _library_of(file: str) -> str:
    """Return the package that a file is of, or nothing where that says nothing."""
    if package := PACKAGES.search(file):
        return package[1].removesuffix(".py")
    if file.startswith(f"{PYTHON}/"):
        return Path(file).relative_to(PYTHON).parts[0].removesuffix(".py")
    return "" if file.startswith("<") or not file else Path(file).name
