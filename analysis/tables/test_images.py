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


def error_step(values: ArrayLike, metric: str) -> float:
    """Return what two values of a metric differ by at the least: an image's worth of an error.

    Args:
        values: of trials with one data set; NaN counts for nothing.
        metric: the name of the metric; what is no error has no steps, and 0 is returned.
    """
    return resolution_of(values) if description_of(metric).unit == PERCENT else 0.0


def image_share(trial: "pd.Series[Any]") -> float:
    """Return how many points of percent one test image of a trial is worth."""
    chosen: Any = trial.get("dataset.test_images")
    if pd.isna(chosen):
        chosen = TEST_IMAGES.get(str(trial.get(DATASET_NAME)), UNKNOWN_SET)
    return 100 / float(chosen)
