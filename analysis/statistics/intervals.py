"""Intervals of errors in percent that never leave [0, 100].

An error is a share of images, so its spread over seeds shrinks towards the ends and its
distribution leans away from them. Student's t of the errors themselves ignores both: of three
seeds around 1% nearly half of its intervals go below 0. Here Student's t is taken of the log-odds
z = ln(e / (100 − e)) and its ends are transformed back.

- The mean that is shown beside an interval stays the arithmetic mean of the errors, and
  `delta_interval` is the interval of that: centred on the log-odds of the mean, with the standard
  error that the delta method gives, it always contains the mean. `logit_interval`, of the values'
  own log-odds, is one of the median: the same at three seeds, but of ten seeds that spread by half
  of their error it covers the mean in 91% of cases for 95%
  (`tests/benchmarks/statistics_checks.py`).
- A value at an end has no log-odds. It is moved by half an image: 0 of N images counts as
  50 / N percent (the continuity rule for empty cells). Where all values are equal there is no
  spread to go by, and no interval. Of values of 0 (or 100) the other end is the one-sided binomial
  bound for one test set of N images (Clopper and Pearson 1934): the seeds share their test images,
  so they are no further evidence.
- Many intervals that are read together are widened by Šidák's inequality (1967), which holds for
  any correlation between them. A multivariate t with the seeds' own correlations would be narrower,
  but three to five seeds cannot say what those correlations are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from analysis.statistics.pairs import Floats

LEVEL = 0.95
TEST_IMAGES = 10_000
"""Size of the test set where none is given: that of MNIST and CIFAR."""


@dataclass(frozen=True)
class ErrorInterval:
    """The arithmetic mean of some errors and an interval, in percent."""

    n: int
    mean: float
    low: float
    """At least 0; NaN below two values, where one is not finite, or where all are equal."""
    high: float
    """At most 100."""


def logit_interval(
    errors: ArrayLike, *, level: float = LEVEL, images: int = TEST_IMAGES
) -> ErrorInterval:
    """Return Student's interval on the log-odds of the errors, in percent.

    Args:
        errors: one per seed, in [0, 100].
        level: coverage in (0, 1).
        images: of the test set; it matters for values of 0 and 100 alone.

    Raises:
        ValueError: an error outside [0, 100].
    """
    array = _checked(errors)
    n, mean = len(array), _mean_of(array)
    if n < 2 or not np.isfinite(array).all():
        return ErrorInterval(n, mean, np.nan, np.nan)
    if np.ptp(array) == 0:
        return ErrorInterval(n, mean, *_without_spread(mean, level, images))
    z = log_odds(array, images=images)
    half = _quantile(n, level) * z.std(ddof=1) / np.sqrt(n)
    low, high = 100 * special.expit(z.mean() + np.array([-half, half]))
    return ErrorInterval(n, mean, float(low), float(high))


def delta_interval(
    errors: ArrayLike, *, level: float = LEVEL, images: int = TEST_IMAGES
) -> ErrorInterval:
    """Return the interval of the arithmetic mean by the delta method on the log-odds, in percent.

    The standard error sd / √n becomes sd / √n / (m (1 − m)) around the log-odds of the mean m, as
    a share. Arguments as for `logit_interval`.
    """
    array = _checked(errors)
    n, mean = len(array), _mean_of(array)
    if n < 2 or not np.isfinite(array).all():
        return ErrorInterval(n, mean, np.nan, np.nan)
    if np.ptp(array) == 0:
        return ErrorInterval(n, mean, *_without_spread(mean, level, images))
    share = mean / 100
    error = array.std(ddof=1) / 100 / np.sqrt(n) / (share * (1 - share))
    half = _quantile(n, level) * error
    low, high = 100 * special.expit(special.logit(share) + np.array([-half, half]))
    return ErrorInterval(n, mean, float(low), float(high))


def simultaneous_intervals(
    groups: Sequence[ArrayLike],
    *,
    level: float = LEVEL,
    images: int = TEST_IMAGES,
    method: Literal["sidak", "bonferroni"] = "sidak",
) -> list[ErrorInterval]:
    """Return one interval of the mean per group, by the delta method; all hold at once.

    Args:
        groups: errors in percent, one array per configuration, of any lengths.
        level: probability that all cover.
        images: of the test set.
        method: Šidák's widening, or Bonferroni's, which is a little wider.
    """
    # A group of one has no interval, so it cannot be one that misses.
    many = max(sum(len(np.atleast_1d(np.asarray(group))) > 1 for group in groups), 1)
    each = single_level(many, level=level, method=method)
    return [delta_interval(group, level=each, images=images) for group in groups]


def possible_difference(
    low: float, high: float, *, least: float = -100.0, most: float = 100.0
) -> tuple[float, float]:
    """Return the part of an interval in which a difference of two errors in percent can lie.

    The true difference lies there, so that what is cut off takes nothing from the coverage, and an
    interval without 0 stays one. NaN stays NaN.

    Args:
        low: the lower end; likewise `high`.
        high: the upper end.
        least: the least difference: minus the second error, where that is a known number.
        most: the greatest one.
    """
    return float(np.clip(low, least, most)), float(np.clip(high, least, most))


def single_level(
    many: int, *, level: float = LEVEL, method: Literal["sidak", "bonferroni"] = "sidak"
) -> float:
    """Return the level of each of `many` intervals that together hold at `level`."""
    if method == "sidak":
        return float(level ** (1 / many))
    return 1 - (1 - level) / many


def log_odds(errors: ArrayLike, *, images: int = TEST_IMAGES) -> Floats:
    """Return ln(e / (100 − e)) of errors in percent, values at the ends moved by half an image."""
    half_image = 50 / images
    inside = np.clip(np.asarray(errors, dtype=np.float64), half_image, 100 - half_image)
    return np.asarray(special.logit(inside / 100), dtype=np.float64)


def _checked(errors: ArrayLike) -> Floats:
    array = np.asarray(errors, dtype=np.float64).ravel()
    outside = array[np.isfinite(array) & ((array < 0) | (array > 100))]
    if len(outside):
        raise ValueError(f"an error in percent lies in [0, 100], but here is {outside[0]}")
    return array


def _mean_of(array: Floats) -> float:
    return float(array.mean()) if len(array) else float("nan")


def _quantile(n: int, level: float) -> float:
    return float(special.stdtrit(n - 1, 0.5 + level / 2))


def _without_spread(value: float, level: float, images: int) -> tuple[float, float]:
    """Return the interval of equal values: at an end the binomial bound, elsewhere none."""
    bound = 100 * (1 - (1 - level) ** (1 / images))
    if value == 0:
        return 0.0, bound
    if value == 100:
        return 100 - bound, 100.0
    return np.nan, np.nan
