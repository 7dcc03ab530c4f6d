"""A Ray of the launch's own on this machine: what it needs to start, and how its processes end.

Ray's processes are started in sessions of their own and with SIGTERM blocked. A Ctrl-C, and a
SIGTERM to the launch's process group (`timeout`) or to all its processes (systemd, Slurm), end the
launch alone, which saves what runs while Ray still works. The processes end with the launch all the
same: the launch kills them, each with what it has started, and where the launch itself is killed
Linux kills them.
"""

import os
import secrets
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar

import ray
from ray._private import services

from analysis.counted import count_text
from analysis.record.collector import collector_paused

STARTER = "ConsolePopen"
"""The class by which Ray's module `services` starts processes: private, so that a test names it."""
SHIELDED = frozenset({signal.SIGTERM, signal.SIGHUP})
"""The signals that are for the launch alone."""
LONGEST_SOCKET = 107
"""Bytes of a path that Linux takes for a socket."""
SOCKET = "ray/session_2026-01-01_00-00-00_000000_0000000/sockets/plasma_store"
"""What Ray puts below its folder, in the longest case."""
TOKEN_NAMES = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
"""Where the environment may name Ray's access token."""


class RayStartError(Exception):
    """A local Ray cannot start here; the message says why and what mends it."""


class ShieldedProcess(services.ConsolePopen):
    """A process of Ray's in a session of its own, which signals for the launch do not reach."""

    started: ClassVar[list["ShieldedProcess"]] = []
    """All of this launch."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # What is blocked here and now is blocked in the process from its first moment.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SHIELDED)
        try:
            super().__init__(*args, start_new_session=True, **kwargs)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self.started.append(self)

    def terminate(self) -> None:
        """End the process at once, with all that it has started: SIGTERM would not reach it."""
        self.kill()

    def kill(self) -> None:
        """End the process at once, with all that it has started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        super().kill()


@contextmanager
def shielded_processes() -> Iterator[None]:
    """Let Ray start its processes out of harm's way until the block ends.

    If the start fails, those that were started already are ended.
    """
    starter = getattr(services, STARTER, None)
    if starter is None:  # another Ray: its processes hear of signals as the launch does
        yield
        return
    setattr(services, STARTER, ShieldedProcess)
    try:
        yield
    except BaseException:
        for process in ShieldedProcess.started:
            process.kill()
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=5)  # or its entry stays in the system's table
        raise
    finally:
        setattr(services, STARTER, starter)


@contextmanager
def kept_handlers() -> Iterator[None]:
    """Keep the handlers of signals while Ray starts, which sets its own, or ends.

    At its end Ray takes away its own handler of SIGTERM, below Python, and leaves none: the next
    SIGTERM would end the process at once. Here Python's is set again.

    Raises:
        KeyboardInterrupt: if a handler of Ray's was told to end the process.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except SystemExit as error:
        raise KeyboardInterrupt("SIGTERM") from error
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                signal.signal(number, handler)


def shut_ray_down() -> None:
    """Leave Ray, and end the one of the launch's own.

    Meanwhile nothing is collected: a thread that collected a reference of Ray's would tell its loss
    to what is being taken down, which ends the process.
    """
    with kept_handlers(), collector_paused():
        ray.shutdown()


def ray_folder() -> Path:
    """Return the folder below which a local Ray keeps its files, as Ray itself finds it."""
    return Path(os.environ.get("RAY_TMPDIR", os.environ.get("TMPDIR", "/tmp")))


def check_ray_folder() -> None:
    """Check what Ray would fail at after a while, and not in these words.

    Raises:
        RayStartError: if Ray's folder cannot be used.
    """
    folder = ray_folder()
    name = next((n for n in ("RAY_TMPDIR", "TMPDIR") if n in os.environ), "Ray's folder")
    remedy = "set RAY_TMPDIR to a folder that exists and that you may write, such as /tmp"
    if not folder.is_absolute():
        raise RayStartError(f"{name} is `{folder}`, which is no absolute path; {remedy}")
    if not folder.is_dir():
        raise RayStartError(f"{name} is {folder}, which is no folder; {remedy}")
    longest = len(os.fsencode(folder / SOCKET))
    if longest > LONGEST_SOCKET:
        raise RayStartError(
            f"{name} is {folder}, which is {longest - LONGEST_SOCKET} characters too long for "
            "the sockets that Ray puts there; set RAY_TMPDIR to a short path, such as /tmp"
        )
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
        with suppress(FileNotFoundError), tempfile.TemporaryFile(dir=folder / "ray"):
            pass
    except OSError as error:
        raise RayStartError(f"cannot write to {folder}: {error.strerror}; {remedy}") from error


def provide_token(instead: Path) -> None:
    """Make Ray's access token, for its owner's eyes alone: Ray would let everybody read it.

    Args:
        instead: a file for the token where the home folder cannot be written.
    """
    if os.environ.get("RAY_AUTH_MODE", "token").lower() != "token":
        return
    if any(os.environ.get(name) for name in TOKEN_NAMES):
        return
    try:
        usual = Path.home() / ".ray" / "auth_token"
        _make_token(usual)
    except (OSError, RuntimeError):  # RuntimeError: there is no home at all
        _make_token(instead)
        os.environ["RAY_AUTH_TOKEN_PATH"] = str(instead)


def _make_token(file: Path) -> None:
    """Make a token unless there is one, and let its owner alone read it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        if file.stat().st_mode & 0o077:
            file.chmod(0o600)
        return
    with os.fdopen(handle, "w") as opened:
        opened.write(secrets.token_hex(32))


def likely_cause(error: BaseException) -> str:
    """Return why a local Ray did not start, as far as that can be known, and what to do."""
    said = f"{error}".strip().splitlines()
    reason = said[0].rstrip(".") if said else type(error).__name__
    causes = []
    load, cpus = os.getloadavg()[0], len(os.sched_getaffinity(0))
    if load > 2 * cpus:
        causes.append(
            f"the machine is loaded ({load:.0f} processes want {count_text(cpus, 'CPU')}): "
            "try later"
        )
    free = _free_megabytes(ray_folder())
    if free is not None and free < 100:
        causes.append(f"the disk of {ray_folder()} is full ({free:.0f} MB are free)")
    if not _loopback_works():
        causes.append("no process can listen on the loopback address 127.0.0.1")
    if not causes:
        causes.append(
            "if the machine is busy or short of memory, the same command later may do; else "
            f"{ray_folder()}/ray/session_latest/logs says more"
        )
    return f"{reason}; {'; '.join(causes)}"


def _free_megabytes(folder: Path) -> float | None:
    try:
        status = os.statvfs(folder)
    except OSError:
        return None
    return status.f_bavail * status.f_frsize / 1e6


def _loopback_works() -> bool:
    try:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
    except OSError:
        return False
    return True
