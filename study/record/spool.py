"""A write-ahead file of records: a record in it survives the process and is delivered later.

Whoever produces a record appends it here and goes on. Threads deliver the records: those of one
lane in order and one at a time, those of different lanes side by side, since a receiver far away
answers slowly but answers many. A record stays in the file until all are delivered. A process that
dies meanwhile has some of them delivered again by the next, so delivery must be repeatable.
"""

import errno
import json
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from study.record.pacing import DeliveryPace
from study.record.waiting import Entry, WaitingEntries

log = logging.getLogger(__name__)

LEAVING_SECONDS = 1.0
"""How long a spool that closes waits for what is on its way."""


class UnreachableError(Exception):
    """The receiver cannot be reached now; it may take the same record later."""


class RecordSpool:
    """Appends records to a file and delivers them from threads of its own."""

    RETRY_SECONDS = (0.5, 1, 2, 5, 10)
    """Waits between attempts while the receiver is away; the last one repeats."""

    def __init__(
        self,
        path: Path,
        file: IO[bytes],
        *,
        waiting: WaitingEntries,
        deliver: Callable[[Entry], None],
        deliver_together: Callable[[Sequence[Entry]], int],
        writers: int,
    ) -> None:
        """Take what `open_spool` has opened and read.

        Args:
            path: the file's.
            file: open for appending, without a buffer.
            waiting: the records in the file.
            deliver: called with one record of a lane at a time.
            deliver_together: as for `open_spool`.
            writers: how many lanes are delivered side by side.
        """
        self.path = path
        self.deliver = deliver
        self.deliver_together = deliver_together
        self.refused: list[str] = []
        """What the receiver refused for good, in words."""
        self.away_since: float | None = None
        """When the receiver was first missed (`time.time()`), or None while it answers."""
        self.away_because = "no answer"
        """What the last attempt that failed to reach the receiver came to."""
        self.unsaved: str = ""
        """Why the newest records are in memory alone, or nothing; see `append`."""
        self._changed = threading.Condition()
        self._waiting = waiting
        self._pace = DeliveryPace(writers)
        self._file = file
        self._closing = False
        self._is_left_secure = True
        """Once closed: whether what still waits survives a loss of power."""
        self._threads = [
            threading.Thread(target=self._work, name=f"spool-{number}", daemon=True)
            for number in range(writers)
        ]

    def __len__(self) -> int:
        """Return how many records wait."""
        return len(self._waiting)

    def start(self) -> None:
        """Start delivering."""
        for thread in self._threads:
            thread.start()

    def append(self, entry: Entry) -> None:
        """Put a record on file; a thread of the spool delivers it soon.

        Where the disk is full the record is kept in memory, and delivered all the same.
        """
        line = f"{json.dumps(entry)}\n".encode()
        with self._changed:
            self._save(line)
            self._waiting.add(entry)
            self._changed.notify_all()

    def _save(self, line: bytes) -> None:
        # The file has no buffer: a record once written is out of this process, and a kill -9 cannot
        # lose the record any more.
        size = self._file.seek(0, os.SEEK_END)
        try:
            if self._file.write(line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            self._file.truncate(size)
            self.unsaved = self.unsaved or str(error)
            log.warning("cannot write %s: %s", self.path, error)

    def secure(self) -> bool:
        """Have what waits survive a loss of power too; return whether it does.

        This takes the disk some milliseconds, so it is not done for each record, but before what a
        record stands for is deleted.
        """
        with self._changed:
            if self._file.closed:
                return self._is_left_secure
            if not self._waiting:
                return not self.unsaved
            try:
                os.fsync(self._file.fileno())
            except OSError as error:
                log.warning("cannot have %s on its disk: %s", self.path, error)
                return False
            return not self.unsaved

    def drain(self, timeout: float) -> bool:
        """Wait until all records are delivered; return False if for `timeout` seconds none was."""
        with self._changed:
            while waiting := len(self._waiting):
                if not self._changed.wait_for(lambda: len(self._waiting) < waiting, timeout):  # noqa: B023  # asked in this round alone
                    return False
        return True

    def close(self, timeout: float) -> bool:
        """Wait as `drain` does and stop delivering; the records that still wait stay on file."""
        drained = self.drain(timeout)
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        until = time.monotonic() + LEAVING_SECONDS
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout=max(0.0, until - time.monotonic()))
        with self._changed:
            self._is_left_secure = self.secure()
            self._file.close()
        return drained

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting.is_ready or self._closing)
                if self._closing:
                    return
                lane, entries = self._waiting.take()
            delivered = self._deliver(entries)
            if not delivered:
                return
            with self._changed:
                if self._file.closed:
                    return  # the next process delivers the record again, which does no harm
                self._waiting.settle(lane, delivered)
                if not self._waiting:
                    self._file.truncate(0)
                    self.unsaved = ""
                self._changed.notify_all()

    def _deliver(self, entries: Sequence[Entry]) -> int:
        """Deliver the first record of a lane, or several, waiting for the receiver.

        Returns:
            How many are delivered or refused; 0 if closed meanwhile.
        """
        for attempt in range(10**9):
            with self._changed:
                self._changed.wait_for(lambda: self._pace.has_room or self._closing)
                if self._closing:
                    return 0
                self._pace.note_sent()
            # Together only at first: an error is to be found, and waited for, in one of them.
            taken = self._taken_together(entries) if attempt == 0 else 0
            taken = taken or int(self._is_taken(entries[0]))
            with self._changed:
                if taken:
                    self._pace.note_taken()
                    self._changed.notify_all()
                    return taken
                self._pace.note_missed()
                self._changed.notify_all()
                wait = self.RETRY_SECONDS[min(attempt, len(self.RETRY_SECONDS) - 1)]
                if self._changed.wait_for(lambda: self._closing, wait):
                    return 0
        return 0

    def _taken_together(self, entries: Sequence[Entry]) -> int:
        """Return how many of some records were delivered at once."""
        taken = self.deliver_together(entries) if len(entries) > 1 else 0
        if taken:
            self.away_since = None
        return taken

    def _is_taken(self, entry: Entry) -> bool:
        """Try to deliver a record; return whether it need not be tried again."""
        try:
            self.deliver(entry)
        except UnreachableError as error:
            self.away_since = self.away_since or time.time()
            self.away_because = str(error)
            log.warning("cannot record now, %d wait: %s", len(self), error)
            return False
        except Exception as error:
            log.exception("a record was refused: %s", entry)
            self.refused.append(f"{type(error).__name__}: {error}")
        else:
            self.away_since = None
        return True


def open_spool(
    path: Path,
    deliver: Callable[[Entry], None],
    *,
    deliver_together: Callable[[Sequence[Entry]], int] = lambda entries: 0,
    lane_of: Callable[[Entry], str] = lambda entry: "",
    writers: int = 1,
) -> RecordSpool:
    """Open a file of records, and make it if there is none.

    Args:
        path: the file.
        deliver: called with a record; raises `UnreachableError` to be called again with the same
            record later. After any other error the record counts as refused.
        deliver_together: called with the first records of a lane where several wait; returns how
            many of them it has delivered, and raises nothing. Those that it has not are delivered
            one by one.
        lane_of: names the lane of a record; without it all are one lane, in the order of the file.
        writers: how many lanes are delivered side by side.

    Returns:
        The spool; `start` delivers what an earlier process left in the file.
    """
    # Late: it loads PyArrow, which whoever reads records alone need not.
    from trainables.storage import sync_folder

    waiting, whole = _read_entries(path)
    file = path.open("ab", buffering=0)
    sync_folder(str(path.parent))
    file.truncate(whole)  # or the next record would continue a line cut short
    return RecordSpool(
        path,
        file,
        waiting=WaitingEntries(waiting, lane_of=lane_of),
        deliver=deliver,
        deliver_together=deliver_together,
        writers=writers,
    )


def _read_entries(path: Path) -> tuple[deque[Entry], int]:
    """Return the records of a file and how many bytes they take.

    A last line that a dying process cut short is no record.
    """
    content = path.read_bytes() if path.exists() else b""
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        log.warning("%s: dropping a line cut short", path)
    entries: deque[Entry] = deque()
    for line in content[:whole].splitlines():
        try:
            entries.append(json.loads(line))
        except ValueError:  # a disk that lost power may hold anything
            log.warning("%s: skipping what is no record: %r", path, line[:200])
    return entries, whole
