"""Errors of the paper's comparisons, drawn anew: its means and spreads, and what it leaves open.

The paper gives a mean and a standard deviation over five runs. Drawn here are errors with these,
normal or skewed to the right (a shifted gamma of shape 2), whose seeds correlate between methods.
"""

import csv
from collections import defaultdict
from dataclasses import dataclass
from importlib.resources import files
from itertools import product

import numpy as np
from scipy import special

FEWEST_METHODS = 4
SMALLEST_SPREAD = 1e-3
"""Points of percent, for a cell whose printed spread is 0."""
GAMMA_SHAPE = 2.0


@dataclass(frozen=True)
class Comparison:
    """One row of a table of the paper: methods on one data set with one network."""

    name: str
    means_K: np.ndarray
    spreads_K: np.ndarray


@dataclass(frozen=True)
class Condition:
    """How errors spread around their means."""

    correlation: float
    """Between the methods' errors of one seed (before the skew)."""
    skewed: bool

    @property
    def name(self) -> str:
        """Return the condition in words."""
        return f"{'skewed' if self.skewed else 'normal'}, correlation {self.correlation:g}"


CONDITIONS = tuple(
    Condition(correlation, skewed)
    for skewed, correlation in product((False, True), (0.0, 0.3, 0.6))
)


def paper_comparisons() -> list[Comparison]:
    """Return the paper's rows of at least four methods: 21 of them."""
    groups = defaultdict(list)
    text = files("analysis.paper").joinpath("paper.csv").read_text()
    for row in csv.DictReader(text.splitlines()):
        if row["error_percent_mean"]:
            key = row["table"], row["dataset"], row["network"]
            spread = max(float(row["error_percent_std"]), SMALLEST_SPREAD)
            groups[key].append((float(row["error_percent_mean"]), spread))
    return [
        Comparison(" ".join(key), *np.array(rows).T)
        for key, rows in groups.items()
        if len(rows) >= FEWEST_METHODS
    ]


def draw_errors(
    means_K: np.ndarray,
    spreads_K: np.ndarray,
    condition: Condition,
    *,
    seeds: int,
    repeats: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return errors in percent: repeats, methods, seeds."""
    shared = rng.normal(size=(repeats, 1, seeds))
    own = rng.normal(size=(repeats, len(means_K), seeds))
    z = np.sqrt(condition.correlation) * shared + np.sqrt(1 - condition.correlation) * own
    if condition.skewed:
        gamma = special.gammaincinv(GAMMA_SHAPE, special.ndtr(z))
        z = (gamma - GAMMA_SHAPE) / np.sqrt(GAMMA_SHAPE)
    return means_K[:, None] + z * spreads_K[:, None]
