"""One-sided p of means, and p corrected for the number of comparisons, for whole arrays."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from analysis.statistics.pairs import Floats


def one_sided_p(distance: ArrayLike, sd: ArrayLike, n: ArrayLike) -> Floats:
    """Return Student's one-sided p of a mean that lies `distance` short of a bound: small below 0.

    Args:
        distance: mean minus bound, in points.
        sd: sample standard deviations.
        n: values; p is NaN below two.
    """
    d, s, count = np.broadcast_arrays(*(np.asarray(x, dtype=np.float64) for x in (distance, sd, n)))
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(s > 0, d * np.sqrt(count) / s, np.where(d == 0, 0.0, np.sign(d) * np.inf))
    usable = (count > 1) & np.isfinite(d)
    return np.where(usable, special.stdtr(np.where(usable, count - 1, 1), t), np.nan)


def holm_adjusted(p_values: ArrayLike) -> Floats:
    """Return p corrected by Holm's step-down method; NaN is no comparison and stays NaN."""
    p = np.asarray(p_values, dtype=np.float64)
    corrected = np.full_like(p, np.nan)
    given = np.flatnonzero(~np.isnan(p))
    order = given[np.argsort(p[given], kind="stable")]
    factors = len(order) - np.arange(len(order))
    corrected[order] = np.minimum(np.maximum.accumulate(p[order] * factors), 1.0)
    return corrected
