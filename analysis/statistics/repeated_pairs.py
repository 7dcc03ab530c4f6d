"""Paired differences of a study that was looked at before and then given more seeds."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from analysis.statistics.looks import repeated_interval
from analysis.statistics.summary import LEVEL, PairedDifference, paired_difference


def difference_over_looks(
    first: "pd.Series[Any]",
    second: "pd.Series[Any]",
    looks: Sequence[int],
    *,
    level: float = LEVEL,
    resolution: float = 0.0,
) -> PairedDifference:
    """Return first − second over the seeds that both have; interval and p allow for all looks.

    Args:
        first: values indexed by seed, without repeats; seeds are run in their order.
        second: likewise.
        looks: numbers of seeds at which was looked. Where none of them has fewer pairs than there
            are now, this is the plain `paired_difference`.
        level: coverage of the interval.
        resolution: as for `paired_difference`.
    """
    plain = paired_difference(first, second, level=level, resolution=resolution)
    taken = (*(look for look in sorted(set(looks)) if 2 <= look < plain.n), plain.n)
    if len(taken) < 2:
        return plain
    seeds = list(plain.seeds)
    differences = first.loc[seeds] - second.loc[seeds]
    found = repeated_interval(differences, taken, level=level, resolution=resolution)
    return replace(plain, low=found.low, high=found.high, t_p=found.p, looks=taken)
