"""A write-ahead file of records: what is in it survives the process, and is written when it can be.

Whoever produces a record appends it here and goes on; one thread delivers the records in order. A
record stays in the file until it and all before it are delivered, so delivery must be repeatable.
"""

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

Entry = Mapping[str, Any]


class Unreachable(Exception):
    """The receiver cannot be reached now; the same record may go through later."""


class Spool:
    """Appends records to a file and delivers them in order from a thread of its own."""

    RETRY_SECONDS = (0.5, 1, 2, 5, 10)
    """Waits between attempts while the receiver is away; the last one repeats."""

    def __init__(self, path: Path, deliver: Callable[[Entry], None]) -> None:
        """Open the spool; `start` delivers what an earlier process left in it.

        Args:
            path: the file.
            deliver: called with one record at a time; raises `Unreachable` to be asked again.
        """
        self.path = path
        self.deliver = deliver
        self.refused: list[str] = []
        """What the receiver refused for good, in words."""
        self.away_since: float | None = None
        """When the receiver was first missed (`time.time()`), or None while it answers."""
        self._changed = threading.Condition()
        self._entries, cut_short = _read(path)
        self._file = path.open("a", encoding="utf-8")
        if cut_short:  # or the next record would continue that line
            self._file.write("\n")
            self._file.flush()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="spool", daemon=True)

    def __len__(self) -> int:
        """Return how many records wait."""
        return len(self._entries)

    def start(self) -> None:
        """Start delivering."""
        self._thread.start()

    def append(self, entry: Entry) -> None:
        """Put a record on file; it is delivered soon."""
        line = json.dumps(entry)
        with self._changed:
            self._file.write(f"{line}\n")
            self._file.flush()  # out of this process: a kill -9 cannot lose it any more
            self._entries.append(entry)
            self._changed.notify_all()

    def drain(self, timeout: float) -> bool:
        """Wait until all records are delivered; return False if `timeout` seconds were too few."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._entries, timeout)

    def close(self, timeout: float) -> bool:
        """Deliver what can be delivered in `timeout` seconds and stop; the rest stays on file."""
        drained = self.drain(timeout)
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout=1)
        with self._changed:
            self._file.close()
        return drained

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._entries or self._closing)
                if self._closing:
                    return
                entry = self._entries[0]
            if not self._deliver(entry):
                return
            with self._changed:
                if self._file.closed:
                    return  # it comes again from the file, which does no harm
                self._entries.popleft()
                if not self._entries:
                    self._file.truncate(0)
                self._changed.notify_all()

    def _deliver(self, entry: Entry) -> bool:
        """Deliver one record, waiting for the receiver; return False if closed meanwhile."""
        for attempt in range(10**9):
            try:
                self.deliver(entry)
            except Unreachable as error:
                self.away_since = self.away_since or time.time()
                log.warning("cannot record now, %d wait: %s", len(self), error)
                wait = self.RETRY_SECONDS[min(attempt, len(self.RETRY_SECONDS) - 1)]
                with self._changed:
                    if self._changed.wait_for(lambda: self._closing, wait):
                        return False
            except Exception as error:
                log.exception("a record was refused: %s", entry)
                self.refused.append(f"{type(error).__name__}: {error}")
                return True
            else:
                self.away_since = None
                return True
        return False


def _read(path: Path) -> tuple[deque[Entry], bool]:
    """Return the records of a file, and whether a dying process cut its last line short.

    Such a line is no record.
    """
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    entries: deque[Entry] = deque()
    for line in text.splitlines():
        try:
            entries.append(json.loads(line))
        except json.JSONDecodeError:
            log.warning("%s: skipping a line cut short", path)
    return entries, bool(text) and not text.endswith("\n")
