"""How many images a trial is tested on: an error cannot be finer than one of them."""

from typing import Any

import pandas as pd

from analysis.record.names import DATASET_NAME
from analysis.tables.configurations import hashable_value

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


def least_step(values: "pd.Series[Any]") -> float:
    """Return the least difference of two values: errors come in steps of an image; 0 of one value.

    Rounded far below an image, since equal errors may differ in their last bits.
    """
    known = values.dropna().astype(float).round(4).drop_duplicates().sort_values()
    steps = known.diff().dropna()
    return float(steps.min()) if len(steps) else 0.0


def image_share(trial: "pd.Series[Any]") -> float:
    """Return how many points of percent one test image of a trial is worth."""
    chosen: Any = trial.get("dataset.test_images")
    if hashable_value(chosen) is None:
        chosen = TEST_IMAGES.get(str(trial.get(DATASET_NAME)), UNKNOWN_SET)
    return 100 / float(chosen)
