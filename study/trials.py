"""What is known of a study's configurations and trials: plain data, shared by all modules."""

import json
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from analysis.record.names import (
    CODE,
    CODE_PROVED,
    COMPLETED,
    CONFIGURATION,
    CONFIGURATION_NUMBER,
    DATA_FINGERPRINT,
    DIVERGED,
    MISSING_DIAGNOSTICS,
    POINT,
    SEED,
    Outcome,
)
from analysis.record.values import digests_of
from study.file.evidence import MetricBound
from study.file.space import Point, describe_point
from trainables.code_digest import NOT_RECORDED
from trainables.configuration import (
    Configuration,
    SettingsKey,
    as_dict,
    flatten_settings,
    settings_key,
)
from trainables.metrics import TEST_ERROR_LAST, TRAIN_LOSS, EpochMetrics

ResultState = Literal["running", "complete", "pruned", "failed"]

TRAINED_TO_THE_END: tuple[Outcome, ...] = (COMPLETED, DIVERGED)
"""Outcomes of a trial of which nothing is missing."""


CostClass = SettingsKey
"""What decides a trial's speed and memory: all settings but those that cost nothing."""


def cost_class(configuration: Configuration) -> CostClass:
    """Return the cost class of a configuration: trials of one class cost the same."""
    return settings_key(configuration, "cost")


@dataclass(frozen=True)
class ConfigurationResult:
    """How a configuration did, as far as that is known."""

    state: ResultState
    values: tuple[float, ...] = ()
    """One per objective, the mean over the seeds; empty unless the configuration is complete."""
    intermediate: Mapping[int, float] = field(default_factory=dict)
    """Epoch → the mean over the seeds that judge the configuration."""
    constraints: Mapping[str, float] = field(default_factory=dict)
    """Constraint → by how much the mean over the seeds violates it; at most 0 is feasible. Empty
    unless the configuration is complete."""
    attributes: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """What people may want to know beside: spread over seeds, seeds, test error, trial keys."""

    @property
    def is_feasible(self) -> bool:
        """Whether no constraint is violated, as far as that is known."""
        return all(excess <= 0 for excess in self.constraints.values())


@dataclass(frozen=True)
class Suggestion:
    """A configuration that the search has chosen."""

    number: int
    """Counted from 0."""
    point: Point
    judgement: ConfigurationResult


@dataclass(frozen=True)
class SettledSearch:
    """Why a search has ended before its last configuration."""

    configurations: int
    """The first so many, in the order of their numbers, decided it."""
    gain: float
    """What the objective may gain at most, in its unit."""
    noise: float
    """The standard error of a mean over seeds, in its unit."""


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
    params: Mapping[str, str] = field(default_factory=dict)
    """The settings, as the record writes them."""

    @property
    def code(self) -> str:
        """The digest of the code that computed it."""
        return self.tags.get(CODE) or NOT_RECORDED

    @property
    def codes(self) -> frozenset[str]:
        """The digests of all code that computes it: its own, and those proven equal."""
        return frozenset((self.code, *digests_of(self.tags.get(CODE_PROVED))))

    @property
    def has_epochs(self) -> bool:
        """Whether the metrics of an epoch are on record."""
        return TRAIN_LOSS in self.metrics

    @property
    def is_finished(self) -> bool:
        """Whether the trial was trained to its end and has left all files of its diagnostics."""
        is_trained = self.status == "FINISHED" and self.outcome in TRAINED_TO_THE_END
        return is_trained and not self.tags.get(MISSING_DIAGNOSTICS)

    @property
    def point(self) -> Point | None:
        """The searched paths and their values; None where the tag is missing or damaged."""
        try:
            found = json.loads(self.tags[POINT])
        except (KeyError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    @property
    def number(self) -> int:
        """The number under which the search asked for the configuration; 0 where unknown."""
        number = self.tags.get(CONFIGURATION_NUMBER, "")
        return int(number) if number.isdecimal() else 0


@dataclass(eq=False)
class Trial:
    """One configuration with one seed, as the running study sees it."""

    key: str
    configuration: Configuration
    configuration_key: str
    seed: int
    number: int
    """The number of the first configuration that holds the trial."""
    point: Point
    data: str
    """The fingerprint of the trial's data set."""
    code: str = ""
    """The digest of the code that would compute the trial now."""
    proved: frozenset[str] = frozenset()
    """Digests of other code whose results for this trial are proven to be the same."""
    gpus: float = 0.0
    """The trial's share of a GPU, once it is handed out; it grows when memory runs out."""
    state: Literal["todo", "assigned", "running", "done"] = "todo"
    """An assigned trial is handed out for execution; an actor has taken up a running one."""
    outcome: Outcome | None = None
    recorded: bool = False
    """Whether the trial has a run in MLflow."""
    cut_off: bool = False
    """Whether this launch or an earlier one began the trial and did not end it."""
    found: int = 0
    """Epochs that were trained before this launch took the trial up."""
    history: list[EpochMetrics] = field(default_factory=list)
    course: dict[int, float | None] = field(default_factory=dict)
    """Epoch → what early stopping goes by; None where an older version did not measure it."""
    values: tuple[float, ...] = ()
    """One per objective, once done."""
    bounded: tuple[float, ...] = ()
    """One per constraint, what it bounds, once done."""
    test_error: float | None = None
    """Of the last epoch, once done."""
    failures: list[str] = field(default_factory=list)
    """A traceback per attempt that failed in this launch."""

    @property
    def epochs(self) -> int:
        """Epochs planned."""
        return self.configuration.training.epochs

    @property
    def reached(self) -> int:
        """The last epoch of the course that is known; one that has ended has no further epoch."""
        return self.epochs if self.state == "done" else max(self.course, default=0)

    @cached_property
    def cost_class(self) -> CostClass:
        """The cost class of the trial's configuration."""
        return cost_class(self.configuration)

    @property
    def is_finished(self) -> bool:
        """Whether the trial was trained to its end."""
        return self.outcome in TRAINED_TO_THE_END

    @property
    def name(self) -> str:
        """What people call it: the searched values and the seed."""
        return f"{describe_point(self.point)} seed={self.seed}".strip()

    def settings(self) -> dict[str, Any]:
        """Return all settings and the seed: values by path, as they are put on record."""
        return {**flatten_settings(as_dict(self.configuration)), SEED: self.seed}

    @property
    def tags(self) -> dict[str, str]:
        """The tags that say which configuration and data the trial is of."""
        return {
            CONFIGURATION: self.configuration_key,
            CONFIGURATION_NUMBER: str(self.number),
            POINT: json.dumps(self.point),
            DATA_FINGERPRINT: self.data,
        }


@dataclass(eq=False)
class ConfigurationTrials:
    """A configuration and its trials, one per seed."""

    number: int
    point: Point
    trials: list[Trial]
    """In the order of the seeds; in a race, of all seeds that it may come to."""
    judgement: ConfigurationResult
    """What the search was told of the configuration."""
    judging: int
    """The search is told the mean of so many trials, from the first."""
    wanted: int
    """So many trials, from the first, are to be trained; a race may raise the number."""
    bounds: tuple[MetricBound, ...] = ()
    """The study's constraints."""
    reported: int = 0
    """The last epoch whose mean the search was told."""

    @property
    def is_judged(self) -> bool:
        """Whether the search knows how the configuration did."""
        return self.judgement.state != "running"

    @property
    def wanted_trials(self) -> list[Trial]:
        """The trials that are to be trained, as far as that is decided."""
        return self.trials[: self.wanted]

    @property
    def judging_trials(self) -> list[Trial]:
        """The trials by which the configuration is judged."""
        return self.trials[: self.judging]

    @property
    def result(self) -> ConfigurationResult:
        """How the configuration stands by its trials alone, whether or not it was stopped early."""
        intermediate = self.judgement.intermediate
        if all(trial.is_finished for trial in self.judging_trials):
            by_objective = zip(*(trial.values for trial in self.judging_trials), strict=True)
            means = tuple(statistics.fmean(values) for values in by_objective)
            return ConfigurationResult(
                "complete", means, intermediate, self._excesses(), self._attributes()
            )
        if all(trial.state == "done" for trial in self.judging_trials):
            return ConfigurationResult("failed")
        return ConfigurationResult("running", (), intermediate)

    def _excesses(self) -> dict[str, float]:
        """Return by how much the means over the seeds violate each constraint."""
        by_bound = zip(*(trial.bounded for trial in self.judging_trials), strict=True)
        return {
            bound.label: bound.excess(statistics.fmean(values))
            for bound, values in zip(self.bounds, by_bound, strict=True)
        }

    def _attributes(self) -> dict[str, Any]:
        """Return the attributes of a complete configuration, as JSON can hold them."""
        judging = self.judging_trials
        by_objective = zip(*(trial.values for trial in judging), strict=True)
        tested = [trial.test_error for trial in judging if trial.test_error is not None]
        several = len(judging) > 1
        return {
            "seeds": [trial.seed for trial in judging],
            "values_sd": [statistics.stdev(values) for values in by_objective] if several else None,
            TEST_ERROR_LAST: statistics.fmean(tested) if tested else None,
            f"{TEST_ERROR_LAST}_sd": statistics.stdev(tested) if len(tested) > 1 else None,
            "trial_keys": [trial.key for trial in judging],
        }

    def drop_histories(self) -> None:
        """Drop the epochs of ended trials: nobody asks again, and thousands fill a memory."""
        for trial in self.trials:
            if trial.state == "done":
                trial.history, trial.course = [], {}
