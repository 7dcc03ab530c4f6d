"""One driver per study and scale: the second is told who holds it and since when."""

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


class StudyHeldError(Exception):
    """Another process runs this study at this scale; nothing was started."""


@contextmanager
def hold_study(path: Path) -> Iterator[None]:
    """Hold the study until the block ends or the process ends, in whatever way.

    Raises:
        StudyHeldError: naming the process that holds it, its machine and since when.
    """
    with path.open("a+", encoding="utf-8") as file:
        if not _lock_file(file):
            raise StudyHeldError(f"{_describe_holder(path)}; one study runs once at a time")
        file.truncate(0)
        started = time.strftime("%Y-%m-%d %H:%M:%S")
        json.dump({"pid": os.getpid(), "host": socket.gethostname(), "since": started}, file)
        file.flush()
        yield
        file.truncate(0)


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
