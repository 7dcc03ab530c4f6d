"""The files of a data set: found below the data folder, or downloaded there whole or not at all."""

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from trainables.datasets._images import DatasetError, DatasetMissingError
from trainables.datasets._locks import hold_lock

SILENCE_SECONDS = 30
"""A server that says nothing for this long counts as out of reach."""
WAIT_SECONDS = 24 * 3600.0
"""How long a process waits for another that downloads."""


_may_download: ContextVar[bool] = ContextVar("may_download", default=True)


@contextmanager
def forbid_downloads() -> Iterator[None]:
    """Let `provide_files` say that files are missing rather than download them."""
    token = _may_download.set(False)
    try:
        yield
    finally:
        _may_download.reset(token)


@dataclass(frozen=True)
class FileSource:
    """What a data set is read from; all paths are below the data folder."""

    needed: tuple[str, ...]
    """Files and folders that are read."""
    offered: tuple[str, ...]
    """What the authors offer for download, where torchvision puts it; all in one folder."""
    url: str
    """The page or the file that a person can download it from."""
    md5: dict[str, str]
    """Checksums, of the needed and the offered files where they are known."""
    download: Callable[[Path], object]
    """Puts the needed files below a folder, checked; uses the offered ones that lie there."""
    gzipped: bool = False
    """Whether the needed files are also read when they are gzipped, with `.gz` at the end."""


def provide_files(source: FileSource, root: Path) -> None:
    """Download the needed files that are not below `root`.

    They are downloaded into a hidden folder and moved to their places when they are whole, one
    process at a time, so nobody ever reads half a file. Files that are there are left alone.

    Raises:
        DatasetError: saying what to put where, if the download fails.
        DatasetMissingError: if nothing may be downloaded.
    """
    missing = _missing_files(source, root)
    if not missing:
        return
    if not _may_download.get():
        raise DatasetMissingError(f"{missing[0]} is not in {root.absolute()}")
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock = root / f"{_hidden_name(source)}.lock"
        with hold_lock(lock, purpose=f"downloads {missing[0]}", most_seconds=WAIT_SECONDS):
            still_missing = _missing_files(source, root)  # another process may have been first
            if still_missing:
                _download_whole(source, root, still_missing)
    except (OSError, RuntimeError, HTTPException) as error:
        offered = [Path(path) for path in source.offered]
        raise DatasetError(
            f"{missing[0]} is not in {root.absolute()}, and the download failed "
            f"({one_line(error)}). Put {', '.join(path.name for path in offered)} "
            f"from {source.url} into {root.absolute() / offered[0].parent}"
        ) from error


def check_sums(source: FileSource, root: Path) -> None:
    """Compare all files whose checksum is known.

    Raises:
        DatasetError: naming the first file that is damaged.
    """
    from torchvision.datasets.utils import check_integrity  # late: it takes seconds

    for path, md5 in source.md5.items():
        if (root / path).exists() and not check_integrity(root / path, md5):
            raise damaged_error(root / path, f"its MD5 checksum is not {md5}")


def damaged_error(path: Path, why: str) -> DatasetError:
    """Return the error for a file that is there but cannot be used."""
    return DatasetError(f"{path} is damaged: {why}; delete it or put a whole one there")


def one_line(error: BaseException) -> str:
    """Return the error's type and message in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _missing_files(source: FileSource, root: Path) -> list[str]:
    endings = ("", ".gz") if source.gzipped else ("",)
    return [
        needed
        for needed in source.needed
        if not any((root / (needed + ending)).exists() for ending in endings)
    ]


def _hidden_name(source: FileSource) -> str:
    return "." + source.needed[0].replace("/", "-")


def _download_whole(source: FileSource, root: Path, missing: list[str]) -> None:
    # The name is fixed, so that what a killed process left here is cleared by the next one.
    staging = root / f"{_hidden_name(source)}.part"
    shutil.rmtree(staging, ignore_errors=True)
    try:
        staging.mkdir()
        _link_offered(source, root, staging)
        with _impatient_sockets():
            source.download(staging)
        os.sync()  # or a power loss could leave, under their final names, files without content
        for needed in missing:
            (root / needed).parent.mkdir(parents=True, exist_ok=True)
            (staging / needed).rename(root / needed)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _link_offered(source: FileSource, root: Path, staging: Path) -> None:
    """Link the offered files that the user has put below `root`, so they are not downloaded."""
    check_sums(source, root)
    for path in source.offered:
        if path in source.md5 and (root / path).exists():
            (staging / path).parent.mkdir(parents=True, exist_ok=True)
            (staging / path).symlink_to((root / path).absolute())


@contextmanager
def _impatient_sockets() -> Iterator[None]:
    """Give up on a silent server; torchvision sets no limit and would wait for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SILENCE_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
