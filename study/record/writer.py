"""The record of one study at one scale, in MLflow, as a launch uses it.

What happens to trials goes through the spool and is on file at once. What concerns the study's own
run is written directly.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from mlflow import MlflowClient

from analysis.record.client import open_client, shown_tracking_uri
from analysis.record.names import MISSING_DIAGNOSTICS, RETIRED, Outcome
from analysis.record.values import flag_text, metric_value, param_text
from study.file.resolved import ResolvedStudy
from study.record.delivery import EntryDelivery
from study.record.elsewhere import OtherStudies
from study.record.entries import (
    DiagnosticsLeft,
    EpochsTrained,
    TrialAdopted,
    TrialBegun,
    TrialEnded,
    TrialEntry,
    TrialInterrupted,
    TrialTagged,
    line_of,
)
from study.record.errors import RecordError, store_errors_told
from study.record.spool import RecordSpool, open_spool
from study.record.study_run import StudyRun, milliseconds_now, open_study_run
from study.record.trial_runs import TrialRuns
from study.trials import RecordedTrial
from trainables.metrics import EpochMetrics, TrialSummary

FIRST_SECONDS = 60.0
"""How long a launch waits for the server to take none of the entries that an earlier one left."""


class StudyRecord:
    """The runs of one study at one scale."""

    def __init__(self, study_run: StudyRun, runs: TrialRuns, spool: RecordSpool) -> None:
        """Take the parts that `open_record` has opened.

        Args:
            study_run: the study's own run.
            runs: the runs of its trials.
            spool: takes what happens to trials.
        """
        self.study = study_run.study
        self.study_run = study_run
        self.runs = runs
        self.spool = spool
        self.others = OtherStudies(study_run)

    @property
    def client(self) -> MlflowClient:
        """MLflow's client."""
        return self.study_run.client

    @property
    def experiment_id(self) -> str:
        """The study's experiment; empty where there is none and none was to be made."""
        return self.study_run.experiment_id

    @property
    def parent_id(self) -> str:
        """The study's own run; empty where there is none and none was to be made."""
        return self.study_run.run_id

    def trials(self) -> dict[str, RecordedTrial]:
        """Return all trials of the study by key, whatever became of them."""
        return self.runs.trials()

    def begin(
        self, key: str, *, name: str, params: Mapping[str, Any], tags: Mapping[str, str]
    ) -> None:
        """Record that a trial begins, or goes on under the run it has."""
        texts = {path: param_text(value) for path, value in params.items()}
        now = milliseconds_now()
        self._append(TrialBegun(key=key, time=now, name=name, params=texts, tags=dict(tags)))

    def add_epochs(
        self, key: str, epochs: Sequence[EpochMetrics], *, device: str, precision: str = "fp32"
    ) -> None:
        """Record the metrics of epochs; those that are on record already are left alone."""
        metrics = [asdict(epoch) for epoch in epochs]
        now = milliseconds_now()
        self._append(
            EpochsTrained(key=key, time=now, epochs=metrics, device=device, precision=precision)
        )

    def add_diagnostics(self, key: str, names: Sequence[str], *, location: str) -> None:
        """Record files that a trial has left at `location`; they are deleted once on record."""
        now = milliseconds_now()
        self._append(DiagnosticsLeft(key=key, time=now, names=list(names), location=location))

    def note_missing(self, key: str, names: Sequence[str]) -> None:
        """Record that files of diagnostics are missing: the trial's machine could not keep them."""
        tags = {MISSING_DIAGNOSTICS: ", ".join(names)}
        self._append(TrialTagged(key=key, time=milliseconds_now(), tags=tags))

    def end(
        self, key: str, outcome: Outcome, summary: TrialSummary | None, *, failure: str = ""
    ) -> None:
        """Record how a trial ended for good."""
        metrics = asdict(summary) if summary else {}
        now = milliseconds_now()
        self._append(
            TrialEnded(key=key, time=now, outcome=outcome, metrics=metrics, failure=failure)
        )

    def interrupt(self, key: str) -> None:
        """Record that a trial is cut off; it goes on later under the same run."""
        self._append(TrialInterrupted(key=key, time=milliseconds_now()))

    def retire(self, keys: Iterable[str]) -> None:
        """Mark trials that no longer belong to the study."""
        self._mark_retired(keys, True)

    def restore(self, keys: Iterable[str]) -> None:
        """Mark retired trials that belong to the study again."""
        self._mark_retired(keys, False)

    def _mark_retired(self, keys: Iterable[str], retired: bool) -> None:
        for key in keys:
            tags = {RETIRED: flag_text(retired)}
            self._append(TrialTagged(key=key, time=milliseconds_now(), tags=tags))

    def finished_elsewhere(self, key: str) -> RecordedTrial | None:
        """Return this trial as another study on the server has finished it, if one has.

        A server that is away, or does not answer soon, has finished nothing.
        """
        return None if self.spool.away_since else self.others.finished(key)

    def course(self, trial: RecordedTrial, metric: str) -> dict[int, float]:
        """Return a metric of a trial on record by epoch.

        Raises:
            RecordError: if the tracking server cannot be reached or refuses.
        """
        with store_errors_told("cannot read the epochs of a trial"):
            history = self.client.get_metric_history(trial.run_id, metric)
        return {point.step: metric_value(point.value) for point in history if point.step > 0}

    def adopt(self, key: str, source: RecordedTrial, *, name: str, tags: Mapping[str, str]) -> None:
        """Record a trial that another study has finished: same params, metrics and tags."""
        now, run_id = milliseconds_now(), source.run_id
        self._append(TrialAdopted(key=key, time=now, source=run_id, name=name, tags=dict(tags)))

    def _append(self, entry: TrialEntry) -> None:
        self.spool.append(line_of(entry))

    def begin_study(self, tags: Mapping[str, str], texts: Mapping[str, str] | None = None) -> None:
        """Mark the study as running, with the study file as written and as resolved.

        Args:
            tags: of the study's run.
            texts: further artifacts of the run, by their names.
        """
        self.runs.end_running()
        self.study_run.begin(tags)
        self.study_run.add_results(texts=texts or {}, plots=())

    def resolved_before(self) -> dict[str, Any] | None:
        """Return the study as the last launch resolved it, or None before the first."""
        return self.study_run.resolved_before()

    def publish(
        self,
        *,
        texts: Mapping[str, str],
        plots: Iterable[Path],
        status: Literal["FINISHED", "FAILED", "KILLED"],
    ) -> None:
        """Add texts and plots to the study's run, and end it and what a dead process left running.

        Raises:
            RecordError: if the tracking server cannot be reached or refuses.
        """
        with store_errors_told("cannot end the study's record"):
            self.study_run.add_results(texts=texts, plots=plots)
            self.runs.end_running()
            self.study_run.end(status)

    def close(self, timeout: float) -> bool:
        """Write what waits; return False if some had to stay in the spool for the next launch."""
        return self.spool.close(timeout)


def open_record(study: ResolvedStudy, spool: Path, *, read_only: bool = False) -> StudyRecord:
    """Find the study's experiment and run, and write what an earlier process left.

    Args:
        study: whose record.
        spool: the file of entries that wait.
        read_only: whether to make and write nothing; what is recorded comes to nothing.

    Raises:
        RecordError: if the tracking server cannot be reached or refuses.
    """
    client = open_client()
    with store_errors_told(f"cannot use the tracking server {shown_tracking_uri()}"):
        study_run = open_study_run(client, study, create=not read_only)
        runs = TrialRuns(study_run)
        runs.note_runs()
    delivery = EntryDelivery(study_run, runs)
    record = StudyRecord(study_run, runs, open_spool(spool, delivery.deliver))
    if not read_only:
        record.spool.start()
        if not record.spool.drain(FIRST_SECONDS):
            record.close(timeout=0)
            raise RecordError(f"cannot write the waiting records of {spool}")
    return record
