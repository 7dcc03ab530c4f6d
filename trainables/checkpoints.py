"""Checkpoints of unfinished trials: one file a trial, on a local disk or in an object store.

A file is what `torch.save` writes, with a checksum after its end: `torch.load` reads the file as it
is, but by itself would train on with bits that a disk has flipped.
"""

import hashlib
import io
import time
import zipfile
from collections.abc import Container, Mapping
from typing import Any

import torch

from trainables.storage import PART, StorageFolder, open_storage

SUFFIX = ".pt"
MARK = b"\nblake2b\n"
"""Stands between the state and its checksum."""
SUM_BYTES = 32


class CheckpointError(Exception):
    """A checkpoint is damaged, or no checkpoint; the message says where and why."""


class TrialCheckpoints:
    """The newest checkpoint of each trial, by trial key."""

    def __init__(self, folder: StorageFolder) -> None:
        """Take the folder that holds them."""
        self.folder = folder

    def save(self, key: str, state: Mapping[str, Any]) -> None:
        """Write the trial's state."""
        buffer = io.BytesIO()
        torch.save(dict(state), buffer)
        content = buffer.getbuffer()
        trailer = MARK + _checksum(content)
        del content  # a buffer that is viewed cannot grow
        buffer.seek(0, io.SEEK_END)
        buffer.write(trailer)
        self.folder.write(f"{key}{SUFFIX}", buffer.getbuffer())

    def load(self, key: str) -> dict[str, Any] | None:
        """Return the trial's state, or None if there is none.

        Raises:
            CheckpointError: if there is a file that is no checkpoint, or no longer whole.
        """
        content = self.folder.read(f"{key}{SUFFIX}")
        if content is None:
            return None
        where = self.folder.of(f"{key}{SUFFIX}")
        try:
            state = torch.load(
                io.BytesIO(_whole_content(content)), map_location="cpu", weights_only=True
            )
        except Exception as error:  # whatever a damaged file makes of the reader
            reason = str(error).strip().partition("\n")[0]
            raise CheckpointError(
                f"{where} is damaged ({type(error).__name__}: {reason})"
            ) from error
        if not isinstance(state, dict):
            raise CheckpointError(f"{where} is no checkpoint but a {type(state).__name__}")
        return state

    def discard(self, key: str) -> None:
        """Delete the trial's checkpoint, if there is one."""
        self.folder.delete(f"{key}{SUFFIX}")

    def sweep(self, ended: Container[str]) -> None:
        """Delete what killed processes left: checkpoints of ended trials, and halves of files.

        Only while no trial runs that saves itself here.
        """
        for name in self.folder.names():
            if name.endswith(PART) or (
                name.endswith(SUFFIX) and name.removesuffix(SUFFIX) in ended
            ):
                self.folder.delete(name)


def open_checkpoints(location: str) -> TrialCheckpoints:
    """Open the folder of checkpoints, which is made where there is none.

    Args:
        location: an absolute path or a URI such as ``s3://bucket/path``.

    Raises:
        OSError: if the place cannot be reached, or the folder not be made.
        ValueError: if the location is none that is understood.
    """
    return TrialCheckpoints(open_storage(location))


def _checksum(content: bytes | memoryview) -> bytes:
    return hashlib.blake2b(content, digest_size=SUM_BYTES).digest()


def _whole_content(content: bytes) -> memoryview:
    """Return what `torch.save` has written.

    Earlier versions wrote no checksum; the sums that a zip file has of its members are compared
    then, which `torch.load` does not do.

    Raises:
        ValueError: if the checksum is another.
    """
    end = len(content) - len(MARK) - SUM_BYTES
    if end > 0 and content[end : end + len(MARK)] == MARK:
        saved = memoryview(content)[:end]
        if _checksum(saved) != content[-SUM_BYTES:]:
            raise ValueError("its checksum is wrong")
        return saved
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(f"the checksum of {damaged} is wrong")
    return memoryview(content)


class SaveCadence:
    """Says when the next checkpoint is due: often enough to lose little, seldom enough to be cheap.

    A save is due once the time since the last one is `most_seconds`, or fifty times what a save
    costs, whichever comes first: at most 2% of the time goes into saving unless one save takes
    longer than 2% of `most_seconds`.
    """

    SHARE = 0.02

    def __init__(self, most_seconds: float, *, estimated_cost: float) -> None:
        self.most_seconds = most_seconds
        self.cost = estimated_cost
        self.last = time.monotonic()

    def due(self) -> bool:
        """Return whether it is time to save."""
        return time.monotonic() - self.last >= min(self.most_seconds, self.cost / self.SHARE)

    def saved(self, seconds: float) -> None:
        """Note that a save has just taken `seconds`."""
        self.cost, self.last = seconds, time.monotonic()


def estimated_cost(state: Mapping[str, Any]) -> float:
    """Return the seconds that the first save may take, at 200 MB/s."""
    size: int = sum(
        tensor.numel() * tensor.element_size()
        for part in ("network", "regularizer")
        for tensor in state[part].values()
    )
    return 0.005 + 2 * size / 200e6  # the optimiser holds as much again
