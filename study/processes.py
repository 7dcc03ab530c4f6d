"""Processes as other processes name them: alive, gone, or out of sight on another machine.

Read from Linux's `/proc`; elsewhere every other process is out of sight.
"""

import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PROC = Path("/proc")
BOOT_ID = PROC / "sys/kernel/random/boot_id"
"""Names one start of one machine."""
PID_NAMESPACE = PROC / "self/ns/pid"
"""Names the container whose process numbers these are."""
START_FIELD, STATE_FIELD = 19, 0
"""Places in `/proc/PID/stat` after the command's name; see proc(5)."""
STOPPED, ENDED = ("T", "t"), ("Z", "X")
"""States of a process that does nothing for now, and of one that never will again."""


@dataclass(frozen=True)
class ProcessIdentity:
    """A process, so that no other process is ever taken for it."""

    host: str
    """The machine's name, for people: two machines may share it."""
    machine: str
    """One start of one machine and, on it, one set of process numbers; empty where unknown."""
    pid: int
    started: str
    """When the process began, in the kernel's ticks since the machine's start."""


def this_process() -> ProcessIdentity:
    """Return the identity of this process."""
    pid = os.getpid()
    fields = _read_stat(pid)
    started = fields[START_FIELD] if fields else ""
    return ProcessIdentity(socket.gethostname(), _this_machine(), pid, started)


def is_gone(process: ProcessIdentity) -> bool:
    """Return whether a process has certainly ended: one of another machine is out of sight."""
    if not _is_in_sight(process):
        return False
    fields = _read_stat(process.pid)
    if fields:
        return fields[START_FIELD] != process.started or fields[STATE_FIELD] in ENDED
    try:
        os.kill(process.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # alive, and hidden from other users
        return False
    return False


def is_running(process: ProcessIdentity) -> bool:
    """Return whether a process certainly runs now: neither ended nor stopped by a signal."""
    fields = _read_stat(process.pid) if _is_in_sight(process) else []
    if not fields or fields[START_FIELD] != process.started:
        return False
    return fields[STATE_FIELD] not in (*STOPPED, *ENDED)


def _is_in_sight(process: ProcessIdentity) -> bool:
    return bool(process.machine) and process.machine == _this_machine()


def _read_stat(pid: int) -> list[str]:
    """Return the fields of a process from its state on, or none if it cannot be seen."""
    try:
        text = (PROC / str(pid) / "stat").read_text("utf-8", "replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()  # the command's name may hold spaces and brackets


@cache
def _this_machine() -> str:
    try:
        return f"{BOOT_ID.read_text().strip()} {os.readlink(PID_NAMESPACE)}"
    except OSError:
        return ""
