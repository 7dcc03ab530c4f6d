"""Sobol's indices of several searched numbers, on the mean of a Gaussian process, by SALib.

The process (scikit-learn) has a length for each number and the seeds' own noise. The indices stand
beside PED-ANOVA (`importance`): that one asks what makes a configuration one of the best, these
what moves the error over the whole space.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from threadpoolctl import threadpool_limits

from analysis.statistics.pairs import Floats
from analysis.statistics.sensitivity import SensitivityError, means_and_noise, unit_scaled

# scikit-learn and SALib are imported where they are used: they take seconds to load.

MOST_FITTED, MOST_KNOWN = 300, 1000
"""Of more configurations a sample, by the seed, decides the lengths, and another the process: it
takes time by the third power of their number."""
SOBOL_BASE = 512
"""Saltelli's base sample; SALib evaluates (2 + factors) times as many points."""


@dataclass(frozen=True)
class SobolIndex:
    """How much of the error's variance over the space one factor accounts for."""

    factor: str
    alone: float
    """First order: by itself."""
    alone_half_width: float
    total: float
    """With all its interactions."""
    total_half_width: float
    """Half-widths are 95%, of the sampling of the fitted process and not of the trials."""


@dataclass(frozen=True)
class SobolIndices:
    """The indices of all factors, the largest total first."""

    indices: tuple[SobolIndex, ...]
    explained: float
    """Share of the variance between configurations that the process predicts when each is left out
    in turn; the indices mean nothing where it is small."""
    sample: int | None = None
    """Of how many configurations the process knows; None where it knows of all."""


def sobol_indices(
    settings: ArrayLike,
    errors: ArrayLike,
    *,
    names: Sequence[str],
    log: Sequence[bool] | None = None,
    seed: int = 0,
) -> SobolIndices:
    """Return Sobol's indices of several numeric factors, over the range that was tested.

    Args:
        settings: shape (configurations, factors).
        errors: shape (configurations, seeds), in percent; NaN for what is missing.
        names: of the factors.
        log: which factors are searched on a logarithmic scale; None: none.
        seed: of the fit and the sample.

    Raises:
        SensitivityError: fewer than two factors or fewer configurations than twice their number
            and two, or a factor with one value.
    """
    # Imported late, since it takes most of a second: tables load this package at every launch.
    from SALib.analyze import sobol as analyze
    from SALib.sample import sobol as sample

    table = np.asarray(settings, dtype=np.float64)
    factors = table.shape[1]
    if factors < 2 or len(table) < 2 * factors + 2:
        raise SensitivityError(
            f"Sobol's indices of {factors} factors take two factors and at least "
            f"{2 * factors + 2} configurations, but here are {len(table)}"
        )
    logs = list(log) if log is not None else [False] * factors
    x = np.column_stack(
        [unit_scaled(table[:, i], log=logs[i], distinct=False) for i in range(factors)]
    )
    means, noise = means_and_noise(np.asarray(errors, dtype=np.float64))
    size = MOST_KNOWN if len(x) > MOST_KNOWN else None
    if size is not None:
        some = np.random.default_rng(seed).choice(len(x), size, replace=False)
        x, means, noise = x[some], means[some], noise[some]
    problem = {"num_vars": factors, "names": list(names), "bounds": [[0.0, 1.0]] * factors}
    # Of matrices this small threads do nothing but wait.
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as of a length at the end of its range: no effect
        process = _fitted_process(x, means, noise, seed)
        drawn = sample.sample(problem, SOBOL_BASE, calc_second_order=False, seed=seed)
        found = analyze.analyze(problem, process.predict(drawn), calc_second_order=False, seed=seed)
    indices = [
        SobolIndex(name, *(float(found[key][i]) for key in ("S1", "S1_conf", "ST", "ST_conf")))
        for i, name in enumerate(names)
    ]
    ordered = tuple(sorted(indices, key=lambda index: -index.total))
    return SobolIndices(ordered, _explained(process, x, means, noise), size)


def _fitted_process(x: Floats, means: Floats, noise: Floats, seed: int):  # type: ignore[no-untyped-def]  # scikit-learn has no types
    # Imported late, since it takes most of a second: tables load this package at every launch.
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern

    scale = max(float(means.std()), 1e-9)
    kernel = ConstantKernel(1.0, (0.05, 50)) * Matern(
        np.full(x.shape[1], 0.5), [(0.05, 20)] * x.shape[1], nu=2.5
    )
    alpha = noise / scale**2
    few = np.sort(np.random.default_rng(seed).permutation(len(x))[:MOST_FITTED])
    process = GaussianProcessRegressor(
        kernel,
        alpha=alpha[few],
        normalize_y=True,
        n_restarts_optimizer=3,
        random_state=seed,
    ).fit(x[few], means[few])
    if len(x) <= MOST_FITTED:
        return process
    fitted = process.kernel_
    whole = GaussianProcessRegressor(fitted, alpha=alpha, optimizer=None, normalize_y=True)
    return whole.fit(x, means)


def _explained(process, x: Floats, means: Floats, noise: Floats) -> float:  # type: ignore[no-untyped-def]  # scikit-learn has no types
    """Return 1 − PRESS / total, each configuration predicted from all others."""
    covariance = process.kernel_(x) + np.diag(process.alpha)
    inverse = np.linalg.inv(covariance)
    scaled = (means - means.mean()) / max(float(means.std()), 1e-9)
    left_out = (inverse @ scaled) / np.diag(inverse)
    return float(1 - (left_out**2).sum() / max(float((scaled**2).sum()), 1e-12))
