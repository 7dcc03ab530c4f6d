"""The side effects of a launch, each announced right before it happens.

A side effect is a change that outlives the process: a transaction of MLflow's or Optuna's database
before its commit, a file before it is opened for writing, renamed or removed, a line of the spool
before it is written and before it is deleted, an entry before its delivery. What Python opens,
renames and removes is heard by an audit hook, which stays for the rest of the process.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, event

from study.record.delivery import EntryDelivery
from study.record.spool import RecordSpool
from study.record.waiting import WaitingEntries
from trainables.storage import StorageFolder

ROOT = Path(__file__).resolve().parents[2]
ROOMS = tuple(f"{ROOT / room}{os.sep}" for room in ("analysis", "study", "trainables"))
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
READS = ("SELECT", "PRAGMA", "EXPLAIN")
AT_ONCE = ("CREATE", "ALTER", "DROP")
"""Statements that SQLite's driver commits by itself."""
MOVES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink")
CALLS: tuple[tuple[type, str, str], ...] = (
    (RecordSpool, "_save", "spool line"),
    (EntryDelivery, "deliver", "delivery"),
    (EntryDelivery, "deliver_together", "delivery"),
    (WaitingEntries, "settle", "spool settled"),
    (StorageFolder, "delete", "delete"),  # by pyarrow, of which no audit hook hears
)


class SideEffect(NamedTuple):
    """One side effect."""

    kind: str
    what: str
    """The file's name, or the statement's first words."""
    where: str
    """The line of the project that leads to it."""


class SideEffects:
    """Counts the side effects below a folder, and may kill the process before one of them."""

    def __init__(self, root: Path, log: Path, *, fatal: int = 0) -> None:
        """Prepare.

        Args:
            root: files elsewhere do not count.
            log: gets a line of JSON for each side effect.
            fatal: the number, from 1, of the side effect that does not happen; 0 for none.
        """
        self.root = f"{root}{os.sep}"
        self.fatal = fatal
        self.count = 0
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._turn = threading.RLock()
        self._dirty: set[int] = set()
        """Connections, by id, that have changed something since their last commit."""

    def watch(self) -> None:
        """Hear of side effects from now on."""
        for owner, name, kind in CALLS:
            self._announce(owner, name, kind)
        event.listen(Engine, "before_cursor_execute", self._hear_statement)
        event.listen(Engine, "commit", self._hear_commit)
        event.listen(Engine, "rollback", lambda connection: self._dirty.discard(id(connection)))
        sys.addaudithook(self._hear_audit)

    def note(self, kind: str, what: str) -> None:
        """Count a side effect that is about to happen; the fatal one never does."""
        with self._turn:
            self.count += 1
            line = json.dumps(SideEffect(kind, what, _place()))
            os.write(self._log, f"{line}\n".encode())
            if self.count == self.fatal:
                os.kill(os.getpid(), signal.SIGKILL)
                signal.pause()  # the signal is taken before anything else happens

    def _announce(self, owner: type, name: str, kind: str) -> None:
        method: Callable[..., Any] = getattr(owner, name)

        @wraps(method)
        def announced(*arguments: Any, **options: Any) -> Any:
            self.note(kind, name)
            return method(*arguments, **options)

        setattr(owner, name, announced)

    def _hear_statement(self, connection: Connection, cursor: Any, statement: str, *_: Any) -> None:
        word = statement.lstrip().partition(" ")[0].upper()
        if word in AT_ONCE:
            self.note("statement", " ".join(statement.split()[:3]))
        elif word not in READS:
            self._dirty.add(id(connection))

    def _hear_commit(self, connection: Connection) -> None:
        if id(connection) in self._dirty:
            self._dirty.discard(id(connection))
            self.note("commit", Path(str(connection.engine.url.database)).name)

    def _hear_audit(self, name: str, arguments: tuple[Any, ...]) -> None:
        if name == "open":
            path, _, flags = arguments
            is_effect = isinstance(flags, int) and bool(flags & WRITING)
        else:
            path = arguments[0] if arguments else None
            is_effect = name in MOVES
        if is_effect and isinstance(path, str | bytes | os.PathLike):
            file = os.path.abspath(os.fsdecode(path))
            if file.startswith(self.root):
                self.note(name, file.removeprefix(self.root))


def _place() -> str:
    """Return the innermost line of the project that leads here, as file, line and function."""
    frame = sys._getframe(2)
    while frame is not None:
        code = frame.f_code
        if code.co_filename.startswith(ROOMS):
            file = Path(code.co_filename).relative_to(ROOT)
            return f"{file}:{frame.f_lineno} {code.co_name}"
        frame = frame.f_back  # type: ignore[assignment]  # None ends it
    return threading.current_thread().name
