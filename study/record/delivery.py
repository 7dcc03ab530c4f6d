"""The delivery of an entry: written, asked again later, or refused for good."""

import threading
from collections.abc import Callable

from study.record.entries import TrialEntry, parse_line
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

MOST_ATTEMPTS = 6
"""How often in a row such an error may meet an entry while the server takes everything else."""
NOT_OF_THE_SERVER = (UnreachableError, MissingFileError, AssertionError, ImportError)
"""Errors that say by themselves whether the entry comes again."""


class EntryDelivery:
    """Writes the entries of one spool: those of a trial one after the other."""

    def __init__(
        self,
        study_run: StudyRun,
        runs: TrialRuns,
        *,
        check_right: Callable[[], None],
        is_followed: Callable[[str], bool],
        note_refused: Callable[[str], None],
    ) -> None:
        """Start with no attempt made.

        Args:
            study_run: the run of the study.
            runs: the runs of its trials.
            check_right: raises `RecordError` if this launch may not write the record now.
            is_followed: whether another entry of the trial of this key waits behind the one that is
                delivered, so that what this one writes may wait for that one.
            note_refused: told what the server refuses of an entry that was delivered before.
        """
        self.study_run = study_run
        self.runs = runs
        self.check_right = check_right
        self.is_followed = is_followed
        self.note_refused = note_refused
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
        while True:
            try:
                self._write(entry)
            except NOT_OF_THE_SERVER:
                raise
            except Exception as error:  # a store of artifacts has errors of its own
                told = self._judge_error(entry, error)
                if told:
                    raise told from error
            else:
                break
        self._attempts.pop(entry.key, None)

    def _write(self, entry: TrialEntry) -> None:
        self.runs.batches.note_kind(entry.key, entry.kind)
        try:
            entry.write(self.runs)
        finally:
            if not self.is_followed(entry.key):
                self.runs.batches.flush(entry.key)

    def _judge_error(self, entry: TrialEntry, error: Exception) -> Exception | None:
        """Return what the spool is told; only a server that takes records refuses one for good.

        None where what waited of an earlier entry is refused: this one is to be written without it.
        """
        reason = shown_reason(error)
        attempts = self._attempts.pop(entry.key, 0) + 1
        with self._asking:
            is_writable = self.study_run.is_writable()
        if not is_writable:
            return UnreachableError(reason)
        if attempts < MOST_ATTEMPTS and is_transient(error):
            self._attempts[entry.key] = attempts
            return UnreachableError(reason)
        kinds = self.runs.batches.give_up(entry.key)
        earlier = [kind for kind in kinds if kind != entry.kind]
        for kind in earlier:
            self.note_refused(f"{kind} of trial {entry.key}: {reason}")
        if earlier and entry.kind not in kinds:
            return None
        return RefusedRecordError(f"{entry.kind} of trial {entry.key}: {reason}")
