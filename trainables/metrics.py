"""What a trial measures, and what each metric is.

The field names here are the metric names everywhere. A metric is one field with its description;
labels, axes, units, exported gauges, objectives and the value of a diverged trial follow from it.
The standard library is all that this module needs, so that every room may read it. It is over 300
lines because a metric and what it is are one place.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, get_type_hints

LARGEST = 1e308
"""MLflow's SQL stores write an infinite metric as the largest float, which is beyond this."""
PERCENT = "%"
"""The unit of every error: a share of images, 0 to 100."""
UNIT_WORDS = {PERCENT: "percent"}
"""What prose calls a unit; a unit that is not here speaks for itself."""


@dataclass(frozen=True, kw_only=True)
class MetricDescription:
    """What a metric is, for whoever shows it, searches on it or exports it."""

    label: str
    """What prose calls it."""
    unit: str = ""
    """Follows the label along an axis; empty where the label says it, or there is none."""
    split: Literal["train", "validation", "test"] | None = None
    """The images that it is measured on; None for what no images are asked for."""
    better: Literal["lower", "higher"] | None = "lower"
    """Which way is good; None for what is neither."""
    objective: bool = False
    """Whether a study may minimise it."""
    selects: bool = True
    """Whether, as an objective, it chooses a best configuration."""
    gauge: str = ""
    """What it is described as among the figures that a running trial exports, without its unit;
    empty: it is not exported."""
    worst: float | None = None
    """What the search is told of a trial that diverged; None: the value measured."""
    fewest_classes: int = 0
    """It is None where the data has fewer classes."""
    is_cost: bool = False
    """Whether two runs of one trial differ in it; all others are bitwise equal."""

    def with_unit_word(self, text: str) -> str:
        """Return the text, followed by the unit in words where there is one."""
        return f"{text} in {UNIT_WORDS.get(self.unit, self.unit)}" if self.unit else text

    @property
    def gauge_sentence(self) -> str:
        """The gauge's description with its unit, as a sentence."""
        comma = "," if self.unit else ""
        return f"{self.with_unit_word(self.gauge + comma)}."


def described_error(
    label: str,
    split: Literal["train", "validation", "test"],
    *,
    objective: bool = False,
    gauge: str = "",
    fewest_classes: int = 0,
) -> MetricDescription:
    """Return the description of an error, in percent: of labels or of confidence."""
    return MetricDescription(
        label=label,
        unit=PERCENT,
        split=split,
        objective=objective,
        gauge=gauge,
        worst=100.0,
        fewest_classes=fewest_classes,
    )


def described_score(
    score: str, split: Literal["validation", "test"], *, worst: float
) -> MetricDescription:
    """Return the description of what is measured on validation and on test images alike."""
    searched = split == "validation"
    return MetricDescription(label=f"{split} {score}", split=split, objective=searched, worst=worst)


@dataclass(frozen=True, kw_only=True)
class EpochMetrics:
    """One epoch. Errors are in percent, 0 to 100, measured after the epoch, in evaluation mode.

    What is measured on validation images is None without a validation share, and all that may be
    None is None where an older version trained the epoch. `trainables.evaluation` defines the
    scores.
    """

    epoch: Annotated[int, MetricDescription(label="epoch", better=None, gauge="Epochs trained")]
    """Counted from 1."""
    train_loss: Annotated[
        float,
        MetricDescription(
            label="training loss",
            split="train",
            objective=True,
            selects=False,
            worst=math.inf,
            gauge="Loss on the training data",
        ),
    ]
    """Mean over the epoch's mini-batches of the regularizer's own loss."""
    train_error: Annotated[float, described_error("training error", "train")]
    """On a fixed sample of the training images, without augmentation: a tenth, at least 1,000."""
    validation_error: Annotated[
        float | None,
        described_error(
            "validation error",
            "validation",
            objective=True,
            gauge="Error on the validation data",
        ),
    ] = None
    """On the validation share; None without one."""
    test_error: Annotated[
        float,
        described_error("test error", "test", gauge="Error on the test data"),
    ]
    validation_loss: Annotated[
        float | None, described_score("loss", "validation", worst=math.inf)
    ] = None
    """Mean cross entropy of the labels: the negative log likelihood, in nats."""
    test_loss: Annotated[float | None, described_score("loss", "test", worst=math.inf)] = None
    validation_top5_error: Annotated[
        float | None,
        described_error("validation top-5 error", "validation", objective=True, fewest_classes=6),
    ] = None
    """None where there are no more than five classes."""
    test_top5_error: Annotated[
        float | None, described_error("test top-5 error", "test", fewest_classes=6)
    ] = None
    validation_brier: Annotated[
        float | None, described_score("Brier score", "validation", worst=2.0)
    ] = None
    """From 0 to 2."""
    test_brier: Annotated[float | None, described_score("Brier score", "test", worst=2.0)] = None
    validation_calibration_error: Annotated[
        float | None,
        described_error("validation calibration error", "validation", objective=True),
    ] = None
    """Expected calibration error over 15 bins."""
    test_calibration_error: Annotated[
        float | None, described_error("test calibration error", "test")
    ] = None
    test_calibration_error_tempered: Annotated[
        float | None,
        described_error("test calibration error, temperature fitted on validation data", "test"),
    ] = None
    """At the last epoch alone, with a validation share."""
    validation_confidence: Annotated[
        float | None,
        MetricDescription(
            label="validation confidence",
            split="validation",
            better=None,
            objective=True,
            worst=1.0,
        ),
    ] = None
    """Mean probability of the class predicted, in [0, 1]; as an objective it is minimised."""
    test_confidence: Annotated[
        float | None,
        MetricDescription(label="test confidence", split="test", better=None, worst=1.0),
    ] = None
    learning_rate: Annotated[float, MetricDescription(label="learning rate", better=None)]
    """Used throughout the epoch."""
    epoch_seconds: Annotated[
        float, MetricDescription(label="seconds per epoch", objective=True, is_cost=True)
    ]
    """Training and evaluation."""
    images_per_second: Annotated[
        float,
        MetricDescription(
            label="images per second",
            better="higher",
            is_cost=True,
            gauge="Training images per second",
        ),
    ]
    """Training images over the time spent in training alone."""
    peak_memory_mb: Annotated[
        float,
        MetricDescription(
            label="peak memory",
            unit="MB",
            objective=True,
            is_cost=True,
            gauge="Most memory in use so far",
        ),
    ]
    """Of the device, or of the process on a CPU, since the trial began; 2^20 bytes."""


@dataclass(frozen=True, kw_only=True)
class TrialSummary:
    """What is left of a trial at its end, all in percent."""

    best_validation_error: Annotated[
        float | None, described_error("best validation error", "validation", objective=True)
    ]
    """The lowest over all epochs; None without a validation share."""
    test_error_at_best_validation: Annotated[
        float | None, described_error("test error at the best validation epoch", "test")
    ]
    """At the first epoch with the lowest validation error."""
    test_error_last: Annotated[float, described_error("test error, last epoch", "test")]
    test_error_last10_median: Annotated[
        float, described_error("test error, median of the last 10 epochs", "test")
    ]
    """Over the last ten epochs, or over all if there are fewer."""
    test_error_best: Annotated[float, described_error("test error, best epoch", "test")]
    """The lowest over all epochs: selected on test data, for comparison with papers that do so."""


def _descriptions_in(owner: type) -> dict[str, MetricDescription]:
    hints = get_type_hints(owner, include_extras=True)
    return {name: hint.__metadata__[0] for name, hint in hints.items()}


EPOCH_METRICS: Mapping[str, MetricDescription] = _descriptions_in(EpochMetrics)
"""What is measured after each epoch."""
METRICS: Mapping[str, MetricDescription] = {**EPOCH_METRICS, **_descriptions_in(TrialSummary)}
"""Every metric by its name, in the order of the fields."""
COSTS = tuple(name for name, metric in METRICS.items() if metric.is_cost)
"""The metrics that differ between two runs of one trial; all others are bitwise equal."""
GAUGES = {name: metric.gauge_sentence for name, metric in METRICS.items() if metric.gauge}
"""What of a running trial is exported, and its description."""
OBJECTIVES = tuple(
    sorted(
        (name for name, metric in METRICS.items() if metric.objective),
        key=lambda name: (not METRICS[name].selects, METRICS[name].split != "validation"),
    )
)
"""What a study may minimise: on validation data, then costs, then what selects nothing."""

EPOCH = "epoch"
"""Also the column of a history that holds it."""
LEARNING_RATE = "learning_rate"
TRAIN_LOSS = "train_loss"
TRAIN_ERROR = "train_error"
VALIDATION_ERROR = "validation_error"
"""What a study minimises unless it says otherwise."""
TEST_ERROR = "test_error"
TEST_ERROR_LAST = "test_error_last"
"""The test error that tables report: it needs no validation share, and selects nothing."""
TEST_ERROR_BEST = "test_error_best"
TEST_ERRORS = (TEST_ERROR_LAST, "test_error_last10_median", TEST_ERROR_BEST)
"""The ways to give the test error of a trial, as papers do without saying which."""
TEST_CALIBRATION_ERROR_TEMPERED = "test_calibration_error_tempered"
EPOCH_SECONDS = "epoch_seconds"
PEAK_MEMORY_MB = "peak_memory_mb"
SELECTING_NOTHING = next(name for name in OBJECTIVES if not METRICS[name].selects)
"""The objective of studies that compare and choose no best configuration."""


def description_of(name: str) -> MetricDescription:
    """Return what a metric is; a name that no field bears speaks for itself."""
    return METRICS.get(name) or MetricDescription(label=name, better=None)


def is_selecting(objectives: Sequence[str]) -> bool:
    """Return whether a study with these objectives chooses a best configuration."""
    return all(description_of(name).selects for name in objectives)


def ordering_metrics(objectives: Sequence[str]) -> list[str]:
    """Return the metrics to order configurations by: a test error where nothing is selected."""
    return [name if description_of(name).selects else TEST_ERROR_LAST for name in objectives]


def judged_value(name: str, value: float, *, diverged: bool) -> float:
    """Return what the search is told of a trial that was trained to its end.

    Args:
        name: the objective.
        value: as measured, or as MLflow gives it back.
        diverged: whether the trial diverged.
    """
    worst = description_of(name).worst
    finite = abs(value) < LARGEST  # not so for a value that is no number
    return worst if worst is not None and (diverged or not finite) else value


def course_metric(objective: str) -> str:
    """Return what is measured after each epoch and shows where an objective is going.

    The objective itself if it is one of an epoch's scores on validation images, else their error.
    """
    by_epoch = objective in EPOCH_METRICS and METRICS[objective].split == "validation"
    return objective if by_epoch else VALIDATION_ERROR


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
