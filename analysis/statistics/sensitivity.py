"""How the error depends on a searched number: a curve with its band, and Sobol indices.

The curve is a Gaussian process (scikit-learn) over the tested values, its noise the seeds' own. All
values are run with the same seeds, so what a seed does to all of them is taken out first: the band
is that of the curve for these seeds, up to a shift of the whole curve, which no comparison of
values sees. A handful of values cannot fix the process's length and height, and a curve that takes
the likeliest for the truth is too sure of itself; so curves are drawn from processes over a grid of
both, weighted by their likelihood. Everything is read off these curves:

- the band holds the whole curve with probability `level`: the pointwise band, widened until that
  share of the drawn curves lies within it (Ruppert, Wand and Carroll 2003, section 6.5);
- the values as good as the best within a margin are the largest set of which `level` of the curves
  say so of all at once (an excursion set, Bolin and Lindgren 2015, doi:10.1111/rssb.12055);
- the next trials belong where they would most shrink the variance of what is not settled.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from threadpoolctl import threadpool_limits

from analysis.statistics.pairs import Booleans, Floats

# scikit-learn is imported where it is used: it takes seconds to load.

CURVES = 3000
LENGTHS = np.geomspace(0.08, 3.0, 10)
"""Lengths of the process, as shares of the tested range."""
HEIGHTS = np.geomspace(0.2, 5.0, 6)
"""Standard deviations of the process, in those of the values' means."""
FEWEST_VALUES = 4
MOST_VALUES = 200
"""More values are taken together in so many cells: each is a sixteenth of the shortest length."""


class SensitivityError(ValueError):
    """Values from which no curve can be told."""


@dataclass(frozen=True)
class SensitivityCurve:
    """Error over one factor; all arrays run over `grid`, errors in percent."""

    grid: Floats
    mean: Floats
    low: Floats
    high: Floats
    """The simultaneous band."""
    best: float
    """The value at which the mean is lowest."""
    shown_as_good: tuple[tuple[float, float], ...]
    """Ranges shown to be no worse than the best by more than the margin."""
    may_be_good: tuple[tuple[float, float], ...]
    """Ranges of which that is not excluded; the former lie within them."""
    next_value: float
    """Where the next trials would settle most."""
    level: float
    margin: float


def sensitivity_curve(
    values: Sequence[float],
    errors: ArrayLike,
    *,
    margin: float = 0.0,
    level: float = 0.95,
    log: bool = False,
    points: int = 101,
    seed: int = 0,
) -> SensitivityCurve:
    """Return the error as a function of one factor.

    Args:
        values: tested, at least four, without repeats; above 0 with `log`.
        errors: shape (values, seeds), in percent; NaN for what is missing. Each value needs a seed,
            and some value two.
        margin: points that count as no worse.
        level: of the band and of the sets.
        log: whether the factor is searched on a logarithmic scale.
        points: of the grid from the lowest to the highest value.
        seed: of the drawn curves.

    Raises:
        SensitivityError: too few values, repeats, or no spread over seeds.
    """
    x = unit_scaled(values, log=log)
    array = np.asarray(errors, dtype=np.float64)
    means, noise = means_and_noise(array)
    grid01 = np.linspace(0, 1, points)
    with threadpool_limits(limits=1):  # of matrices this small threads do nothing but wait
        curves = _drawn_curves(*_in_cells(x, means, noise), grid01, np.random.default_rng(seed))
    mean, spread = curves.mean(0), curves.std(0)
    reach = np.quantile(np.max(np.abs(curves - mean) / np.maximum(spread, 1e-12), axis=1), level)
    grid = _unscaled(grid01, values, log=log)
    above = curves - curves.min(1, keepdims=True)
    good = above <= margin
    shown = _jointly(good, level)
    excluded = _jointly(~good, level)
    return SensitivityCurve(
        grid=grid,
        mean=mean,
        low=np.clip(mean - reach * spread, 0, 100),
        high=np.clip(mean + reach * spread, 0, 100),
        best=float(grid[mean.argmin()]),
        shown_as_good=_ranges(grid, shown),
        may_be_good=_ranges(grid, ~excluded),
        next_value=float(grid[_most_telling(curves, shown | excluded, float(noise.mean()))]),
        level=level,
        margin=margin,
    )


def means_and_noise(array: Floats) -> tuple[Floats, Floats]:
    """Return the mean of each row, and the variance of that mean without what all rows share."""
    held = np.isfinite(array)
    n = held.sum(1)
    if (n == 0).any():
        raise SensitivityError("a value has no finite error")
    means = np.where(held, array, 0.0).sum(1) / n
    residual = np.where(held, array - means[:, None], 0.0)
    if held.all() and array.shape[1] > 1:
        residual = residual - residual.mean(0)
        df = (len(array) - 1) * (array.shape[1] - 1)
    else:
        df = int((n - 1).sum())
    if df == 0:
        raise SensitivityError("with one seed for each value nothing is known of the seeds' noise")
    variance = max(float((residual**2).sum() / df), 1e-12)
    return means, variance / n


def _in_cells(x: Floats, means: Floats, noise: Floats) -> tuple[Floats, Floats, Floats]:
    """Return values, means and noise, of many those of cells, each value by what it tells."""
    if len(x) <= MOST_VALUES:
        return x, means, noise
    cells = np.minimum((x * MOST_VALUES).astype(int), MOST_VALUES - 1)
    told = np.bincount(cells, 1 / noise)
    held = told > 0
    placed, meant = (np.bincount(cells, part / noise)[held] / told[held] for part in (x, means))
    return placed, meant, 1 / told[held]


def unit_scaled(values: ArrayLike, *, log: bool, distinct: bool = True) -> Floats:
    """Return the values, or their logarithms, moved to [0, 1]; `distinct` refuses repeats."""
    x = np.asarray(values, dtype=np.float64)
    if distinct and (len(x) < FEWEST_VALUES or len(np.unique(x)) < len(x)):
        raise SensitivityError(
            f"a curve takes at least {FEWEST_VALUES} values without repeats, but here are "
            f"{', '.join(f'{value:g}' for value in sorted(x))}"
        )
    if log and (x <= 0).any():
        raise SensitivityError(f"a logarithmic scale starts above 0, but here is {x.min():g}")
    if log:
        x = np.log(x)
    if np.ptp(x) == 0:
        raise SensitivityError(f"a factor has one value alone: {float(np.ravel(values)[0]):g}")
    scaled: Floats = (x - x.min()) / np.ptp(x)
    return scaled


def _unscaled(grid01: Floats, values: Sequence[float], *, log: bool) -> Floats:
    ends = np.array([min(values), max(values)], dtype=np.float64)
    if log:
        ends = np.log(ends)
    values_G: Floats = ends[0] + grid01 * (ends[1] - ends[0])
    return np.exp(values_G) if log else values_G


def _drawn_curves(
    x: Floats, means: Floats, noise: Floats, grid: Floats, rng: np.random.Generator
) -> Floats:
    """Return curves over the grid, drawn from processes of all lengths and heights."""
    # Imported late, since it takes most of a second: tables load this package at every launch.
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern

    scale = max(float(means.std()), float(np.sqrt(noise.mean())))
    centre = float(means.mean())
    target, alpha = (means - centre) / scale, noise / scale**2
    processes, weights = [], []
    for length in LENGTHS:
        for height in HEIGHTS:
            # The mean of the process is as unknown as its shape: the second constant.
            kernel = ConstantKernel(height**2) * Matern(length, nu=2.5) + ConstantKernel(1.0)
            process = GaussianProcessRegressor(kernel, alpha=alpha, optimizer=None)
            processes.append(process.fit(x[:, None], target))
            weights.append(process.log_marginal_likelihood_value_)
    share = np.exp(np.array(weights) - max(weights))
    counts = rng.multinomial(CURVES, share / share.sum())
    drawn = []
    for process, count in zip(processes, counts, strict=True):
        if count:
            mean, covariance = process.predict(grid[:, None], return_cov=True)
            roots, vectors = np.linalg.eigh(covariance)
            factor = vectors * np.sqrt(np.maximum(roots, 0.0))
            drawn.append(mean + rng.normal(size=(count, len(grid))) @ factor.T)
    return centre + scale * np.concatenate(drawn)


def _jointly(holds: Booleans, level: float) -> Booleans:
    """Return the largest set of grid points of which `level` of the curves say it of all."""
    order = np.argsort(-holds.mean(0), kind="stable")
    together = np.logical_and.accumulate(holds[:, order], axis=1).mean(0)
    chosen = np.zeros(holds.shape[1], dtype=bool)
    chosen[order[together >= level]] = True
    return chosen


def _ranges(grid: Floats, flags: Booleans) -> tuple[tuple[float, float], ...]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(int)))
    return tuple(
        (float(grid[start]), float(grid[end - 1]))
        for start, end in zip(edges[::2], edges[1::2], strict=True)
    )


def _most_telling(curves: Floats, settled: Booleans, noise: float) -> int:
    """Return the grid point where a trial would most reduce the variance of what is open."""
    open_points = ~settled if (~settled).any() else np.ones(len(settled), dtype=bool)
    lowest = int(curves.mean(0).argmin())
    against_best = curves[:, open_points] - curves[:, [lowest]]
    centred = curves - curves.mean(0)
    shared = (against_best - against_best.mean(0)).T @ centred / len(curves)
    gain = (shared**2).sum(0) / (centred.var(0) + noise)
    return int(gain.argmax())
