"""One driver per study and state directory: the second is told who holds it and since when."""

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

ATTEMPTS = 10
"""How often a lock that is deleted at the same moment is made anew."""


class StudyHeldError(Exception):
    """Another process runs this study at this scale; nothing was started."""


class HeldLock:
    """The lock of a study while this process holds it."""

    def __init__(self, path: Path, file: TextIO) -> None:
        """Take an open file that is locked."""
        self.path = path
        self.file = file

    def is_in_place(self) -> bool:
        """Return whether the file is still there: without it another process may hold another."""
        try:
            return os.path.samestat(os.fstat(self.file.fileno()), self.path.stat())
        except OSError:
            return False


@contextmanager
def hold_study(path: Path) -> Iterator[HeldLock]:
    """Hold the study until the block ends or the process ends, in whatever way.

    Raises:
        StudyHeldError: naming the process that holds it, its machine and since when.
    """
    for attempt in range(ATTEMPTS):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+", encoding="utf-8") as file:
            if not _lock_file(file):
                raise StudyHeldError(f"{_describe_holder(path)}; one study runs once at a time")
            held = HeldLock(path, file)
            if attempt + 1 < ATTEMPTS and not held.is_in_place():
                continue  # its holder has deleted it, to leave nothing behind
            file.truncate(0)
            started = time_with_zone()
            json.dump({"pid": os.getpid(), "host": socket.gethostname(), "since": started}, file)
            file.flush()
            yield held
            file.truncate(0)
            return


def time_with_zone() -> str:
    """Return the time at which a launch begins, for people who may be elsewhere."""
    return time.strftime("%Y-%m-%d %H:%M:%S %z")


def _lock_file(file: TextIO) -> bool:
    """Return whether the file could be locked; `read_holder` locks it too, for a moment."""
    for wait in (0.05, 0.1, 0.2, 0):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError:
            time.sleep(wait)
    return False


def read_holder(path: Path) -> dict[str, str | int] | None:
    """Return pid, host and since of the process that holds the study, or None."""
    try:
        with path.open(encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                found: dict[str, str | int] = json.load(file)
                return found
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return None


def _describe_holder(path: Path) -> str:
    found = read_holder(path) or {}
    return (
        f"process {found.get('pid', '?')} on {found.get('host', '?')} holds this study "
        f"since {found.get('since', '?')}"
    )
