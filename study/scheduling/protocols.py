"""What the scheduler needs of the search and of the record."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from analysis.record.names import Outcome
from study.trials import ConfigurationResult, RecordedTrial, Suggestion
from trainables.metrics import EpochMetrics, TrialSummary


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
        self, key: str, epochs: Sequence[EpochMetrics], *, device: str, precision: str
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

    def finished_elsewhere(self, key: str) -> RecordedTrial | None:
        """Find the trial in another study."""
        ...

    def adopt(self, key: str, source: RecordedTrial, *, name: str, tags: Mapping[str, str]) -> None:
        """Take a trial over from another study."""
        ...
