"""Folders for a moment in the system's temporary folder, and the sweep of those that were left.

A process that is killed leaves its folders. Each is held by a lock, which the system lets go of
when the process is gone: what nobody holds can be deleted, and what somebody uses stays.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

KINDS = ("artifact", "artifacts", "doctor", "plan", "plots", "tune")
"""What the folders are for; their names begin with ``study-KIND-``."""
YOUNG_SECONDS = 10.0
"""A younger folder may not be locked yet."""


@contextmanager
def lend_scratch(kind: str) -> Iterator[str]:
    """Lend an empty folder that is deleted in the end.

    Args:
        kind: one of `KINDS`.
    """
    assert kind in KINDS
    with tempfile.TemporaryDirectory(prefix=f"study-{kind}-", ignore_cleanup_errors=True) as folder:
        handle = os.open(folder, os.O_RDONLY)
        try:
            with suppress(OSError):  # a file system without locks: the sweep leaves it alone too
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            yield folder
        finally:
            os.close(handle)


def sweep_scratch() -> list[Path]:
    """Delete the folders that killed processes of this user have left; return which."""
    swept = []
    for kind in KINDS:
        for folder in Path(tempfile.gettempdir()).glob(f"study-{kind}-????????"):
            with suppress(OSError):  # another process sweeps as well
                if _is_left_over(folder):
                    shutil.rmtree(folder, ignore_errors=True)
                    swept.append(folder)
    return swept


def _is_left_over(folder: Path) -> bool:
    """Return whether a folder is this user's and nobody uses it."""
    status = folder.lstat()
    if folder.is_symlink() or not folder.is_dir() or status.st_uid != os.getuid():
        return False
    if time.time() - status.st_mtime < YOUNG_SECONDS:
        return False
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True
