"""What the scheduler needs of the search and of the record, and what is needed of a scheduler."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from analysis.record.names import Outcome
from study.file.resolved import ResolvedStudy
from study.scheduling.gpu_shares import GpuShares
from study.trials import ConfigurationResult, RecordedTrial, Suggestion, Trial
from trainables.diagnostics import DiagnosticsSettings
from trainables.metrics import EpochMetrics, TrialSummary


class SchedulerLike(Protocol):
    """Who decides which trials run, as whoever executes them sees it."""

    study: ResolvedStudy
    shares: GpuShares
    stopping: bool
    """Whether no further trial may begin."""
    active: set[Trial]
    """The trials that are handed out for execution, or under way."""

    @property
    def running(self) -> list[Trial]:
        """The trials under way."""
        ...

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to run."""
        ...

    def hand_out_trial(self) -> Trial | None:
        """Return the next trial to run, or None if there is none now."""
        ...

    def take_back(self, trial: Trial) -> None:
        """Take back a trial that was handed out."""
        ...

    def note_begun(self, trial: Trial) -> None:
        """Take that a trial begins, or goes on."""
        ...

    def note_epochs(
        self,
        trial: Trial,
        epochs: Sequence[EpochMetrics],
        *,
        device: str,
        precision: str,
        compiled: bool | None,
    ) -> bool:
        """Take finished epochs; return whether the trial is to stop."""
        ...

    def is_to_wait(self, trial: Trial) -> bool:
        """Return whether a trial that is saved at a rung gives its place to others."""
        ...

    def note_waiting(self, trial: Trial) -> None:
        """Take that a trial is saved at a rung and waits."""
        ...

    def record_diagnostics(
        self, trial: Trial, names: Sequence[str], *, location: str, missing: Sequence[str]
    ) -> None:
        """Take the files that a trial has left."""
        ...

    def note_completed(self, trial: Trial) -> None:
        """Take that a trial has ended as it should."""
        ...

    def note_failed(self, trial: Trial, failure: str, *, out_of_memory: bool) -> bool:
        """Take that an attempt at a trial failed; return whether it is tried again."""
        ...

    def forgive_failure(self, trial: Trial) -> None:
        """Take that a trial's last failure was its node's."""
        ...

    def note_lost(self, trial: Trial) -> None:
        """Take that a trial's node went away."""
        ...

    def note_interrupted(self, trial: Trial) -> None:
        """Take that a trial is cut off."""
        ...


class SearchLike(Protocol):
    """The search, as the scheduler sees it."""

    def ask(self) -> Suggestion:
        """Choose the next configuration."""
        ...

    def report(self, number: int, epoch: int, value: float) -> bool:
        """Take an intermediate mean; return whether to stop the configuration early."""
        ...

    def tell(self, number: int, judgement: ConfigurationResult) -> None:
        """Take how a configuration ended."""
        ...


class RecordLike(Protocol):
    """The record, as the scheduler sees it."""

    def begin(
        self, key: str, *, name: str, params: Mapping[str, Any], tags: Mapping[str, str]
    ) -> None:
        """Take the beginning of a trial."""
        ...

    def add_epochs(
        self,
        key: str,
        epochs: Sequence[EpochMetrics],
        *,
        device: str,
        precision: str,
        compiled: bool | None,
    ) -> None:
        """Take the metrics of epochs."""
        ...

    def add_diagnostics(self, key: str, names: Sequence[str], *, location: str) -> None:
        """Take the files that a trial has left."""
        ...

    def note_missing(self, key: str, names: Sequence[str]) -> None:
        """Take that a trial should have left files, and could not."""
        ...

    def end(
        self, key: str, outcome: Outcome, summary: TrialSummary | None, *, failure: str
    ) -> None:
        """Take the end of a trial."""
        ...

    def interrupt(self, key: str) -> None:
        """Take that a trial is cut off."""
        ...

    def course(self, trial: RecordedTrial, metric: str) -> Mapping[int, float]:
        """Return a metric of a trial on record by epoch."""
        ...

    def finished_elsewhere(
        self, key: str, accept: Callable[[RecordedTrial], bool]
    ) -> RecordedTrial | None:
        """Find the trial in another study, as one that is accepted."""
        ...

    def finished_alike(
        self, trial: Trial, accept: Callable[[RecordedTrial], bool]
    ) -> RecordedTrial | None:
        """Find a trial that differs in its diagnostics alone and has the files asked for."""
        ...

    def adopt(
        self,
        key: str,
        source: RecordedTrial,
        *,
        name: str,
        settings: Mapping[str, Any],
        tags: Mapping[str, str],
        diagnostics: DiagnosticsSettings | None,
    ) -> None:
        """Take a trial over from another study, with the diagnostics asked for or all it has."""
        ...
