"""How many images a trial is tested on: an error cannot be finer than one of them."""

from typing import Any

import pandas as pd
from numpy.typing import ArrayLike

from analysis.record.names import DATASET_NAME
from analysis.statistics.pairs import resolution_of
from trainables.metrics import PERCENT, description_of

TEST_IMAGES = {
    "mnist": 10_000,
    "fashion_mnist": 10_000,
    "svhn": 26_032,
    "cifar10": 10_000,
    "cifar100": 10_000,
    "tiny_imagenet": 10_000,
    "digits": 360,
}
"""Sizes of the test sets."""
UNKNOWN_SET = 10_000
"""Images that a data set is taken to have whose size is not known."""
CALIBRATION = "calibration_error"
"""Names the errors that are means of confidences, not counts of images."""


def error_step(values: ArrayLike, metric: str, trial: "pd.Series[Any] | None" = None) -> float:
    """Return what two values of a metric differ by at the least: an image's worth of an error.

    The number of test images is known as a rule, that of others is not: there the values show it,
    by their smallest gap, which of few values is several images rather than one.

    Args:
        values: of trials with one data set; NaN counts for nothing.
        metric: the name of the metric; what does not count images has no steps, and 0 is returned.
        trial: one of the trials, whose settings say how many test images there are.
    """
    described = description_of(metric)
    if described.unit != PERCENT or CALIBRATION in metric:
        return 0.0
    shown = resolution_of(values)
    known = None if trial is None or described.split != "test" else _known_share(trial)
    return shown if known is None else min(shown, known)


def image_share(trial: "pd.Series[Any]") -> float:
    """Return how many points of percent one test image of a trial is worth."""
    return _known_share(trial) or 100 / UNKNOWN_SET


def _known_share(trial: "pd.Series[Any]") -> float | None:
    chosen: Any = trial.get("dataset.test_images")
    if pd.isna(chosen):
        chosen = TEST_IMAGES.get(str(trial.get(DATASET_NAME)))
    return None if chosen is None else 100 / float(chosen)
