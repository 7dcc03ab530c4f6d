"""Checkpoints of unfinished trials: one file a trial, on a local disk or in an object store."""

import io
import logging
import time
from collections.abc import Container, Mapping
from typing import Any

import torch

from trainables.storage import PART, StorageFolder

log = logging.getLogger(__name__)

SUFFIX = ".pt"


class TrialCheckpoints:
    """The newest checkpoint of each trial, by trial key."""

    def __init__(self, location: str) -> None:
        """Open the folder at `location`, an absolute path or a URI such as ``s3://bucket/path``."""
        self.folder = StorageFolder(location)

    def save(self, key: str, state: Mapping[str, Any]) -> None:
        """Write the trial's state."""
        buffer = io.BytesIO()
        torch.save(dict(state), buffer)
        self.folder.write(f"{key}{SUFFIX}", buffer.getbuffer())

    def load(self, key: str) -> dict[str, Any] | None:
        """Return the trial's state, or None if there is none that can be read."""
        content = self.folder.read(f"{key}{SUFFIX}")
        if content is None:
            return None
        try:
            state: dict[str, Any] = torch.load(
                io.BytesIO(content), map_location="cpu", weights_only=True
            )
        except Exception as error:  # whatever a damaged file makes of the reader
            where = self.folder.of(f"{key}{SUFFIX}")
            log.warning("ignoring the damaged checkpoint %s: %s", where, error)
            return None
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
