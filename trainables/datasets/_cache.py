"""Data sets shared by the processes of a machine: read by the first, mapped by all others.

Decoding sixty thousand JPEGs takes a core half a minute and gives every process images of its own.
Ready for training they lie in one file instead, whose pages all processes share. Its name is a hash
of whatever decides what is in it, so a file that was changed, another setting or another version of
a reader is another entry. Nothing here can fail a trial: without a cache, data is read directly.
"""

import dataclasses
import hashlib
import json
import logging
import os
import platform
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from trainables import plugins
from trainables.datasets._files import one_line
from trainables.datasets._folders import walk_once
from trainables.datasets._images import DatasetSettings, Images, Splits
from trainables.datasets._locks import LockHeldError, hold_lock

log = logging.getLogger(__name__)

VARIABLE = "LAMIX_STUDY_CACHE"
"""The environment variable that names another folder for the cache."""
LIMIT_BYTES = 20 * 2**30
"""What all entries may take together; beyond it, those that were not used for longest go."""
MOST_OF_FREE = 0.5
"""The share of a disk's free space that an entry may take."""
WAIT_SECONDS = 1800.0
"""How long a process waits for another that reads; then it reads by itself."""
PACKAGES = ("torch", "torchvision", "numpy", "pillow", "scipy", "scikit-learn")
"""What decodes and resizes, besides this package's own code."""


def shared_dataset(settings: DatasetSettings, root: Path, read: Callable[[], Splits]) -> Splits:
    """Return what `read` returns, mapped from the cache where it can be kept there.

    Args:
        settings: of the data set.
        root: the data folder.
        read: reads the data set's files, checked in full; what it raises is raised here.
    """
    with ExitStack() as held:
        try:
            entry = _entry_file(settings, root)
            found = _map_entry(entry)
            if found is None:
                entry.parent.mkdir(parents=True, exist_ok=True)
                # One lock a data set: one for each entry would leave a file for each behind.
                lock = entry.parent / f"{settings.name}.lock"
                purpose = f"reads {settings.name} for all"
                held.enter_context(hold_lock(lock, purpose=purpose, most_seconds=WAIT_SECONDS))
                found = _map_entry(entry)  # another process may have been first
        except LockHeldError as error:
            log.warning("%s is read without the cache: %s.", settings.name, error)
            return read()
        except (OSError, RuntimeError, NotImplementedError) as error:
            log.warning(
                "%s is read without the cache, in each process anew: %s. The variable %s names "
                "another folder for it.",
                settings.name,
                one_line(error),
                VARIABLE,
            )
            return read()
        return _keep_entry(entry, settings, root, read()) if found is None else found


def cache_folder() -> Path:
    """Return the folder of this machine's entries; home folders may be shared by several."""
    given = os.environ.get(VARIABLE)
    if given:
        return Path(given).expanduser().absolute() / platform.node()
    home = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(home).absolute() / "lamix-study" / platform.node()


def _entry_file(settings: DatasetSettings, root: Path) -> Path:
    """Return the entry's file, which may not be there."""
    what = {
        "settings": dataclasses.asdict(settings),  # type: ignore[call-overload]  # a dataclass each
        "readers": {**_reader_versions(), **_own_reader(settings)},
        "files": sorted(_file_identities(settings.places(root.absolute()))),
    }
    digest = hashlib.blake2b(json.dumps(what, sort_keys=True).encode(), digest_size=16)
    return cache_folder() / f"{settings.name}-{digest.hexdigest()}.pt"


@cache
def _reader_versions() -> dict[str, str]:
    """Return the versions of what decides how files become images."""
    code = hashlib.blake2b(digest_size=16)
    for file in sorted(Path(__file__).parent.glob("*.py")):
        code.update(file.name.encode() + b"\0" + file.read_bytes())
    return {**{name: version(name) for name in PACKAGES}, "code": code.hexdigest()}


def _own_reader(settings: DatasetSettings) -> dict[str, str]:
    """Return the digest of the user's module that reads a data set of a user's own."""
    return {module.shown_name: module.digest for module in plugins.own_modules_of([settings])}


def newest_change(settings: DatasetSettings, root: Path) -> str:
    """Return which file or folder of a data set has changed last and when, or nothing."""
    changes = []
    with suppress(OSError):
        for place in settings.places(root.absolute()):
            for path in _paths_below(place):
                with suppress(OSError):
                    changes.append((os.stat(path).st_ctime, path))
    if not changes:
        return ""
    when, path = max(changes)
    return f"{path}, {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(when))}"


def _file_identities(places: Iterable[Path]) -> Iterator[tuple[str, int, int, int]]:
    """Yield what tells a file from its changed self, of each file and folder in the places."""
    for place in places:
        for path in _paths_below(place):
            # Of a folder the name alone: an empty one may be a class without images.
            yield (path, 0, 0, 0) if os.path.isdir(path) else _identity_of(path)


def _paths_below(place: Path) -> Iterator[str]:
    """Yield a file, or a folder with all files and folders below it that readers see."""
    if not place.is_dir():
        yield str(place)
        return
    for parent, entries in walk_once(place):
        yield parent
        yield from (entry.path for entry in entries)


def _identity_of(path: Path | str) -> tuple[str, int, int, int]:
    try:
        status = os.stat(path)
    except OSError:
        return str(path), -1, 0, 0
    # With the time of the inode: a copy may have been given its original's time of change.
    return str(path), status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _map_entry(entry: Path) -> Splits | None:
    """Return the data set of an entry, in pages shared by all who map it; None if it has none."""
    if not entry.is_file():
        return None
    try:
        content = torch.load(entry, mmap=True, weights_only=True)
        if content["entry"] != entry.name:
            raise ValueError(f"it was written as {content['entry']}")
        splits = Splits(
            **{name: _unpack_dataset(value) for name, value in content["splits"].items()}
        )
        if content["checksum"] != _checksum(splits):
            raise ValueError("its checksum is wrong")
    except Exception as error:  # the readers raise whatever a damaged file leads them to
        log.warning("%s is of no use and will be written anew: %s", entry, one_line(error))
        return None
    with suppress(OSError):
        os.utime(entry)  # it was used: the oldest go first
    return splits


def _checksum(splits: Splits) -> str:
    """Return a hash of all that a data set holds.

    It takes the place of the checksums that the file's format has, and as long: those are of the
    bytes as written, and say nothing of an entry that was written with other images.
    """
    digest = hashlib.blake2b(digest_size=16)
    for field in dataclasses.fields(splits):
        value = getattr(splits, field.name)
        digest.update(field.name.encode())
        if not isinstance(value, Images):
            digest.update(repr(value).encode("utf-8", "surrogatepass"))
            continue
        for tensor in (value.images_NCHW, value.labels_N):
            digest.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
            digest.update(tensor.contiguous().numpy())  # type: ignore[arg-type]  # has a buffer
    return digest.hexdigest()


def _keep_entry(entry: Path, settings: DatasetSettings, root: Path, splits: Splits) -> Splits:
    """Write a data set that was just read; return it mapped, or as it is if that cannot be."""
    part = entry.with_suffix(".part")
    fields = dataclasses.fields(splits)
    content = {
        "entry": entry.name,
        "checksum": _checksum(splits),
        "splits": {field.name: _pack_dataset(getattr(splits, field.name)) for field in fields},
    }
    try:
        if _entry_file(settings, root) != entry:
            return splits  # its files changed meanwhile, or were downloaded
        _sweep_parts(entry.parent, settings.name)
        _make_room(entry.parent, splits)
        with part.open("wb") as stream:
            torch.save(content, stream)
            stream.flush()
            os.fsync(stream.fileno())
        part.rename(entry)
    except (OSError, RuntimeError) as error:  # PyTorch's writer has errors of its own
        log.warning("%s is not kept in the cache: %s", settings.name, one_line(error))
        with suppress(OSError):  # a full disk is fuller with the half of a file on it
            part.unlink(missing_ok=True)
        return splits
    return _map_entry(entry) or splits


def _sweep_parts(entries: Path, name: str) -> None:
    """Delete what killed writers of a data set left: whoever writes holds the data set's lock."""
    for part in entries.glob(f"{name}-*.part"):
        part.unlink(missing_ok=True)


def _make_room(entries: Path, splits: Splits) -> None:
    """Delete the entries that were not used for longest, if those kept would be too many.

    Whoever has mapped one keeps it: a deleted file stays until nobody uses it.

    Raises:
        OSError: if there is no room all the same.
    """
    size = sum(
        part.images_NCHW.nbytes + part.labels_N.nbytes
        for part in (splits.train, splits.validation, splits.test)
    )
    most = min(LIMIT_BYTES, int(MOST_OF_FREE * shutil.disk_usage(entries).free))
    if size > most:
        raise OSError(f"{size:,} bytes, but {entries} may take {most:,}")
    left = LIMIT_BYTES - size
    used = [(file.stat(), file) for file in entries.iterdir() if file.suffix != ".lock"]
    for status, file in sorted(used, key=lambda entry: -entry[0].st_mtime):
        left -= status.st_size
        if left < 0:
            file.unlink(missing_ok=True)


def _pack_dataset(value: Any) -> Any:
    return (value.images_NCHW, value.labels_N) if isinstance(value, Images) else value


def _unpack_dataset(value: Any) -> Any:
    pair = isinstance(value, tuple) and any(isinstance(item, torch.Tensor) for item in value)
    return Images(*value) if pair else value
