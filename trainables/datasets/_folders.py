"""Folders of images as people have them: which of their files count, each once.

File managers, archives, notebooks and cameras leave more in a folder than images, and links may
lead round in circles. What is passed over is counted, so that somebody can be told.
"""

import os
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from trainables.datasets._images import DatasetError

SYSTEM_NAMES = frozenset(
    {
        "__macosx",
        "@eadir",
        "#recycle",
        "$recycle.bin",
        "system volume information",
        "lost+found",
        "thumbs.db",
        "desktop.ini",
        "icon\r",
    }
)
"""What systems put into folders beside hidden files, in lower case: thumbnails, bins, settings."""
NO_PICTURES = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"})
"""Formats that Pillow opens but cannot decode by itself."""
OUT_OF_REACH = frozenset(
    [
        ".heic",
        ".heif",
        ".hif",
        ".jxl",
        ".svg",
        ".svgz",
        ".eps",
        ".wmf",
        ".emf",
        ".avif",
        ".webp",
        ".jp2",
        ".j2k",
        ".exr",
        ".hdr",
        ".psb",
        ".dng",
        ".cr2",
        ".cr3",
        ".crw",
        ".nef",
        ".nrw",
        ".arw",
        ".srf",
        ".sr2",
        ".raf",
        ".orf",
        ".rw2",
        ".pef",
        ".srw",
        ".x3f",
        ".xcf",
        ".ai",
    ]
)
"""Endings of images: passed over where Pillow cannot decode them, a part of the data is missing."""
SIGNED = ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF", "JPEG2000", "PPM")
"""Formats that are known by their first bytes, whatever the file's name."""
NO_FILES = "pipe, socket or device"
REPEATED = "link to a file that is there already"


@dataclass(frozen=True)
class FoundImages:
    """The image files below a folder, and what else lies there."""

    paths: list[Path]
    """In alphabetical order of their folders, then of their names."""
    real_paths: list[str]
    """Of the same files, with all links followed."""
    passed_over: Counter[str] = field(default_factory=Counter)
    """How many files of which kind are no images: an ending, or words."""


def is_passed_over(name: str) -> bool:
    """Return whether a name is hidden, or one that systems use for themselves."""
    return name.startswith(".") or name.lower() in SYSTEM_NAMES


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a folder, or a link that leads to one."""
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def visible_entries(folder: Path | str) -> list[os.DirEntry[str]]:
    """Return what is in a folder under names that are not passed over, in alphabetical order."""
    with os.scandir(folder) as entries:
        visible = [entry for entry in entries if not is_passed_over(entry.name)]
    return sorted(visible, key=lambda entry: entry.name)


def folder_names(folder: Path) -> list[str]:
    """Return the names of the visible folders in a folder, in alphabetical order."""
    return [entry.name for entry in visible_entries(folder) if is_folder(entry)]


def walk_once(folder: Path | str) -> Iterator[tuple[str, list[os.DirEntry[str]]]]:
    """Yield each folder from `folder` on with the entries in it that are no folders.

    Links are followed, but each real folder comes once, and none that holds `folder` itself: links
    that lead round in a circle would never end, and one that leads up would bring in other classes.
    """
    above = [*Path(folder).absolute().parents, *Path(os.path.realpath(folder)).parents]
    seen = {_identity(parent) for parent in above}
    waiting = [str(folder)]
    while waiting:
        current = waiting.pop()
        identity = _identity(current)
        if identity in seen:
            continue
        seen.add(identity)
        entries = visible_entries(current)
        waiting += [entry.path for entry in reversed(entries) if is_folder(entry)]
        yield current, [entry for entry in entries if not is_folder(entry)]


def _identity(folder: Path | str) -> tuple[int, int]:
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def find_images(folder: Path) -> FoundImages:
    """Return the images below a folder, each real file once.

    Known endings count whatever is in the file, so that a damaged image is named and not passed
    over; files with other endings count if they begin as images do.

    Raises:
        DatasetError: if there are images that cannot be decoded here, or links that lead nowhere.
        OSError: if a folder cannot be read.
    """
    found: list[tuple[str, str, str]] = []
    passed_over: Counter[str] = Counter()
    seen: set[str] = set()
    for parent, entries in walk_once(folder):
        real_parent = os.path.realpath(parent)
        for entry in entries:
            real = _real_path(entry, real_parent)
            kind = REPEATED if real in seen else _foreign_kind(entry)
            if kind is None:
                seen.add(real)
                found.append((parent, entry.name, real))
            else:
                passed_over[kind] += 1
    _refuse_out_of_reach(folder, passed_over)
    found.sort()
    return FoundImages(
        [Path(parent, name) for parent, name, _ in found], [real for *_, real in found], passed_over
    )


def _real_path(entry: os.DirEntry[str], real_parent: str) -> str:
    if entry.is_symlink():
        return os.path.realpath(entry.path)
    return os.path.join(real_parent, entry.name)


def _foreign_kind(entry: os.DirEntry[str]) -> str | None:
    """Return what an entry is that is no image, or None if it is one."""
    if entry.is_symlink() and not os.path.exists(entry.path):
        raise DatasetError(
            f"{entry.path} is a link to {os.readlink(entry.path)}, which is not there: bring the "
            "file back or delete the link"
        )
    if not entry.is_file():
        return NO_FILES
    ending = os.path.splitext(entry.name)[1].lower()
    if ending in readable_endings():
        return None
    if ending not in OUT_OF_REACH and _begins_as_image(entry.path):
        return None
    return ending or "without an ending"


@cache
def readable_endings() -> frozenset[str]:
    """Return the endings, in lower case, of the formats that Pillow decodes here."""
    from PIL import Image  # late: data sets in the cache need no reader

    formats = Image.registered_extensions()  # which loads all of Pillow's readers
    return frozenset(
        ending for ending, name in formats.items() if name in Image.OPEN and name not in NO_PICTURES
    )


def _begins_as_image(path: str) -> bool:
    from PIL import Image  # late: data sets in the cache need no reader

    known = [name for name in SIGNED if name in Image.OPEN]
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path, formats=known):
            return True
    except Exception:  # Pillow's readers raise whatever a file leads them to
        return False


def _refuse_out_of_reach(folder: Path, passed_over: Counter[str]) -> None:
    lost = {ending: n for ending, n in passed_over.items() if ending in OUT_OF_REACH}
    if lost:
        raise DatasetError(
            f"{folder}: images of {count_words(lost)} cannot be decoded here, since Pillow has no "
            "reader for them: convert them to PNG or JPEG, or move them elsewhere"
        )


def count_words(counts: dict[str, int]) -> str:
    """Return counts in words, the most frequent first: ``.txt (3), .csv (1)``."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{kind} ({count})" for kind, count in ordered)
