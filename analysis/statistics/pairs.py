"""Differences between configurations, paired by seed: their means, spreads and tests.

Every comparison of two configurations in this package starts here. A block is one seed: it fixes
the data split, the initial weights and the order of the batches for all configurations, so only
the spread of the differences counts. Each pair has its own spread, so configurations may spread
unequally and seeds may correlate; Student's t of a pair is exact for normal errors.

Three seeds give a pair two degrees of freedom, which is very little. The *moderated* test borrows
some from the other pairs: a prior spread, the mean over pairs of neighbours, counts like
`PRIOR_DF` further degrees of freedom (the form of Smyth 2004, doi:10.2202/1544-6115.1027, with a
fixed prior). The borrowed share falls as seeds come: 43% at three seeds, 10% at 15.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

PRIOR_DF = 1.5
"""Degrees of freedom that the neighbours' spread counts for. With 2 a race among the paper's
comparisons takes 2% fewer trials, but in the comparison of the most unequal spreads 6% of the races
without a difference call some configuration beaten; with 1.5 it is 4.6%, with 1 3.2%."""
NEIGHBOURS = 6
"""The spread is borrowed from the best so many configurations: one that fails to learn spreads
like no other and says nothing about the contenders."""
RESOLUTION = 0.01
"""Points of percent that one test image is worth, where nobody says otherwise: one of 10,000."""
ROUNDING = 1e-4
"""Points of percent that no image is worth: equal errors may differ in their last bits."""


@dataclass(frozen=True)
class PairStatistics:
    """First minus second for all ordered pairs; leading axes are free, the last two are the pair.

    Entries without enough common seeds are NaN, and so is the diagonal of `variance`.
    """

    n: Floats
    """Seeds in common."""
    mean: Floats
    """Mean difference, in the unit of the errors."""
    variance: Floats
    """Sample variance of the differences (n − 1 in the denominator), or its moderated value."""
    df: Floats
    """Degrees of freedom of `variance`."""

    @property
    def standard_error(self) -> Floats:
        """Return the standard error of the mean difference."""
        return np.sqrt(self.variance / self.n)

    def p_above(self, bound: float = 0.0) -> Floats:
        """Return the one-sided p of "first − second ≤ `bound`": small where it is above."""
        return self._tail((bound - self.mean), self.standard_error)

    def p_below(self, bound: float = 0.0) -> Floats:
        """Return the one-sided p of "first − second ≥ `bound`": small where it is below."""
        return self._tail((self.mean - bound), self.standard_error)

    def half_width(self, p: ArrayLike) -> Floats:
        """Return the distance from the mean to a one-sided bound at level `p`."""
        quantile = special.stdtrit(self.df, 1 - np.asarray(p, dtype=np.float64))
        return np.asarray(quantile * self.standard_error, dtype=np.float64)

    def _tail(self, distance: Floats, error: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.where(error > 0, distance / error, np.sign(distance) * np.inf)
            t = np.where(np.isnan(error), np.nan, np.where((error == 0) & (distance == 0), 0.0, t))
        return np.asarray(special.stdtr(self.df, t), dtype=np.float64)


def pair_statistics(
    errors: ArrayLike,
    present: NDArray[np.bool_] | None = None,
    *,
    resolution: float = RESOLUTION,
) -> PairStatistics:
    """Return the differences of all pairs of configurations over the seeds that both have.

    Errors come in steps of one image. Three differences of exactly one image have no spread and
    would prove anything; so no variance is below that of the rounding, resolution² / 6.

    Args:
        errors: shape (…, configurations, seeds); NaN for what is missing.
        present: of the same shape; False leaves a value out. None takes all that are not NaN.
        resolution: points of percent that one test image is worth; 0 for errors without steps.
    """
    array = np.asarray(errors, dtype=np.float64)
    held = np.isfinite(array) if present is None else present & np.isfinite(array)
    filled = np.where(held, array, 0.0)
    count = held.sum(-1)
    # Squares of centred values: percent are of the order of 50, their spreads of .1.
    centre = filled.sum(-1) / np.maximum(count, 1)
    centred = np.where(held, array - centre[..., None], 0.0)
    ones = held.astype(np.float64)
    transposed = np.swapaxes(ones, -1, -2)
    n = ones @ transposed
    sums = centred @ transposed
    squares = (centred**2) @ transposed
    products = centred @ np.swapaxes(centred, -1, -2)
    with np.errstate(divide="ignore", invalid="ignore"):
        shift = (sums - np.swapaxes(sums, -1, -2)) / n
        about = squares + np.swapaxes(squares, -1, -2) - 2 * products - n * shift**2
        variance = np.where(n > 1, np.maximum(about, 0.0) / (n - 1), np.nan)
    variance = np.maximum(variance, resolution**2 / 6)
    variance = np.where(np.eye(array.shape[-2], dtype=bool), np.nan, variance)
    mean = np.where(n > 0, shift + centre[..., :, None] - centre[..., None, :], np.nan)
    return PairStatistics(n, mean, variance, np.where(n > 1, n - 1, np.nan))


def resolution_of(errors: ArrayLike) -> float:
    """Return what one test image is worth, as the errors show it: their smallest step.

    The smallest gap between two of few errors may be several images, never less than one, so
    variances are rather bounded too high than too low. A race takes the errors of its first look
    alone: then later errors change nothing that an earlier look has decided.

    Args:
        errors: of any shape; NaN and infinity count for nothing.
    """
    values = np.asarray(errors, dtype=np.float64)
    gaps = np.diff(np.sort(values[np.isfinite(values)]))
    # Less is rounding: the same number of images, computed in another order.
    steps = gaps[gaps > ROUNDING]
    return float(steps.min()) if len(steps) else RESOLUTION


def moderated(
    own: PairStatistics, neighbours: NDArray[np.bool_], *, prior_df: float = PRIOR_DF
) -> PairStatistics:
    """Return the statistics with each variance drawn towards the mean over neighbours' pairs.

    Two configurations have but one pair and nothing to borrow; three can lend no more than one
    further configuration knows.

    Args:
        own: as from `pair_statistics`.
        neighbours: which configurations lend their spread, shape (…, configurations).
        prior_df: degrees of freedom that the borrowed spread counts for.
    """
    pairs = neighbours[..., :, None] & neighbours[..., None, :] & np.isfinite(own.variance)
    known = np.where(pairs, own.df, 0.0)
    weight = known.sum((-1, -2), keepdims=True)
    others = np.maximum(pairs.any(-1).sum(-1) - 2, 0)[..., None, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        total = np.where(pairs, own.df * own.variance, 0.0).sum((-1, -2), keepdims=True)
        prior = np.where(weight > 0, total / weight, 0.0)
        degrees = np.where(
            weight > 0, weight / np.maximum(pairs.sum((-1, -2), keepdims=True), 1), 0
        )
        borrowed = np.minimum(prior_df, others * degrees)
        variance = (borrowed * prior + own.df * own.variance) / (borrowed + own.df)
    return PairStatistics(own.n, own.mean, variance, own.df + borrowed)


def best_neighbours(means: Floats, *, most: int = NEIGHBOURS) -> NDArray[np.bool_]:
    """Return which configurations have the lowest means.

    Args:
        means: shape (…, configurations); NaN is never among them.
        most: how many.
    """
    order = np.argsort(np.where(np.isnan(means), np.inf, means), axis=-1, kind="stable")
    rank = np.argsort(order, axis=-1, kind="stable")
    return (rank < most) & ~np.isnan(means)
