"""How much of the level is spent by how many seeds. Lan and DeMets 1983.

A study that is looked at several times may err at each look. The level is therefore spent in
parts, and a function says how much by n seeds (doi:10.1093/biomet/70.3.659).
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy import special

from analysis.statistics.pairs import Floats

Spending = Literal["open", "linear", "pocock", "obrien_fleming"]
OPEN_HALF = 5
"""Seeds by which the open-ended spending has spent half of the level."""


def spent_level(
    seeds: Sequence[int], most: int, *, level: float = 0.05, kind: Spending = "open"
) -> Floats:
    """Return the level spent by each number of seeds.

    Args:
        seeds: numbers of seeds.
        most: the seeds at which all but the open-ended spending have spent everything. More seeds
            than that spend nothing further.
        level: the whole level.
        kind: `open` is level · n / (n + 5): it needs no plan and always leaves something for a
            later look. `linear` and `pocock` spend about evenly until `most`, `obrien_fleming`
            hardly anything before.
    """
    n = np.asarray(seeds, dtype=np.float64)
    if kind == "open":
        return level * n / (n + OPEN_HALF)
    share = np.clip(n / most, 0.0, 1.0)
    if kind == "linear":
        return level * share
    if kind == "pocock":
        return level * np.log1p((np.e - 1) * share)
    with np.errstate(divide="ignore"):
        bound = special.ndtri(1 - level / 2) / np.sqrt(share)
    return np.asarray(2 * special.ndtr(-bound), dtype=np.float64)
