"""What is known of a study's configurations and trials: plain data, shared by all modules."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from analysis.record.names import COMPLETED, DIVERGED, Outcome
from study.file.space import Point
from trainables.configuration import Configuration
from trainables.metrics import EpochMetrics

ResultState = Literal["running", "complete", "pruned", "failed"]

TRAINED_TO_THE_END: tuple[Outcome, ...] = (COMPLETED, DIVERGED)
"""Outcomes of a trial of which nothing is missing."""


CostClass = tuple[str, str, str, int]
"""What decides a trial's speed and memory: data set, network, regularizer, batch size."""


def cost_class(configuration: Configuration) -> CostClass:
    """Return the kind of a configuration."""
    return (
        configuration.dataset.name,
        str(configuration.network),
        configuration.regularizer.name,
        configuration.training.batch_size,
    )


@dataclass(frozen=True)
class ConfigurationResult:
    """What is known of a configuration."""

    state: ResultState
    values: tuple[float, ...] = ()
    """One per objective, mean over the seeds; of a complete configuration alone."""
    intermediate: Mapping[int, float] = field(default_factory=dict)
    """Epoch → mean over the seeds that had begun."""


@dataclass(frozen=True)
class Suggestion:
    """A configuration that the search has chosen."""

    number: int
    """Counted from 0."""
    point: Point
    judgement: ConfigurationResult


@dataclass(frozen=True)
class RecordedTrial:
    """A trial as the tracking server knows it."""

    run_id: str
    key: str
    status: str
    """MLflow's: RUNNING, FINISHED, FAILED or KILLED."""
    outcome: str | None
    metrics: Mapping[str, float]
    """The last value of each."""
    tags: Mapping[str, str]

    @property
    def finished(self) -> bool:
        """Whether the trial was trained to its end, so that nothing of it is missing."""
        return self.status == "FINISHED" and self.outcome in TRAINED_TO_THE_END


@dataclass(eq=False)
class Trial:
    """One configuration with one seed, as the running study sees it."""

    key: str
    configuration: Configuration
    configuration_key: str
    seed: int
    number: int
    """Of the first configuration that holds it."""
    point: Point
    data: str
    """Fingerprint of its data set."""
    gpus: float = 0.0
    """Its share, once it is handed out; larger than others' after it ran out of memory."""
    state: Literal["todo", "assigned", "running", "done"] = "todo"
    """Assigned is handed out for execution, running is taken up by an actor."""
    outcome: Outcome | None = None
    recorded: bool = False
    """Whether it has a run."""
    cut_off: bool = False
    """Whether it was begun and not brought to an end, here or by an earlier launch."""
    found: int = 0
    """Epochs that this launch found trained, here or in another study."""
    history: list[EpochMetrics] = field(default_factory=list)
    values: tuple[float, ...] = ()
    """One per objective, once done."""
    failures: list[str] = field(default_factory=list)
    """A traceback per attempt that failed in this launch."""

    @property
    def epochs(self) -> int:
        """Epochs planned."""
        return self.configuration.training.epochs

    @property
    def finished(self) -> bool:
        """Whether it was trained to its end."""
        return self.outcome in TRAINED_TO_THE_END

    @property
    def name(self) -> str:
        """What people call it: the searched values and the seed."""
        return f"{describe_point(self.point)} seed={self.seed}".strip()


@dataclass(eq=False)
class ConfigurationTrials:
    """A configuration and its trials, one per seed."""

    number: int
    point: Point
    trials: list[Trial]
    judgement: ConfigurationResult
    reported: int = 0
    """The last epoch whose mean the search was told."""

    @property
    def judged(self) -> bool:
        """Whether nothing more is to be done for it."""
        return self.judgement.state != "running"


def describe_point(point: Mapping[str, object]) -> str:
    """Return a point as people write it: ``beta=0.3``; the last part of a path is enough."""
    parts = []
    for path, value in point.items():
        shown = f"{value:.4g}" if isinstance(value, float) else str(value)
        parts.append(f"{path.rpartition('.')[2]}={shown}")
    return " ".join(parts)
