"""Intervals and p values of a study that was looked at before and then given more seeds.

Whoever looks at five seeds, adds two, and looks again has two chances to be misled: with no true
difference the plain 95% interval of a paired difference excludes 0 at some look of 5, 7, 9, 11 and
13 seeds in 13% of cases. Repeated confidence intervals (Jennison and Turnbull 1989,
doi:10.1111/j.2517-6161.1989.tb01763.x) hold at all looks at once: each look has a share of the
level (see `spending`), and Student's interval at it. Looks share their seeds, so the shares may sum
to more than 1.

The share of a look depends on the seeds so far alone and never uses up the level, so a study may
always be extended. Its price is paid from the first look on: five seeds have a quarter of the
level.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from analysis.statistics.pairs import Floats
from analysis.statistics.spending import nominal_levels, spent_level

LEVEL = 0.05
"""The two-sided level to which the p of several looks are to be compared."""


@dataclass(frozen=True)
class RepeatedInterval:
    """The mean of some differences at the latest of several looks."""

    n: int
    mean: float
    low: float
    high: float
    """Ends that hold at all looks at once; NaN below two values."""
    p: float
    """Two-sided and allowing for all looks: the smallest over the looks, each divided by its share.
    Once it is below the level it stays there."""
    single_level: float
    """The level of the latest look alone."""


def look_shares(looks: Sequence[int], *, tests: int = 1, level: float = LEVEL) -> Floats:
    """Return the share of the level that the test of each look may have.

    Args:
        looks: numbers of seeds, rising, the first at least two.
        tests: how many tests share the level at each look.
        level: two-sided; at a smaller one shares are somewhat smaller.

    Raises:
        ValueError: looks that do not rise.
    """
    rising = all(a < b for a, b in zip(looks, looks[1:], strict=False))
    if not looks or not rising or looks[0] < 2:
        raise ValueError(f"looks must rise from 2 seeds or more, but are {tuple(looks)}")
    one_sided = level / 2 / max(tests, 1)
    spent = spent_level(looks, level=one_sided)
    return np.asarray(nominal_levels(tuple(looks), tuple(map(float, spent)))) / one_sided


def looks_taken(looks: Sequence[int], seeds: int) -> tuple[int, ...]:
    """Return the looks that count with so many seeds: the earlier ones, and the present one last.

    Args:
        looks: numbers of seeds at which was looked, in any order.
        seeds: that there are now.
    """
    return (*(look for look in sorted(set(looks)) if 2 <= look < seeds), seeds)


def taken_shares(taken: Sequence[int], *, tests: int = 1) -> tuple[float, ...]:
    """Return the share of the level that each of these looks has; a single one has all of it.

    Args:
        taken: numbers of seeds, as from `looks_taken`.
        tests: how many tests share the level at each look.
    """
    return tuple(map(float, look_shares(taken, tests=tests))) if len(taken) > 1 else (1.0,)


def present_share(looks: Sequence[int], seeds: int, *, tests: int = 1) -> float:
    """Return the share of the level that the look at so many seeds has; see `taken_shares`."""
    return taken_shares(looks_taken(looks, seeds), tests=tests)[-1]


def repeated_interval(
    differences: ArrayLike,
    looks: Sequence[int],
    *,
    level: float = 0.95,
    resolution: float = 0.0,
) -> RepeatedInterval:
    """Return the interval of the mean at the last look that the values reach.

    Args:
        differences: one per seed in the order in which the seeds were run, finite.
        looks: numbers of seeds at which the study was looked at, the present one last.
        level: probability that the intervals of all looks cover.
        resolution: points of percent that one test image is worth; no standard deviation is below
            that of the rounding, resolution / √6. 0 for values without steps.

    Raises:
        ValueError: looks that do not rise, or fewer values than the last look has.
    """
    array = np.asarray(differences, dtype=np.float64).ravel()
    shares = look_shares(looks)
    own_share = float(look_shares(looks, level=1 - level)[-1])
    if len(array) < looks[-1]:
        raise ValueError(f"the last look has {looks[-1]} seeds, but here are {len(array)}")
    least = resolution / np.sqrt(6)
    at_looks = zip(looks, shares, strict=True)
    p = min(1.0, *(_plain_p(array[:n], least) / share for n, share in at_looks))
    n, alone = looks[-1], (1 - level) * own_share
    seen = array[:n]
    sd = max(float(seen.std(ddof=1)), least)
    half = float(special.stdtrit(n - 1, 1 - alone / 2) * sd / np.sqrt(n))
    mean = float(seen.mean())
    return RepeatedInterval(n, mean, mean - half, mean + half, float(p), alone)


def _plain_p(values: Floats, least: float) -> float:
    error = max(values.std(ddof=1), least) / np.sqrt(len(values))
    if error == 0:
        return 0.0 if values.mean() else 1.0
    return float(2 * special.stdtr(len(values) - 1, -abs(values.mean()) / error))
