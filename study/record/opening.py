"""The opening of a study's record: its right to write is taken, its runs are found and settled."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from mlflow import MlflowClient

from analysis.record.client import open_blank, open_client
from analysis.record.location import is_begun, shown_tracking_uri
from study.file.resolved import ResolvedStudy
from study.record.delivery import EntryDelivery
from study.record.errors import BUSY_SECONDS, RecordError, ask_until_answered, is_busy
from study.record.lease import StudyLease, take_lease
from study.record.spool import open_spool
from study.record.study_run import StudyRun, open_experiment, open_study_run
from study.record.trial_runs import TrialRuns
from study.record.writer import StudyRecord

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

FIRST_SECONDS = 60.0
"""How long a launch waits for the server to take none of the entries that an earlier one left."""

BLANK = "blank.db"
"""An empty record's file, beside the spool."""
SERVER_WRITERS = 12
"""Trials that are written side by side to a server. MLflow's has 15 connections to its database,
and a request may hold one while it wants a second: were all held so, none would be answered for
30 s."""


def writers_of(tracking_uri: str) -> int:
    """Return how many trials are written side by side.

    A trial takes about six requests, so a far server decides how fast one writer is: with 0.2 s a
    request, less than a trial a second. A file of SQLite's takes one writer at a time.
    """
    return SERVER_WRITERS if tracking_uri.startswith(("http://", "https://")) else 1


def open_record(
    study: ResolvedStudy,
    spool: Path,
    *,
    read_only: bool = False,
    create: bool = True,
    alone: bool = False,
    say: Callable[[str], None] | None = None,
) -> StudyRecord:
    """Find the study's experiment and run, and write what an earlier process left.

    Args:
        study: whose record.
        spool: the file of entries that wait.
        read_only: whether to make and write nothing; what is recorded comes to nothing. Where
            there is no record, an empty one beside the spool is read, and none is made.
        create: whether to make the study's run at once where it is missing; else `begin_study`
            makes it, or an entry that waits.
        alone: whether to keep other launches of the study away until the record is closed.
        say: told what is waited for.

    Raises:
        RecordError: if the tracking server cannot be reached or refuses.
        StudyHeldError: if another launch runs the study, on whatever machine.
    """

    def ask(question: Callable[[], Answer]) -> Answer:
        failed = f"cannot use the tracking server {shown_tracking_uri()}"
        return ask_until_answered(
            question, failed=failed, seconds=BUSY_SECONDS, say=say, may_pass=is_busy
        )

    client = ask(lambda: _open_client(spool.with_name(BLANK), read_only=read_only))
    lease = ask(lambda: _take_study(client, study, say or log.warning)) if alone else None
    try:
        study_run, runs, notices = ask(
            lambda: _open_runs(client, study, settle=not read_only, create=create and not read_only)
        )
        check_right = lease.check if lease else lambda: None
        delivery = EntryDelivery(study_run, runs, check_right=check_right)
        opened = open_spool(
            spool,
            delivery.deliver,
            deliver_together=delivery.deliver_together,
            lane_of=lambda line: str(line.get("key", "")),
            writers=writers_of(client.tracking_uri),
        )
    except BaseException:
        if lease:
            lease.release()
        raise
    record = StudyRecord(study_run, runs, opened, lease=lease, notices=notices, say=say)
    if not read_only:
        try:
            if len(record.spool):
                ask(study_run.create_missing)
            _write_waiting(record)
        except BaseException:
            record.close(timeout=0)
            raise
    return record


def _open_client(blank: Path, *, read_only: bool) -> MlflowClient:
    """Return a client of the record; to read where there is none, of an empty one in a file."""
    return open_blank(blank) if read_only and not is_begun() else open_client()


def _take_study(
    client: MlflowClient, study: ResolvedStudy, say: Callable[[str], None]
) -> StudyLease:
    experiment_id = open_experiment(client, study.name, create=True)
    return take_lease(client, experiment_id, study.scale, say=say)


def _open_runs(
    client: MlflowClient, study: ResolvedStudy, *, settle: bool, create: bool
) -> tuple[StudyRun, TrialRuns, list[str]]:
    """Return the study's run and those of its trials, and what was odd about them.

    Args:
        client: of the record.
        study: whose runs.
        settle: whether to leave one run of a study and one of a trial where there are several.
        create: whether to make the study's run where it is missing.
    """
    study_run = open_study_run(client, study, create=create)
    runs = TrialRuns(study_run)
    notices = [*study_run.put_away_superseded(), *runs.settle()] if settle else []
    runs.note_runs()
    return study_run, runs, notices


def _write_waiting(record: StudyRecord) -> None:
    """Write what an earlier launch left in the spool.

    Raises:
        RecordError: if the tracking server takes none of it.
    """
    record.spool.start()
    if not record.spool.drain(FIRST_SECONDS):
        reason = record.spool.away_because
        raise RecordError(f"cannot write the waiting records of {record.spool.path}: {reason}")
