"""What a trial measures. The field names here are the metric names everywhere."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class EpochMetrics:
    """One epoch. Errors are in percent, 0 to 100, measured after the epoch, in evaluation mode."""

    epoch: int
    """Counted from 1."""
    train_loss: float
    """Mean over the epoch's mini-batches of the regularizer's own loss."""
    train_error: float
    """On a fixed sample of the training images, without augmentation: a tenth, at least 1,000."""
    validation_error: float | None
    """On the validation share; None without one."""
    test_error: float
    learning_rate: float
    """Used throughout the epoch."""
    epoch_seconds: float
    """Training and evaluation."""
    images_per_second: float
    """Training images over the time spent in training alone."""
    peak_memory_mb: float
    """Of the device, or of the process on a CPU, since the trial began; 2^20 bytes."""


COSTS = ("epoch_seconds", "images_per_second", "peak_memory_mb")
"""The metrics that differ between two runs of one trial; all others are bitwise equal."""


@dataclass(frozen=True, kw_only=True)
class TrialSummary:
    """What is left of a trial at its end, all in percent."""

    best_validation_error: float | None
    """The lowest over all epochs; None without a validation share."""
    test_error_at_best_validation: float | None
    """At the first epoch with the lowest validation error."""
    test_error_last: float
    test_error_last10_median: float
    """Over the last ten epochs, or over all if there are fewer."""
    test_error_best: float
    """The lowest over all epochs: selected on test data, for comparison with papers that do so."""


def summarise_trial(history: Sequence[EpochMetrics]) -> TrialSummary:
    """Reduce the epochs of a trial, at least one, to its summary."""
    test = [epoch.test_error for epoch in history]
    validated = [epoch for epoch in history if epoch.validation_error is not None]
    best = min(validated, key=lambda epoch: epoch.validation_error or 0.0, default=None)
    return TrialSummary(
        best_validation_error=best.validation_error if best else None,
        test_error_at_best_validation=best.test_error if best else None,
        test_error_last=test[-1],
        test_error_last10_median=statistics.median(test[-10:]),
        test_error_best=min(test),
    )


def has_diverged(history: Sequence[EpochMetrics]) -> bool:
    """Return whether the last epoch's loss is infinite or not a number."""
    return bool(history) and not math.isfinite(history[-1].train_loss)
