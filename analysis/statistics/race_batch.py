"""Many races at once: R races of K configurations, their looks gone through from the first.

`racing` has the rule's meaning and decides one race by it; simulations decide thousands.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.pairs import (
    Booleans,
    Floats,
    PairStatistics,
    best_neighbours,
    moderated,
    pair_statistics,
)
from analysis.statistics.race_rule import RaceRule, RaceRuleError

Integers = NDArray[np.int64]
DIVERGED = 100.0
"""The error, in percent, that a diverged trial counts as."""


@dataclass
class RaceOutcomes:
    """Where R races of K configurations stand."""

    beaten_RK: Booleans
    better_RK: Booleans
    equivalent_RK: Booleans
    running_RK: Booleans
    """Those that may still get seeds, the reference among them."""
    seeds_RK: Integers
    """Seeds that the looks so far have used."""
    wanted_RK: Integers
    """Seeds that the next look wants."""
    judged_R: Integers
    """Looks taken."""
    over_R: Booleans
    waiting_R: Booleans
    """The next look wants seeds, or configurations, that are missing."""
    leader_R: Integers

    @classmethod
    def at_start(cls, races: int, configurations: int, first: int) -> Self:
        """Return races in which nothing has been looked at."""
        shape = (races, configurations)
        return cls(
            beaten_RK=np.zeros(shape, bool),
            better_RK=np.zeros(shape, bool),
            equivalent_RK=np.zeros(shape, bool),
            running_RK=np.ones(shape, bool),
            seeds_RK=np.zeros(shape, np.int64),
            wanted_RK=np.full(shape, first, np.int64),
            judged_R=np.zeros(races, np.int64),
            over_R=np.zeros(races, bool),
            waiting_R=np.zeros(races, bool),
            leader_R=np.zeros(races, np.int64),
        )


@dataclass
class _RaceLook:
    """What is seen at one look of some of the races."""

    rule: RaceRule
    own: PairStatistics
    means_RK: Floats
    look_RKK: Integers
    """The number of each pair's look: that of the seeds it has in common."""
    missing: int
    """Configurations that are planned and not there yet."""
    beaten_RK: Booleans
    better_RK: Booleans
    equivalent_RK: Booleans

    def levels_among(self, tests_R: Integers) -> Floats:
        """Return the level of each pair's test where so many tests may err, shape RKK."""
        counts, which_R = np.unique(tests_R, return_inverse=True)
        levels_CL = np.stack([self.rule.levels_among(int(tests)) for tests in counts])
        chosen_RKK: Floats = levels_CL[which_R[:, None, None], self.look_RKK]
        return chosen_RKK

    def pairs_among(self, lenders_RK: Booleans) -> PairStatistics:
        """Return the moderated statistics of all pairs; the best of the lenders lend first."""
        # The beaten come after all others, nearest first: four to six configurations that learn
        # spread alike, beaten or not.
        ranked_RK = np.where(lenders_RK, self.means_RK, self.means_RK + 1000.0)
        return moderated(self.own, best_neighbours(ranked_RK))


def run_races(errors_RKS: Floats, rule: RaceRule) -> RaceOutcomes:
    """Return where the races stand; each as `racing.decide_race` has it.

    Args:
        errors_RKS: races, configurations, seeds.
        rule: of all races.

    Raises:
        RaceRuleError: the reference is none of the rows.
    """
    errors_RKS = np.where(np.isposinf(errors_RKS), DIVERGED, errors_RKS)
    races, configurations, _ = errors_RKS.shape
    if rule.against is not None and not 0 <= rule.against < configurations:
        raise RaceRuleError(
            f"the reference is row {rule.against}, but there are {configurations} configurations"
        )
    there_RK = np.cumprod(np.isfinite(errors_RKS), axis=-1).sum(-1)  # from the first without a gap
    state = RaceOutcomes.at_start(races, configurations, rule.looks[0])
    while True:
        state.waiting_R |= ~state.over_R & (there_RK < state.wanted_RK).any(-1)
        rows = np.flatnonzero(~state.over_R & ~state.waiting_R)
        if not len(rows):
            break
        _take_look(state, rows, errors_RKS[rows], rule)
    means_RK = _prefix_means(errors_RKS, np.minimum(np.maximum(state.seeds_RK, 1), there_RK))
    out_RK = state.beaten_RK if rule.against is None else np.zeros_like(state.beaten_RK)
    state.leader_R = np.where(out_RK | np.isnan(means_RK), np.inf, means_RK).argmin(-1)
    return state


def _take_look(state: RaceOutcomes, rows: Integers, errors_RKS: Floats, rule: RaceRule) -> None:
    seeds_RK = state.wanted_RK[rows]
    present = np.arange(errors_RKS.shape[-1]) < seeds_RK[..., None]
    own = pair_statistics(errors_RKS, present, resolution=rule.resolution)
    look = _RaceLook(
        rule=rule,
        own=own,
        means_RK=_prefix_means(errors_RKS, seeds_RK),
        look_RKK=np.searchsorted(rule.looks, own.n),
        missing=max((rule.configurations or 0) - errors_RKS.shape[1], 0),
        beaten_RK=state.beaten_RK[rows],
        better_RK=state.better_RK[rows],
        equivalent_RK=state.equivalent_RK[rows],
    )
    if rule.against is None:
        _judge_best(look)
        left_RK = ~look.beaten_RK
        running_RK = left_RK.copy()
        over_R = (left_RK.sum(-1) == 1) | ~(left_RK & ~look.equivalent_RK).any(-1)
    else:
        _judge_reference(look)
        running_RK = ~look.beaten_RK & ~look.better_RK & ~look.equivalent_RK
        running_RK[:, rule.against] = False
        over_R = ~running_RK.any(-1)
        running_RK[:, rule.against] = True
    state.beaten_RK[rows] = look.beaten_RK
    state.better_RK[rows] = look.better_RK
    state.equivalent_RK[rows] = look.equivalent_RK
    state.running_RK[rows] = running_RK
    state.seeds_RK[rows] = seeds_RK
    state.judged_R[rows] += 1
    advancing_RK = _advancing(look, running_RK, seeds_RK)
    stopped_R = over_R | ~advancing_RK.any(-1)
    # One left is not the best while configurations are planned that nobody has seen.
    state.over_R[rows] = stopped_R & (look.missing == 0)
    state.waiting_R[rows] = stopped_R & (look.missing > 0)
    following = np.array([*rule.looks[1:], rule.most])
    advanced_RK = following[np.searchsorted(rule.looks, seeds_RK)]
    state.wanted_RK[rows] = np.where(advancing_RK & ~stopped_R[:, None], advanced_RK, seeds_RK)


def _judge_best(look: _RaceLook) -> None:
    """Drop those that are beaten, one step after the other; then find the equivalent."""
    left_RK = ~look.beaten_RK
    each = np.arange(len(left_RK))
    while True:
        pairs = look.pairs_among(left_RK)
        k_R = left_RK.sum(-1) + look.missing
        worse = pairs.p_above() < look.levels_among(np.maximum(k_R * (k_R - 1), 1))
        beaten_RK = (worse & left_RK[:, None, :]).any(-1) & left_RK
        beaten_RK[each, np.where(left_RK, look.means_RK, np.inf).argmin(-1)] = False
        if not beaten_RK.any():
            break
        left_RK &= ~beaten_RK
    look.beaten_RK = ~left_RK
    look.equivalent_RK &= left_RK
    if look.rule.margin > 0:
        within = pairs.p_below(look.rule.margin) < look.levels_among(k_R)
        rivals = left_RK[:, None, :] & ~np.eye(left_RK.shape[1], dtype=bool)
        look.equivalent_RK |= (within | ~rivals).all(-1) & left_RK & (k_R > 1)[:, None]


def _judge_reference(look: _RaceLook) -> None:
    """Find who is worse, better and equivalent, Holm's steps over those whose decision is open."""
    reference = look.rule.against
    open_RK = ~look.beaten_RK & ~look.better_RK & ~look.equivalent_RK
    lenders_RK = ~look.beaten_RK
    open_RK[:, reference] = False
    pairs, margin = look.pairs_among(lenders_RK), look.rule.margin
    worse_RK, better_RK = pairs.p_above()[:, :, reference], pairs.p_below()[:, :, reference]
    while True:
        m_R = np.maximum(open_RK.sum(-1) + look.missing, 1)
        level_RK = look.levels_among(2 * m_R)[:, :, reference]
        found_RK = open_RK & (np.minimum(worse_RK, better_RK) < level_RK)
        if not found_RK.any():
            break
        look.beaten_RK |= found_RK & (worse_RK < better_RK)
        look.better_RK |= found_RK & (better_RK < worse_RK)
        open_RK &= ~found_RK
    if margin > 0:
        above, below = pairs.p_above(-margin), pairs.p_below(margin)
        within_RKK = np.maximum(above, below) < look.levels_among(m_R)
        look.equivalent_RK |= open_RK & within_RKK[:, :, reference]


def _advancing(look: _RaceLook, running_RK: Booleans, seeds_RK: Integers) -> Booleans:
    """Return who gets seeds next: the contenders, and those that rest when these are at the cap."""
    open_RK = running_RK & (seeds_RK < look.rule.most)
    means_RK = np.where(running_RK, look.means_RK, np.inf)
    leader_R = means_RK.argmin(-1)
    if look.rule.against is not None:
        leader_R = np.full_like(leader_R, look.rule.against)
    each = np.arange(len(leader_R))
    contending_RK = running_RK.copy()
    if look.rule.rest > 0:
        p_RK = look.pairs_among(running_RK).p_above()[each, :, leader_R]
        contending_RK &= ~(p_RK < look.rule.rest)
    contending_RK[each, leader_R] = True
    # A leader alone has nothing to be compared with.
    several_R: Booleans = np.count_nonzero(contending_RK, axis=-1, keepdims=True) > 1
    first_RK: Booleans = open_RK & contending_RK & several_R
    if look.rule.until == "named":
        return first_RK
    wanted_RK = np.where(first_RK.any(-1, keepdims=True), first_RK, open_RK)
    # Those that rested catch up before the leader goes further.
    fewest_R1 = np.where(wanted_RK, seeds_RK, look.rule.most).min(-1, keepdims=True)
    next_RK: Booleans = wanted_RK & (seeds_RK == fewest_R1)
    return next_RK


def _prefix_means(errors_RKS: Floats, seeds_RK: Integers) -> Floats:
    held = np.arange(errors_RKS.shape[-1]) < seeds_RK[..., None]
    sums = np.where(held, np.nan_to_num(errors_RKS), 0.0).sum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(seeds_RK > 0, sums / seeds_RK, np.nan)
