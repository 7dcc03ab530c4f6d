"""The proof that other code computes the same: what is compared, bit by bit, and what is found.

Of each group of trials one is trained anew for its first epochs, and its metrics are compared with
the record. Of the whole recorded trial the learning rates and the final figures are worked out
again, which needs no training. What a trial does in later epochs alone is not seen.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

from analysis.record.names import COMPLETED
from analysis.record.values import metric_value
from study.scheduling.code_rules import OtherCodeTrial, ProofGroup
from trainables.configuration import Configuration
from trainables.metrics import (
    COSTS,
    EPOCH,
    EPOCH_METRICS,
    LEARNING_RATE,
    EpochMetrics,
    TrialSummary,
    summarise_trial,
)

PROOF_EPOCHS = 2
"""How many epochs of a trial are trained anew, at most."""
COMPARED = tuple(name for name in EPOCH_METRICS if name != EPOCH and name not in COSTS)
"""The metrics by epoch that two runs of one trial have bitwise equal."""

RecordedEpochs = Mapping[int, Mapping[str, float]]
"""Epoch → metric → value, as on record."""


@dataclass(frozen=True)
class MetricDifference:
    """The first metric that is not what it was."""

    metric: str
    epoch: int | None
    """None for what is worked out at a trial's end."""
    before: float
    """On record."""
    now: float | None
    """None where it is no longer measured."""

    def __str__(self) -> str:
        """Return it in words."""
        where = f" of epoch {self.epoch}" if self.epoch is not None else ""
        now = "not measured" if self.now is None else repr(self.now)
        return f"{self.metric}{where} is {now}, on record it is {self.before!r}"


@dataclass(frozen=True)
class TrainedSample:
    """What training a trial anew has come to."""

    epochs: Sequence[EpochMetrics] = ()
    device: str = ""
    precision: str = ""
    compiled: bool | None = None
    """Whether its passes were; None where that is not known."""
    failure: str = ""
    """Why the trial could not be trained, or nothing."""


@dataclass(frozen=True)
class ProofVerdict:
    """What a proof has found."""

    group: ProofGroup
    sample: TrainedSample
    epochs: tuple[int, ...]
    """The epochs that were trained and are on record."""
    metrics: tuple[str, ...]
    """The metrics that were compared."""
    difference: MetricDifference | None = None

    @property
    def holds(self) -> bool:
        """Whether the metrics are equal, and there were any to compare."""
        return not self.sample.failure and self.difference is None and bool(self.metrics)


def judge_sample(
    group: ProofGroup, recorded: RecordedEpochs, sample: TrainedSample
) -> ProofVerdict:
    """Compare a trial that was trained anew with the record of it.

    Args:
        group: whose first trial was trained.
        recorded: all its epochs on record.
        sample: the training's outcome.
    """
    common = [epoch for epoch in sample.epochs if epoch.epoch in recorded]
    seen = {name for epoch in common for name in recorded[epoch.epoch]}
    differences = _differences(group, recorded, common)
    return ProofVerdict(
        group=group,
        sample=sample,
        epochs=tuple(epoch.epoch for epoch in common),
        metrics=tuple(name for name in COMPARED if name in seen),
        difference=next(differences, None),
    )


def _differences(
    group: ProofGroup, recorded: RecordedEpochs, trained: Sequence[EpochMetrics]
) -> Iterator[MetricDifference]:
    proven = group.sample
    for epoch in trained:
        yield from _epoch_differences(recorded[epoch.epoch], epoch)
    yield from _rate_differences(recorded, proven.trial.configuration)
    yield from _last_rate_differences(group)
    if proven.recorded.is_finished:
        yield from _summary_differences(recorded, proven)


def _epoch_differences(
    before: Mapping[str, float], epoch: EpochMetrics
) -> Iterator[MetricDifference]:
    """Yield what differs in an epoch; what an older version did not measure is not compared."""
    for name in COMPARED:
        now = getattr(epoch, name)
        if name in before and not _is_same(before[name], now):
            yield MetricDifference(name, epoch.epoch, before[name], now)


def _rate_differences(
    recorded: RecordedEpochs, configuration: Configuration
) -> Iterator[MetricDifference]:
    for number in sorted(recorded):
        before = recorded[number].get(LEARNING_RATE)
        now = configuration.training.learning_rate_at(number)
        if before is not None and not _is_same(before, now):
            yield MetricDifference(LEARNING_RATE, number, before, now)


def _last_rate_differences(group: ProofGroup) -> Iterator[MetricDifference]:
    """Yield the last learning rates that differ: each trial of a group may have its schedule."""
    for each in group.trials:
        before, last = each.recorded.metrics.get(LEARNING_RATE), each.trial.epochs
        now = each.trial.configuration.training.learning_rate_at(last)
        is_last = each.recorded.outcome == COMPLETED
        if is_last and before is not None and not _is_same(before, now):
            yield MetricDifference(LEARNING_RATE, last, before, now)


def _summary_differences(
    recorded: RecordedEpochs, proven: OtherCodeTrial
) -> Iterator[MetricDifference]:
    history = _whole_history(recorded)
    if not history:
        return
    summary = summarise_trial(history)
    for each in fields(TrialSummary):
        if each.name in proven.recorded.metrics:
            before = metric_value(proven.recorded.metrics[each.name])
            now = getattr(summary, each.name)
            if not _is_same(before, now):
                yield MetricDifference(each.name, None, before, now)


def _whole_history(recorded: RecordedEpochs) -> list[EpochMetrics]:
    """Return the epochs from the first to the last; none where the record has a gap."""
    numbers = sorted(recorded)
    if numbers != list(range(1, len(numbers) + 1)):
        return []
    names = [name for name in EPOCH_METRICS if name != EPOCH]
    try:
        return [
            EpochMetrics(epoch=number, **{n: v for n, v in recorded[number].items() if n in names})
            for number in numbers
        ]
    except TypeError:  # a version before has not measured what is a must today
        return []


def _is_same(before: float, now: float | None) -> bool:
    if now is None:
        return False
    return before == now or (math.isnan(before) and math.isnan(now))
