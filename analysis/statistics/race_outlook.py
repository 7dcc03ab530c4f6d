"""What the next look of a race costs, and how likely it decides."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.statistics.pairs import Floats, pair_statistics
from analysis.statistics.prediction import pooled_spread
from analysis.statistics.race_batch import run_races
from analysis.statistics.racing import RaceRule, decide_race

RACE_DRAWS = 400
"""Predictive draws: a probability of .5 is known to within .025."""


@dataclass(frozen=True)
class LookOutlook:
    """What the next look of a race costs and decides."""

    trials: int
    """Further trials that the next look wants."""
    over: float
    """Probability that the race is over then."""
    progress: float
    """Probability that it settles at least one further configuration."""


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
    drawn: Floats = truth[..., None] + sigma[..., None] * noise
    return np.where(known, np.nan_to_num(values), drawn)


def _correlation(values: Floats) -> float:
    """Return the correlation of configurations over seeds, from total and pairwise variances."""
    pairs = pair_statistics(values)
    between = pairs.variance[np.isfinite(pairs.variance)]
    pooled = pooled_spread(values).sd ** 2
    if not len(between) or not pooled > 0:
        return 0.0
    return float(np.clip(1 - between.mean() / (2 * pooled), 0.0, 0.9))
