"""A race over seeds: which configuration is best, for as few trials as will show it.

Every configuration gets `first` seeds, the same for all. At each look a configuration is *beaten*
when another is shown to be better, the race ends when one is left (*best*), when all that are left
are shown to be within `margin` of the best (*equivalent*), or when `most` seeds are reached
(*undecided*). A decision is a function of the errors so far and of the rule: whoever asks again,
after a crash or an extension, gets the same answer, for the looks are gone through from the first.

Level. `level` bounds the probability of any wrong decision over all looks and configurations
together. Wrong is: a configuration counts as beaten that none is better than, or as equivalent
that is further than `margin` from the best.

- Over looks by alpha spending (Lan and DeMets 1983, doi:10.1093/biomet/70.3.659), at boundaries
  that know that looks share their seeds (see `spending`). The level spent by n seeds is by default
  level · n² / (n² + 9²), a function of n alone that is never used up. So a later look is the next
  look whatever was planned: raising `most` changes no decision taken, nor does a look added later.
- Over configurations by Bonferroni in steps: with k not yet beaten, each of the k(k − 1) ordered
  pairs has 1/(k(k − 1)) of the level, and equivalence to the best 1/k.
- Pairs are tested by moderated t on the differences, seed by seed (see `pairs`).

`rest` orders the trials: a configuration whose p against the leader is below it gets its seeds
after the others, where the decision hangs. That is no decision, and no level is spent on it. With
`until: named` the race ends when the others have rested, and names the leader without proof.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from analysis.statistics.pairs import Booleans
from analysis.statistics.race_batch import RaceOutcomes, run_races
from analysis.statistics.race_rule import RaceRule, RaceRuleError

__all__ = ["RaceDecision", "RaceRule", "RaceRuleError", "decide_race"]

Verdict = Literal["going on", "best", "equivalent", "decided", "undecided"]


@dataclass(frozen=True)
class RaceDecision:
    """What is known of a race; all numbers are rows of the errors."""

    verdict: Verdict
    """`decided`: against a reference, all others are beaten, better or equivalent."""
    leader: int
    """The lowest mean among those not beaten; against a reference, among all."""
    best: int | None
    """The only one left."""
    beaten: tuple[int, ...]
    """Shown to be worse than another; against a reference, worse than it."""
    better: tuple[int, ...]
    """Shown to be better than the reference; empty in a race for the best."""
    equivalent: tuple[int, ...]
    """Shown to be within the margin of the best, or of the reference."""
    going_on: tuple[int, ...]
    """Those whose decision is open."""
    next_look: int | None
    """The number of seeds at the next look; None where the race is over, or where it waits for
    configurations that are planned and not there yet."""
    seeds_wanted: tuple[int, ...]
    """How many seeds, counted from the first, each row should have by then."""
    looks_taken: int
    """How many looks have been judged."""


def decide_race(errors: ArrayLike, rule: RaceRule) -> RaceDecision:
    """Return what the errors so far decide, and which seeds are wanted next.

    Args:
        errors: shape (configurations, seeds), in percent, lower is better, columns in the order in
            which seeds are given; NaN for what is missing, inf for a trial that diverged (it
            counts as 100). A configuration whose trial failed for good is to be left out: the race
            would wait for it. Seeds past what the rule asked for wait until their look comes.
        rule: of the race.

    Raises:
        RaceRuleError: the reference is none of the rows.
    """
    array = np.asarray(errors, dtype=np.float64)
    return _decision_of(run_races(array[None], rule), rule)


def _decision_of(race: RaceOutcomes, rule: RaceRule) -> RaceDecision:
    beaten_K, better_K = race.beaten_RK[0], race.better_RK[0]
    equivalent_K, running_K = race.equivalent_RK[0], race.running_RK[0]
    left = _rows(~beaten_K)
    waiting = bool(race.waiting_R[0])
    wants = bool((race.wanted_RK[0] > race.seeds_RK[0]).any())
    alone = rule.against is None and len(left) == 1 and not waiting
    return RaceDecision(
        verdict=_verdict_of(race, rule),
        leader=int(race.leader_R[0]),
        best=left[0] if alone else None,
        beaten=_rows(beaten_K),
        better=_rows(better_K),
        equivalent=_rows(equivalent_K),
        going_on=_rows(running_K & ~equivalent_K) if waiting or not _is_settled(race, rule) else (),
        next_look=int(race.wanted_RK[0].max()) if waiting and wants else None,
        seeds_wanted=tuple(int(n) for n in race.wanted_RK[0]),
        looks_taken=int(race.judged_R[0]),
    )


def _verdict_of(race: RaceOutcomes, rule: RaceRule) -> Verdict:
    if race.waiting_R[0]:
        return "going on"
    if not _is_settled(race, rule):
        return "undecided"
    if rule.against is not None:
        return "decided"
    return "best" if (~race.beaten_RK[0]).sum() == 1 else "equivalent"


def _is_settled(race: RaceOutcomes, rule: RaceRule) -> bool:
    left_K = ~race.beaten_RK[0]
    if rule.against is None:
        return bool(left_K.sum() == 1 or not (left_K & ~race.equivalent_RK[0]).any())
    open_K = left_K & ~race.better_RK[0] & ~race.equivalent_RK[0]
    open_K[rule.against] = False
    return not open_K.any()


def _rows(flags_K: Booleans) -> tuple[int, ...]:
    return tuple(int(row) for row in np.flatnonzero(flags_K))
