"""The record of one study at one scale, in MLflow, as a launch uses it.

What happens to trials goes through the spool and is on file at once. What concerns the study's own
run is written directly, by the record's `study_writer`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from mlflow import MlflowClient

from analysis.record.names import MISSING_DIAGNOSTICS, RETIRED, Outcome
from analysis.record.values import flag_text, metric_value, param_text
from study.record.elsewhere import OtherStudies
from study.record.entries import (
    DiagnosticsLeft,
    EpochsTrained,
    TrialAdopted,
    TrialBegun,
    TrialEnded,
    TrialEntry,
    TrialInterrupted,
    TrialSuperseded,
    TrialTagged,
    line_of,
    own_diagnostics,
)
from study.record.errors import BUSY_SECONDS, ask_until_answered, store_errors_told
from study.record.lease import StudyLease
from study.record.spool import RecordSpool
from study.record.study_run import StudyRun, milliseconds_now
from study.record.study_writer import StudyWriter
from study.record.trial_runs import TrialRuns
from study.trials import RecordedTrial, Trial
from trainables.diagnostics import DiagnosticsSettings
from trainables.metrics import EpochMetrics, TrialSummary


class StudyRecord:
    """The runs of one study at one scale."""

    def __init__(
        self,
        study_run: StudyRun,
        runs: TrialRuns,
        spool: RecordSpool,
        *,
        lease: StudyLease | None = None,
        notices: Sequence[str] = (),
        say: Callable[[str], None] | None = None,
    ) -> None:
        """Take the parts that `open_record` has opened.

        Args:
            study_run: the study's own run.
            runs: the runs of its trials.
            spool: takes what happens to trials.
            lease: the right to write; None where nobody else writes.
            notices: what was odd on record, in sentences.
            say: told that the store is waited for.
        """
        self.lease = lease
        self._say = say
        self.notices = notices
        self.study = study_run.study
        self.study_run = study_run
        self.runs = runs
        self.spool = spool
        self.study_writer = StudyWriter(study_run, runs, check_right=self.check_right, say=say)
        """Writes what concerns the study as a whole."""
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

    @property
    def lost_to(self) -> str:
        """Who has taken the study over from this launch, in a sentence, or nothing."""
        return self.lease.lost if self.lease else ""

    def check_right(self) -> None:
        """Make sure that the record is still this launch's to write.

        Raises:
            RecordError: if another launch has taken the study over, or that cannot be known.
        """
        if self.lease:
            self.lease.check()

    def trials(self) -> dict[str, RecordedTrial]:
        """Return all trials of the study by key, whatever became of them.

        A server that has answered this launch before is waited for.

        Raises:
            RecordError: if the tracking server cannot be reached or refuses.
        """
        return ask_until_answered(
            self.runs.trials,
            failed="cannot read the study's trials",
            seconds=BUSY_SECONDS,
            say=self._say,
        )

    def begin(
        self, key: str, *, name: str, params: Mapping[str, Any], tags: Mapping[str, str]
    ) -> None:
        """Record that a trial begins, or goes on under the run it has."""
        texts, now = _param_texts(params), milliseconds_now()
        self._append(TrialBegun(key=key, time=now, name=name, params=texts, tags=dict(tags)))

    def add_epochs(
        self,
        key: str,
        epochs: Sequence[EpochMetrics],
        *,
        device: str,
        precision: str = "fp32",
        compiled: bool | None = None,
    ) -> None:
        """Record the metrics of epochs; those that are on record already are left alone."""
        metrics = [asdict(epoch) for epoch in epochs]
        self._append(
            EpochsTrained(
                key=key,
                time=milliseconds_now(),
                epochs=metrics,
                device=device,
                precision=precision,
                compiled=compiled,
            )
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

    def tag_trials(self, tags: Mapping[str, Mapping[str, str]]) -> None:
        """Say something of trials: tags by trial key."""
        for key, own in tags.items():
            self._append(TrialTagged(key=key, time=milliseconds_now(), tags=dict(own)))

    def add_settings(self, settings: Mapping[str, Mapping[str, Any]]) -> None:
        """Add settings that the runs of trials lack: values by path, by trial key."""
        for key, missing in settings.items():
            params = _param_texts(missing)
            self._append(TrialTagged(key=key, time=milliseconds_now(), tags={}, params=params))

    def supersede(self, runs: Mapping[str, str]) -> None:
        """Make the runs of trials history: the trials begin anew, under new runs.

        Args:
            runs: by trial key the id of the run.
        """
        for key, run_id in runs.items():
            self._append(TrialSuperseded(key=key, time=milliseconds_now(), run_id=run_id))

    def finished_elsewhere(
        self, key: str, accept: Callable[[RecordedTrial], bool] = lambda found: True
    ) -> RecordedTrial | None:
        """Return this trial as another study on the server has finished it, if one has.

        A server that is away, or does not answer soon, has finished nothing.

        Args:
            key: the trial's.
            accept: whether a run will do.
        """
        return None if self.spool.away_since else self.others.finished(key, accept)

    def finished_alike(
        self, trial: Trial, accept: Callable[[RecordedTrial], bool] = lambda found: True
    ) -> RecordedTrial | None:
        """Return a finished trial of other diagnostics that has the files asked for.

        Args:
            trial: as it would be trained.
            accept: whether a run will do.
        """
        return None if self.spool.away_since else self.others.finished_alike(trial, accept)

    def course(self, trial: RecordedTrial, metric: str) -> dict[int, float]:
        """Return a metric of a trial on record by epoch.

        Raises:
            RecordError: if the tracking server cannot be reached or refuses.
        """
        with store_errors_told("cannot read the epochs of a trial"):
            history = self.client.get_metric_history(trial.run_id, metric)
        return {point.step: metric_value(point.value) for point in history if point.step > 0}

    def adopt(
        self,
        key: str,
        source: RecordedTrial,
        *,
        name: str,
        settings: Mapping[str, Any],
        tags: Mapping[str, str],
        diagnostics: DiagnosticsSettings | None = None,
    ) -> None:
        """Record a trial that another study has finished: same params, metrics and tags.

        Settings that are younger than the source are added: the trial has them at their defaults.

        Args:
            key: the trial's.
            source: its run.
            name: what people call the trial.
            settings: of the trial, values by path.
            tags: of the trial in this study.
            diagnostics: of the trial in this study, where the source has others.
        """
        params, files = (None, None) if diagnostics is None else own_diagnostics(diagnostics)
        self._append(
            TrialAdopted(
                key=key,
                time=milliseconds_now(),
                source=source.run_id,
                name=name,
                tags=dict(tags),
                params=params,
                settings=_param_texts(settings),
                files=files,
            )
        )

    def _append(self, entry: TrialEntry) -> None:
        self.spool.append(line_of(entry))

    def close(self, timeout: float) -> bool:
        """Write what waits, and let other launches have the study.

        Returns:
            Whether all is written; what is not waits in the spool for the next launch.
        """
        self.others.close()
        written = self.spool.close(timeout)
        if self.lease:
            self.lease.release()
        return written


def _param_texts(settings: Mapping[str, Any]) -> dict[str, str]:
    return {path: param_text(value) for path, value in settings.items()}
