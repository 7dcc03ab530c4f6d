"""What more seeds would show: widths, detectable differences and the chance of a decision.

All start from a pilot: the spread of the seeds there are. A pilot's spread is itself uncertain, and
from three seeds very much so, therefore

- a predicted half-width comes with the range that the pilot leaves open, and spreads are pooled
  over configurations where there are several;
- the probability that more seeds decide is a predictive one: mean and spread are drawn from what
  the pilot leaves open (the posterior under the flat prior of normal errors), then the further
  seeds, then the decision is taken on all of them. The probability is not that of a pilot that has
  hit the truth.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from analysis.statistics.pairs import Booleans, Floats, pair_statistics

DRAWS = 4000
"""Predictive draws: a probability of .8 is known to within .013."""
WANTED = 0.8
MOST_SEEDS = 100
"""More further seeds than this count as none."""

Decided = Callable[[Floats, Floats, int], Booleans]
"""From means and standard deviations of n differences to whether each is decided."""


@dataclass(frozen=True)
class SeedSpread:
    """A standard deviation and how well it is known."""

    sd: float
    """In points of percent; NaN where no configuration has two seeds."""
    df: float
    """Degrees of freedom."""


@dataclass(frozen=True)
class PredictedWidth:
    """Half the width of an interval of a mean over n seeds, in points of percent."""

    n: int
    expected: float
    low: float
    high: float
    """Nine of ten pilots like this one leave the expected half-width in this range."""


@dataclass(frozen=True)
class SeedOutlook:
    """How many more seeds would decide, and how likely."""

    more: int | None
    """The fewest further seeds that decide with the wanted probability; None if no number does."""
    probability: float
    """That these seeds decide; without such a number, that `MOST_SEEDS` more do."""
    sentence: str


def pooled_spread(errors: ArrayLike) -> SeedSpread:
    """Return the standard deviation over seeds, pooled over configurations.

    Args:
        errors: shape (configurations, seeds); NaN for what is missing.
    """
    array = np.atleast_2d(np.asarray(errors, dtype=np.float64))
    held = np.isfinite(array)
    n = held.sum(-1)
    filled = np.where(held, array, 0.0)
    means = filled.sum(-1) / np.maximum(n, 1)
    squares = np.where(held, (array - means[:, None]) ** 2, 0.0).sum()
    df = float(np.maximum(n - 1, 0).sum())
    return SeedSpread(float(np.sqrt(squares / df)) if df else float("nan"), df)


def spread_of_differences(errors: ArrayLike) -> SeedSpread:
    """Return the standard deviation of paired differences, pooled over all pairs.

    Args:
        errors: shape (configurations, seeds), at least two of each; NaN for what is missing.
    """
    array = np.asarray(errors, dtype=np.float64)
    pairs = pair_statistics(array)
    known = np.isfinite(pairs.variance)
    if not known.any():
        return SeedSpread(float("nan"), 0.0)
    weights = pairs.df[known]
    variance = (weights * pairs.variance[known]).sum() / weights.sum()
    return SeedSpread(float(np.sqrt(variance)), float(weights.mean() * (len(array) - 1)))


def predicted_half_width(pilot: SeedSpread, n: int, *, level: float = 0.95) -> PredictedWidth:
    """Return the half-width of Student's interval that n seeds will have on average.

    Args:
        pilot: as from `pooled_spread`, or `spread_of_differences` for a difference.
        n: seeds, at least two.
        level: coverage of the interval.
    """
    quantile = special.stdtrit(n - 1, 0.5 + level / 2)
    per_sigma = quantile * _mean_sd(n - 1) / np.sqrt(n)
    low, high = special.chdtri(pilot.df, [0.05, 0.95])  # upper tails: the large quantile first
    return PredictedWidth(
        n=n,
        expected=float(per_sigma * pilot.sd / _mean_sd(pilot.df)),
        low=float(per_sigma * pilot.sd * np.sqrt(pilot.df / low)),
        high=float(per_sigma * pilot.sd * np.sqrt(pilot.df / high)),
    )


def detection_power(difference: float, sd: float, n: int, *, level: float = 0.05) -> float:
    """Return the probability that the two-sided paired t tells a true difference from 0.

    Args:
        difference: true mean difference, in points.
        sd: true standard deviation of the differences.
        n: pairs, at least two.
        level: of the test.
    """
    if sd == 0:
        return 1.0 if difference else level
    df, shift = n - 1, abs(difference) * np.sqrt(n) / sd
    # Averaged over the spread that is seen: the series of the noncentral t fails for few pairs.
    nodes, weights = _quadrature()
    seen = np.sqrt(special.chdtri(df, (1 - nodes) / 2) / df)
    critical = special.stdtrit(df, 1 - level / 2) * seen
    told = special.ndtr(shift - critical) + special.ndtr(-shift - critical)
    return float((told * weights).sum() / 2)


def smallest_difference(
    sd: float, n: int, *, level: float = 0.05, probability: float = WANTED
) -> float:
    """Return the smallest true difference that n pairs tell from 0 with the given probability.

    Args:
        sd: standard deviation of the paired differences, in points.
        n: pairs; infinity is returned below two.
        level: of the two-sided test; a smaller one allows for several comparisons.
        probability: of telling, above `level`.
    """
    from scipy import optimize  # late: it takes a quarter of a second

    if n < 2:
        return float("inf")
    if sd == 0:
        return 0.0
    top = sd / np.sqrt(n)
    while detection_power(top, sd, n, level=level) < probability:
        top *= 2
    found = optimize.brentq(
        lambda d: detection_power(d, sd, n, level=level) - probability, 0.0, top, xtol=1e-9 * top
    )
    return float(found)


def probability_decided(
    mean: float, sd: float, n: int, more: int, decided: Decided, *, seed: int = 0
) -> float:
    """Return the probability that `more` further seeds decide, given what n seeds have shown.

    Args:
        mean: of the n values so far.
        sd: their standard deviation.
        n: at least two.
        more: further seeds, at least one.
        decided: the rule, of means and standard deviations over all n + more values.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    sigma = sd * np.sqrt((n - 1) / rng.chisquare(n - 1, DRAWS))
    truth = mean + sigma / np.sqrt(n) * rng.normal(size=DRAWS)
    later = truth + sigma / np.sqrt(more) * rng.normal(size=DRAWS)
    squares = sigma**2 * rng.chisquare(more - 1, DRAWS) if more > 1 else np.zeros(DRAWS)
    total = n + more
    whole = (n * mean + more * later) / total
    squares += (n - 1) * sd**2 + n * more / total * (later - mean) ** 2
    return float(decided(whole, np.sqrt(squares / (total - 1)), total).mean())


def seeds_to_decide(
    mean: float,
    sd: float,
    n: int,
    decided: Decided,
    *,
    probability: float = WANTED,
    most: int = MOST_SEEDS,
) -> SeedOutlook:
    """Return the fewest further seeds that decide with the given probability.

    Arguments as for `probability_decided`. The search doubles, then halves; the probability rises
    with the seeds but for chance.
    """
    if n < 2 or not np.isfinite([mean, sd]).all():
        return SeedOutlook(None, float("nan"), "two seeds are needed before a forecast can be made")

    def chance(more: int) -> float:
        return probability_decided(mean, sd, n, more, decided)

    at_most = chance(most)
    if at_most < probability:
        text = f"even {most} more seeds would decide with a probability of only {at_most:.2f}"
        return SeedOutlook(None, at_most, text)
    low, high = 0, 1
    while high < most and chance(high) < probability:
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if chance(middle) >= probability else (middle, high)
    reached = chance(high)
    text = f"{high} more seed{'s' if high > 1 else ''} would decide with probability {reached:.2f}"
    return SeedOutlook(high, reached, text)


@cache
def _quadrature() -> tuple[Floats, Floats]:
    nodes, weights = np.polynomial.legendre.leggauss(400)
    return nodes, weights


def _mean_sd(df: float) -> float:
    """Return E[s] / σ, by which a sample standard deviation falls short on average."""
    return float(np.exp(special.gammaln((df + 1) / 2) - special.gammaln(df / 2)) * np.sqrt(2 / df))
