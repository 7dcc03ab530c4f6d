"""The delivery of an entry: written, asked again later, or refused for good."""

import logging
import threading
from collections.abc import Callable, Sequence

from study.record.entries import EpochsTrained, TrialBegun, TrialEnded, TrialEntry, parse_line
from study.record.errors import (
    MissingFileError,
    RecordError,
    RefusedRecordError,
    is_transient,
    shown_reason,
)
from study.record.spool import UnreachableError
from study.record.study_run import StudyRun
from study.record.trial_runs import TrialRuns
from study.record.waiting import Entry

log = logging.getLogger(__name__)

MOST_ATTEMPTS = 6
"""How often in a row such an error may meet an entry while the server takes everything else."""
NOT_OF_THE_SERVER = (UnreachableError, MissingFileError, AssertionError, ImportError)
"""Errors that say by themselves whether the entry comes again."""


class EntryDelivery:
    """Writes the entries of one spool: those of a trial one after the other."""

    def __init__(
        self, study_run: StudyRun, runs: TrialRuns, *, check_right: Callable[[], None]
    ) -> None:
        """Start with no attempt made.

        Args:
            study_run: the run of the study.
            runs: the runs of its trials.
            check_right: raises `RecordError` if this launch may not write the record now.
        """
        self.study_run = study_run
        self.runs = runs
        self.check_right = check_right
        self._attempts: dict[str, int] = {}
        """How often in a row the next entry of a trial met an error of its own."""
        self._asking = threading.Lock()
        """Held while the server is asked whether it takes records; one question at a time."""

    def deliver(self, line: Entry) -> None:
        """Write the entry of a line.

        Raises:
            UnreachableError: if the same entry may be written later.
            RefusedRecordError: if the server takes other records but not this one.
            UnreadableEntryError: if the line is no entry.
        """
        entry = parse_line(line)
        try:
            self.check_right()
        except RecordError as error:
            raise UnreachableError(str(error)) from error
        self.runs.forget_trials()
        try:
            entry.write(self.runs)
        except NOT_OF_THE_SERVER:
            raise
        except Exception as error:  # a store of artifacts has errors of its own
            raise self._judge_error(entry, error) from error
        self._attempts.pop(entry.key, None)

    def deliver_together(self, lines: Sequence[Entry]) -> int:
        """Write the first entries of a trial that waits, as far as they can go in few requests.

        These are its beginning, epochs and end in this order, or those of them that come first.

        Returns:
            How many are written: 0 after any error, since each is then to be delivered by itself,
            to be judged by itself. An entry may be written twice.
        """
        kinds = [line.get("kind") for line in lines]
        count = _together(kinds)
        if count < 2:
            return 0
        try:
            entries = [parse_line(line) for line in lines[:count]]
            self.check_right()
            self.runs.forget_trials()
            with self.runs.gathering(entries[0].key):
                for entry in entries:
                    entry.write(self.runs)
        except Exception as error:  # a store of artifacts has errors of its own
            log.warning("entries of a trial are written one by one: %s", shown_reason(error))
            return 0
        return count

    def _judge_error(self, entry: TrialEntry, error: Exception) -> Exception:
        """Return what the spool is told; only a server that takes records refuses one for good."""
        reason = shown_reason(error)
        attempts = self._attempts.pop(entry.key, 0) + 1
        with self._asking:
            is_writable = self.study_run.is_writable()
        if not is_writable:
            return UnreachableError(reason)
        if attempts < MOST_ATTEMPTS and is_transient(error):
            self._attempts[entry.key] = attempts
            return UnreachableError(reason)
        return RefusedRecordError(f"{entry.kind} of trial {entry.key}: {reason}")


def _together(kinds: Sequence[object]) -> int:
    """Return how many of a trial's first entries may be written together."""
    count = int(bool(kinds) and kinds[0] == TrialBegun.kind)
    while count < len(kinds) and kinds[count] == EpochsTrained.kind:
        count += 1
    return count + int(count < len(kinds) and kinds[count] == TrialEnded.kind)
