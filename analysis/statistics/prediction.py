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
from scipy import optimize, special

from analysis.statistics.pairs import Booleans, Floats, pair_statistics
from analysis.statistics.race_batch import run_races
from analysis.statistics.race_rule import RaceRule
from analysis.statistics.racing import decide_race

DRAWS = 4000
"""Predictive draws: a probability of .8 is known to within .013."""
RACE_DRAWS = 400
WANTED = 0.8
MOST_SEEDS = 100
"""More further seeds than this count as none."""

Decided = Callable[[Floats, Floats, int], Booleans]
"""From means and standard deviations of n differences to whether each is decided."""


@dataclass(frozen=True)
class Spread:
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
class Outlook:
    """How many more seeds would decide, and how likely."""

    more: int | None
    """The fewest further seeds that decide with the wanted probability; None if no number does."""
    probability: float
    """That these seeds decide; without such a number, that `MOST_SEEDS` more do."""
    sentence: str


@dataclass(frozen=True)
class LookOutlook:
    """What the next look of a race costs and decides."""

    trials: int
    """Further trials that the next look wants."""
    over: float
    """Probability that the race is over then."""
    progress: float
    """Probability that it settles at least one further configuration."""


def pooled_spread(errors: ArrayLike) -> Spread:
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
    return Spread(float(np.sqrt(squares / df)) if df else float("nan"), df)


def spread_of_differences(errors: ArrayLike) -> Spread:
    """Return the standard deviation of paired differences, pooled over all pairs.

    Args:
        errors: shape (configurations, seeds), at least two of each; NaN for what is missing.
    """
    array = np.asarray(errors, dtype=np.float64)
    pairs = pair_statistics(array)
    known = np.isfinite(pairs.variance)
    if not known.any():
        return Spread(float("nan"), 0.0)
    weights = pairs.df[known]
    variance = (weights * pairs.variance[known]).sum() / weights.sum()
    return Spread(float(np.sqrt(variance)), float(weights.mean() * (len(array) - 1)))


def predicted_half_width(pilot: Spread, n: int, *, level: float = 0.95) -> PredictedWidth:
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
) -> Outlook:
    """Return the fewest further seeds that decide with the given probability.

    Arguments as for `probability_decided`. The search doubles, then halves; the probability rises
    with the seeds but for chance.
    """
    if n < 2 or not np.isfinite([mean, sd]).all():
        return Outlook(None, float("nan"), "two seeds are needed before a forecast can be made")

    def chance(more: int) -> float:
        return probability_decided(mean, sd, n, more, decided)

    at_most = chance(most)
    if at_most < probability:
        text = f"even {most} more seeds would decide with a probability of only {at_most:.2f}"
        return Outlook(None, at_most, text)
    low, high = 0, 1
    while high < most and chance(high) < probability:
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if chance(middle) >= probability else (middle, high)
    reached = chance(high)
    text = f"{high} more seed{'s' if high > 1 else ''} would decide with probability {reached:.2f}"
    return Outlook(high, reached, text)


def next_look_outlook(errors: ArrayLike, rule: RaceRule, *, seed: int = 0) -> LookOutlook | None:
    """Return what the next look of a race costs and how likely it decides; None without one.

    Errors are taken as normal, each configuration with its own spread drawn towards the pooled one,
    all with the correlation that the seeds so far show.

    Args:
        errors: as for `racing.decide_race`; at least two seeds each.
        rule: of the race.
        seed: of the draws.
    """
    array = np.asarray(errors, dtype=np.float64)
    now = decide_race(array, rule)
    if now.next_look is None:
        return None
    wanted = np.array(now.seeds_wanted)
    held = np.isfinite(array[:, : wanted.max()])
    have = np.cumprod(held, -1).sum(-1)
    trials = int(np.maximum(wanted - have, 0).sum())
    if have.min() < 2:
        return LookOutlook(trials, float("nan"), float("nan"))
    drawn = _predictive(array, have, int(wanted.max()), np.random.default_rng(seed))
    drawn[:, np.arange(drawn.shape[2]) >= wanted[:, None]] = np.nan
    after = run_races(drawn, rule)
    settled = (after.beaten_RK | after.equivalent_RK | after.better_RK).sum(-1)
    before = len({*now.beaten, *now.equivalent, *now.better})
    return LookOutlook(trials, float(after.over_R.mean()), float((settled > before).mean()))


def _predictive(array: Floats, have: ArrayLike, columns: int, rng: np.random.Generator) -> Floats:
    """Return draws (races, configurations, columns): the seeds there are, and further ones."""
    count = np.asarray(have)
    rows = len(array)
    known = np.arange(columns) < count[:, None]
    width = min(columns, array.shape[1])
    values = np.full((rows, columns), np.nan)
    values[:, :width] = array[:, :width]
    values[~known] = np.nan
    means = np.nanmean(values, -1)
    pooled = pooled_spread(values)
    own = np.nanvar(values, -1) * count
    df = count - 1 + 2.0
    variance = (own + 2.0 * pooled.sd**2) / df
    shared = _correlation(values)
    sigma = np.sqrt(variance * df / rng.chisquare(df, (RACE_DRAWS, rows)))
    common, alone = np.sqrt(shared), np.sqrt(1 - shared)
    shift = common * rng.normal(size=(RACE_DRAWS, 1)) + alone * rng.normal(size=(RACE_DRAWS, rows))
    truth = means + sigma / np.sqrt(count) * shift
    noise = common * rng.normal(size=(RACE_DRAWS, 1, columns))
    noise = noise + alone * rng.normal(size=(RACE_DRAWS, rows, columns))
    return np.where(known, np.nan_to_num(values), truth[..., None] + sigma[..., None] * noise)


def _correlation(values: Floats) -> float:
    """Return the correlation of configurations over seeds, from total and pairwise variances."""
    pairs = pair_statistics(values)
    between = pairs.variance[np.isfinite(pairs.variance)]
    pooled = pooled_spread(values).sd ** 2
    if not len(between) or not pooled > 0:
        return 0.0
    return float(np.clip(1 - between.mean() / (2 * pooled), 0.0, 0.9))


@cache
def _quadrature() -> tuple[Floats, Floats]:
    nodes, weights = np.polynomial.legendre.leggauss(400)
    return nodes, weights


def _mean_sd(df: float) -> float:
    """Return E[s] / σ, by which a sample standard deviation falls short on average."""
    return float(np.exp(special.gammaln((df + 1) / 2) - special.gammaln(df / 2)) * np.sqrt(2 / df))
