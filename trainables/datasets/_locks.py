"""Locks between the processes of a machine that need the same files: no wait is a silent one."""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

log = logging.getLogger(__name__)

SILENT_SECONDS = 3.0
"""A longer wait is told, with the process that is waited for."""


class LockHeldError(OSError):
    """The lock is held by a process that will not let it go soon."""


@contextmanager
def hold_lock(path: Path, *, purpose: str, most_seconds: float) -> Iterator[None]:
    """Hold a lock; tell a wait of more than seconds, and do not wait for a stopped process.

    A process that dies lets go of its locks.

    Args:
        path: the lock's file, made if need be; a name that ends in `.lock`.
        purpose: what the holder does, after "which".
        most_seconds: how long to wait at most.

    Raises:
        LockHeldError: if the holder is stopped, or holds on for longer.
        OSError: if the file cannot be made.
    """
    lock, note = FileLock(path), path.with_name(f"{path.stem}.holder.lock")
    _acquire_lock(lock, note, purpose=purpose, most_seconds=most_seconds)
    try:
        with suppress(OSError):
            note.write_text(str(os.getpid()))
        yield
    finally:
        with suppress(OSError):
            note.unlink()
        lock.release()


def _acquire_lock(lock: FileLock, note: Path, *, purpose: str, most_seconds: float) -> None:
    started, told = time.monotonic(), False
    while True:
        left = started + most_seconds - time.monotonic()
        try:
            lock.acquire(timeout=max(0.0, min(SILENT_SECONDS, left)))
            return
        except Timeout:
            holder = _holder_of(note)
            if _is_stopped(holder):
                raise LockHeldError(
                    f"process {holder}, which {purpose}, is stopped: `kill -CONT {holder}` lets "
                    f"it go on, `kill -KILL {holder}` ends it"
                ) from None
            if left <= SILENT_SECONDS:
                raise LockHeldError(
                    f"process {holder or 'unknown'}, which {purpose}, has held {lock.lock_file} "
                    f"for {most_seconds:g} s"
                ) from None
            if not told:
                log.warning("Waiting for process %s, which %s.", holder or "unknown", purpose)
                told = True


def _holder_of(note: Path) -> int | None:
    try:
        return int(note.read_text())
    except (OSError, ValueError):  # it has just come or gone
        return None


def _is_stopped(process: int | None) -> bool:
    import psutil  # late: only who waits needs it

    if process is None:
        return False
    try:
        return psutil.Process(process).status() in (
            psutil.STATUS_STOPPED,
            psutil.STATUS_TRACING_STOP,
        )
    except psutil.Error:  # of another container, or gone
        return False
