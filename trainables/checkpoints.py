"""Checkpoints of unfinished trials: one file a trial, on a local disk or in an object store."""

import io
import logging
import os
import time
from collections.abc import Mapping
from typing import Any

import torch
from pyarrow import fs

log = logging.getLogger(__name__)


class Checkpoints:
    """The newest checkpoint of each trial, by trial key.

    A save replaces the file in one move, so a reader sees the old state or the new one, whole.
    """

    def __init__(self, location: str) -> None:
        """Open the folder at `location`, an absolute path or a URI such as ``s3://bucket/path``."""
        self.files, self.folder = fs.FileSystem.from_uri(location)
        self.files.create_dir(self.folder, recursive=True)

    def _path(self, key: str) -> str:
        return f"{self.folder}/{key}.pt"

    def save(self, key: str, state: Mapping[str, Any]) -> None:
        """Write the trial's state."""
        buffer = io.BytesIO()
        torch.save(dict(state), buffer)
        # An object store shows a file only once it is closed; a disk shows it while it grows.
        local = isinstance(self.files, fs.LocalFileSystem)
        path = f"{self._path(key)}.{os.getpid()}.part" if local else self._path(key)
        with self.files.open_output_stream(path) as stream:
            stream.write(buffer.getbuffer())
        if local:
            os.replace(path, self._path(key))

    def load(self, key: str) -> dict[str, Any] | None:
        """Return the trial's state, or None if there is none that can be read."""
        try:
            with self.files.open_input_file(self._path(key)) as stream:
                content = io.BytesIO(stream.read())
        except FileNotFoundError:
            return None
        try:
            state: dict[str, Any] = torch.load(content, map_location="cpu", weights_only=True)
        except Exception as error:  # whatever a damaged file makes of the reader
            log.warning("ignoring the damaged checkpoint %s: %s", self._path(key), error)
            return None
        return state

    def discard(self, key: str) -> None:
        """Delete the trial's checkpoint, if there is one."""
        try:
            self.files.delete_file(self._path(key))
        except FileNotFoundError:
            return

    def keys(self) -> set[str]:
        """Return the keys of all trials with a checkpoint."""
        entries = self.files.get_file_info(fs.FileSelector(self.folder, allow_not_found=True))
        return {entry.base_name.removesuffix(".pt") for entry in entries if entry.extension == "pt"}


class Cadence:
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
    size = sum(
        tensor.numel() * tensor.element_size()
        for part in ("network", "regularizer")
        for tensor in state[part].values()
    )
    return 0.005 + 2 * size / 200e6  # the optimiser holds as much again
