"""Numbers from few seeds: mean, spread, interval, paired differences, many comparisons.

Few means 3 to 10 here, and that decides the defaults:

- The interval of a mean is Student's t. It is exact for normal values at any n from 2. Of errors in
  percent it is taken on the log-odds (`intervals.delta_interval`), so that it never leaves 0 to
  100. Where all values are equal there is no interval: nothing says how far they spread.
  The BCa bootstrap (Efron 1987) is there for larger n: from 3 values there are 10 distinct
  resamples, from 5 there are 126, none leaves the range of the data, and its 95% interval covers
  the mean of normal errors 72% (n = 3), 83% (5), 89% (10) and 93% (20) of the time.
- Two configurations are compared by pairs, seed by seed, since a seed fixes the data split, the
  initial weights and the order of the batches for both.
- The test of a paired difference is exact: all 2^n flips of the signs. With few pairs it cannot
  reach small p, and the result carries the smallest p that it could have had. Beside it stands the
  paired t, which can, and which is exact only where the differences are normal.

A non-finite value is not dropped in silence: it makes its mean non-finite.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special

from analysis.counted import count_text
from analysis.statistics.intervals import delta_interval

# scipy.stats is imported where it is used: a study prints its table through this module, and
# scipy.stats takes a second to load.

LEVEL = 0.95
"""Coverage of all intervals, unless said otherwise."""
MOST_FLIPS = 16
"""Up to 2^16 sign flips are enumerated; more pairs are tested with random flips."""
RANDOM_FLIPS = 99_999

Floats = NDArray[np.float64]
Interval = tuple[float, float]


@dataclass(frozen=True)
class SeedSummary:
    """Some values of one quantity, one value per seed."""

    n: int
    mean: float
    """NaN where n is 0."""
    sd: float
    """Sample standard deviation (n − 1 in the denominator); NaN below two values."""
    low: float
    high: float
    """Ends of the interval of the mean; NaN below two values, or where all are equal."""


@dataclass(frozen=True)
class PairedDifference:
    """First minus second, over the seeds that both have."""

    n: int
    mean: float
    sd: float
    low: float
    high: float
    """Ends of Student's interval; NaN below two pairs."""
    p: float
    """Two-sided, by sign flips, exact up to `MOST_FLIPS` pairs; NaN without pairs."""
    smallest_p: float
    """The smallest p that n pairs allow: 2 / 2^n."""
    seeds: tuple[int, ...]
    t_p: float = float("nan")
    """Two-sided, by the paired t; NaN below two pairs."""
    flip_low: float = float("nan")
    flip_high: float = float("nan")
    """Ends of the interval by sign flips; infinite where so few pairs cannot exclude anything."""
    looks: tuple[int, ...] = ()
    """Numbers of pairs of several looks, which `low`, `high` and `p` allow for; else empty."""

    @property
    def caution(self) -> str:
        """Say where n is too small for the test ever to reach .05, else nothing."""
        if self.n == 0:
            return "no seed in common: nothing to pair"
        if self.smallest_p <= 0.05:
            return ""
        smallest = f"{self.smallest_p:.4f}".rstrip("0").lstrip("0")
        smallest = smallest if self.smallest_p < 1 else "1"
        text = (
            f"with {count_text(self.n, 'pair')} an exact two-sided test cannot go below p = "
            f"{smallest}"
        )
        if self.n == 1:
            return text
        return f"{text}; the paired t can, and relies on normal differences"


def summarise_seeds(
    values: ArrayLike, *, level: float = LEVEL, method: Literal["t", "log-odds", "bca"] = "t"
) -> SeedSummary:
    """Return n, mean, standard deviation and the interval of the mean.

    Args:
        values: one per seed; missing ones are to be left out before.
        level: coverage in (0, 1).
        method: `t` (the default, see the module), `log-odds` for errors in percent, or `bca`.
    """
    array = np.asarray(values, dtype=np.float64).ravel()
    n = len(array)
    if n == 0:
        return SeedSummary(0, np.nan, np.nan, np.nan, np.nan)
    if not np.isfinite(array).all():
        return SeedSummary(n, _mean_of_bad(array), np.nan, np.nan, np.nan)
    mean = float(array.mean())
    if n == 1:
        return SeedSummary(1, mean, np.nan, np.nan, np.nan)
    sd = float(array.std(ddof=1))
    return SeedSummary(n, mean, sd, *_interval_of(array, level, method))


def _interval_of(array: Floats, level: float, method: Literal["t", "log-odds", "bca"]) -> Interval:
    if np.ptp(array) <= 1e-12 * np.abs(array).max():  # equal but for the last bits
        return np.nan, np.nan
    match method:
        case "t":
            return t_interval(float(array.mean()), float(array.std(ddof=1)), len(array), level)
        case "bca":
            return bca_interval(array, level)
        case "log-odds":
            found = delta_interval(array, level=level)
            return found.low, found.high


def t_interval(mean: float, sd: float, n: int, level: float = LEVEL) -> Interval:
    """Return mean ± t·sd/√n, Student's interval with n − 1 degrees of freedom."""
    half = t_quantile(n - 1, 0.5 + level / 2) * sd / np.sqrt(n)
    return float(mean - half), float(mean + half)


def t_quantile(df: float, probability: float) -> float:
    """Return the quantile of Student's t; `df` need not be whole."""
    return float(special.stdtrit(df, probability))


def bca_interval(values: ArrayLike, level: float = LEVEL, *, seed: int = 0) -> Interval:
    """Return the bias-corrected and accelerated bootstrap interval of the mean. Efron 1987.

    Args:
        values: at least two.
        level: coverage in (0, 1).
        seed: of the resampling, so that a report can be made again.
    """
    from scipy import stats  # late: it takes a second

    array = np.asarray(values, dtype=np.float64)
    if np.ptp(array) == 0:
        return float(array[0]), float(array[0])
    result = stats.bootstrap(
        (array,),
        np.mean,
        confidence_level=level,
        method="BCa",
        rng=np.random.default_rng(seed),
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def paired_difference(
    first: "pd.Series[Any]",
    second: "pd.Series[Any]",
    *,
    level: float = LEVEL,
    resolution: float = 0.0,
) -> PairedDifference:
    """Return first − second over the seeds that both have.

    Errors come in steps of one image: equal differences have no spread and would prove anything.
    So no standard deviation is below that of the rounding, resolution / √6.

    Args:
        first: values indexed by seed, without repeats.
        second: likewise.
        level: coverage of the interval (Student's t of the differences).
        resolution: points of percent that one test image is worth; 0 for values without steps.
    """
    for series in (first, second):
        if series.index.has_duplicates:
            raise ValueError(f"a seed occurs twice: {sorted(series.index)}")
    both = pd.concat([first, second], axis=1, join="inner", keys=["first", "second"]).dropna()
    differences = (both["first"] - both["second"]).to_numpy(dtype=np.float64)
    summary = summarise_seeds(differences, level=level)
    n, sd, low, high = summary.n, summary.sd, summary.low, summary.high
    least = resolution / np.sqrt(6)
    t_p = paired_t_test(differences)
    if sd < least:
        sd = float(least)
        low, high = t_interval(summary.mean, sd, n, level)
        t_p = float(2 * special.stdtr(n - 1, -abs(summary.mean) / sd * np.sqrt(n)))
    flip_low, flip_high = sign_flip_interval(differences, level)
    return PairedDifference(
        n=n,
        mean=summary.mean,
        sd=sd,
        low=low,
        high=high,
        p=sign_flip_test(differences),
        smallest_p=2.0 ** (1 - n) if n else np.nan,
        seeds=tuple(int(seed) for seed in sorted(both.index)),
        t_p=t_p,
        flip_low=flip_low,
        flip_high=flip_high,
    )


def paired_t_test(differences: ArrayLike) -> float:
    """Return the two-sided p of Student's t that the mean difference is 0; NaN below two pairs."""
    array = np.asarray(differences, dtype=np.float64)
    n = len(array)
    if n < 2 or not np.isfinite(array).all():
        return float("nan")
    error = array.std(ddof=1) / np.sqrt(n)
    if error <= 1e-12 * np.abs(array).max():  # equal but for rounding
        return 0.0 if array.mean() else 1.0
    return float(2 * special.stdtr(n - 1, -abs(array.mean()) / error))


def sign_flip_interval(differences: ArrayLike, level: float = LEVEL, *, seed: int = 0) -> Interval:
    """Return the differences that the exact sign-flip test does not reject.

    The means of all 2^n − 1 subsets cut the line into 2^n intervals that hold the centre with equal
    probability (Hartigan 1969, doi:10.1080/01621459.1969.10501057). Below six pairs no 95% interval
    is finite. Past `MOST_FLIPS` pairs random subsets are drawn.

    Args:
        differences: one per pair, finite.
        level: coverage in (0, 1).
        seed: of the random subsets.
    """
    array = np.asarray(differences, dtype=np.float64)
    n = len(array)
    if n == 0 or not np.isfinite(array).all():
        return float("nan"), float("nan")
    if n <= MOST_FLIPS:
        chosen = np.array(list(itertools.product((0.0, 1.0), repeat=n)))[1:]
    else:
        chosen = np.random.default_rng(seed).choice((0.0, 1.0), size=(RANDOM_FLIPS, n))
        chosen = chosen[chosen.any(1)]
    means = np.sort(chosen @ array / chosen.sum(1))
    beyond = int((1 - level) / 2 * (len(means) + 1) + 1e-9)
    if beyond == 0:
        return -np.inf, np.inf
    return float(means[beyond - 1]), float(means[-beyond])


def sign_flip_test(differences: ArrayLike, *, seed: int = 0) -> float:
    """Return the two-sided p of the exact permutation test for pairs.

    Under the null hypothesis each difference is as likely to have the other sign, so p is the share
    of the 2^n flips whose absolute mean is at least the observed one. No distribution is assumed
    beyond symmetry. Past `MOST_FLIPS` pairs random flips are drawn, the observed one among them.

    Args:
        differences: one per pair, finite.
        seed: of the random flips.
    """
    array = np.asarray(differences, dtype=np.float64)
    n = len(array)
    if n == 0 or not np.isfinite(array).all():
        return float("nan")
    if n <= MOST_FLIPS:
        flips = np.array(list(itertools.product((1.0, -1.0), repeat=n)))
    else:
        flips = np.random.default_rng(seed).choice((1.0, -1.0), size=(RANDOM_FLIPS + 1, n))
        flips[0] = 1.0
    sums = np.abs(flips @ array)
    # The same numbers added in another order may differ in the last bits: those are ties.
    tolerance = 1e-9 * np.abs(array).sum()
    return float(np.mean(sums >= sums[0] - tolerance))


def holm_correction(p_values: Sequence[float]) -> list[float]:
    """Return p corrected for the number of comparisons, Holm's step-down method (1979).

    A NaN counts as no comparison and stays NaN.
    """
    p = np.asarray(p_values, dtype=np.float64)
    corrected = np.full_like(p, np.nan)
    from_smallest = np.argsort(p)[: int(np.sum(~np.isnan(p)))]  # NaN is sorted last
    comparisons_left = np.arange(len(from_smallest), 0, -1)
    stepped_down = np.maximum.accumulate(p[from_smallest] * comparisons_left)
    corrected[from_smallest] = np.minimum(stepped_down, 1.0)
    return [float(value) for value in corrected]


def _mean_of_bad(array: Floats) -> float:
    with np.errstate(invalid="ignore"):  # inf − inf
        return float(array.mean())
