"""The configurations that may be the best: multiple comparisons with the best, paired by seed.

The truly best configuration is in the set with probability `level`, whatever the others are
(Gupta's subset selection, in the form of Hsu 1984, doi:10.1214/aos/1176346791). With K
configurations a configuration is out when it is shown to be worse than some other, one-sided, at
(1 − level) / (K − 1): only the K − 1 comparisons of the true best can push it out. With the set
come Hsu's intervals of each configuration minus the best of all others: they hold at once.

Each pair has its own spread over the common seeds, so unequal spread and correlated seeds are no
matter. By default the pairs' variances are moderated (see `pairs`). Over the spreads of the paper's
comparisons, normal and skewed errors, three to ten seeds and no difference at all, a method stays
in the set in 96% to 97% of cases by the moderated t and in 95% by the pairs' own; with the paper's
differences three seeds keep half of the methods, five 41%, ten a third
(`tests/benchmarks/statistics_checks.py`). Of errors on few images the step is known (`resolution`):
with 300 images and a spread of half an image to two the best stays in 95% to 99% of cases.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from analysis.statistics.pairs import (
    RESOLUTION,
    Booleans,
    Floats,
    PairStatistics,
    best_neighbours,
    moderated,
    pair_statistics,
)

Method = Literal["moderated", "own"]


@dataclass(frozen=True)
class BestSet:
    """Which configurations may be the best; rows are those of the errors, lower is better."""

    members: tuple[int, ...]
    """Rows that may be the best, the lowest mean first."""
    low: tuple[float, ...]
    """Each row minus the best of all others, in points of percent: the lower end of its interval,
    at most 0."""
    high: tuple[float, ...]
    """The upper end, at least 0; inf where nothing can be said."""
    level: float
    """Probability that the best is in the set and that all intervals hold."""
    seeds: int
    """The fewest seeds that a configuration shares with another."""


@dataclass(frozen=True)
class ValueRange:
    """A run of neighbouring tested values of one factor."""

    low: float
    high: float
    values: tuple[float, ...]


@dataclass(frozen=True)
class GoodValues:
    """The values of an ordered factor that do as well as the best."""

    may_be_best: tuple[ValueRange, ...]
    """Not told apart from the best: more seeds may still exclude them."""
    shown_as_good: tuple[ValueRange, ...]
    """Shown to be no worse than the best of the others by more than the margin."""
    margin: float
    sentence: str


def best_set(
    errors: ArrayLike,
    *,
    level: float = 0.95,
    method: Method = "moderated",
    resolution: float = RESOLUTION,
) -> BestSet:
    """Return the set of configurations that may be the best.

    Args:
        errors: shape (configurations, seeds), in percent; NaN for what is missing. A configuration
            without two seeds in common with another cannot be excluded.
        level: probability that the best is in the set.
        method: how a pair's spread is estimated: `moderated` or its `own`.
        resolution: points of percent that one test image is worth (see `pairs`).
    """
    array = np.asarray(errors, dtype=np.float64)
    out_RK, low_RK, high_RK, own = compare_with_best(
        array[None], level=level, method=method, resolution=resolution
    )
    means = _means(array)
    order = np.argsort(np.where(np.isnan(means), np.inf, means), kind="stable")
    others = ~np.eye(len(array), dtype=bool)
    return BestSet(
        members=tuple(int(row) for row in order if not out_RK[0, row]),
        low=tuple(float(x) for x in low_RK[0]),
        high=tuple(float(x) for x in high_RK[0]),
        level=level,
        seeds=int(own.n[0][others].min()) if len(array) > 1 else int(own.n[0, 0, 0]),
    )


def compare_with_best(
    errors_RKS: Floats,
    *,
    level: float = 0.95,
    method: Method = "moderated",
    resolution: float = RESOLUTION,
) -> tuple[Booleans, Floats, Floats, PairStatistics]:
    """Return who is out, and the intervals against the best of the others, for many tables at once.

    Args:
        errors_RKS: tables, configurations, seeds.
        level: as in `best_set`.
        method: likewise.
        resolution: likewise.

    Returns:
        Out (tables, configurations), the lower and the upper ends, and the pairs' own statistics.
    """
    own = _widened(pair_statistics(errors_RKS, resolution=resolution), resolution)
    means_RK = _means(errors_RKS)
    pairs = moderated(own, best_neighbours(means_RK)) if method == "moderated" else own
    configurations = errors_RKS.shape[1]
    p = (1 - level) / max(configurations - 1, 1)
    half_RKK = pairs.half_width(p)
    known = np.isfinite(half_RKK)
    lower_RKK = np.where(known, pairs.mean - half_RKK, -np.inf)
    upper_RKK = np.where(known, pairs.mean + half_RKK, np.inf)
    others = ~np.eye(configurations, dtype=bool)
    worst_RK = np.where(others, lower_RKK, -np.inf).max(-1, initial=-np.inf)
    out_RK = worst_RK > 0
    # All pairs can only push all out by rounding; the lowest mean stays.
    out_RK[np.arange(len(out_RK)), np.where(np.isnan(means_RK), np.inf, means_RK).argmin(-1)] = (
        False
    )
    rivals = others & ~out_RK[:, None, :]
    beyond_RK = np.where(rivals, upper_RKK, -np.inf).max(-1, initial=-np.inf)
    return out_RK, np.minimum(worst_RK, 0.0), np.maximum(beyond_RK, 0.0), own


def _widened(pairs: PairStatistics, resolution: float) -> PairStatistics:
    """Return the pairs with the variance that one error's rounding to whole images adds.

    Student's t is not exact for differences of a few images: with two configurations, five seeds
    and a spread of half an image the best was out in 6% of cases instead of 5%.
    """
    return replace(pairs, variance=pairs.variance + resolution**2 / 12)


def values_as_good(
    values: Sequence[float],
    errors: ArrayLike,
    *,
    margin: float = 0.0,
    level: float = 0.95,
    name: str = "value",
    resolution: float = RESOLUTION,
) -> GoodValues:
    """Return the ranges of a numeric factor that do as well as its best value.

    A range runs over neighbouring tested values and says nothing of what lies between two of them
    beyond that both ends do.

    Args:
        values: of the factor, one per row, without repeats.
        errors: shape (values, seeds), in percent; NaN for what is missing.
        margin: points that count as no worse, for `shown_as_good`.
        level: of the whole statement.
        name: of the factor, for the sentence.
        resolution: as in `best_set`.
    """
    if len(set(values)) < len(values):
        raise ValueError(f"a value of {name} occurs twice: {sorted(values)}")
    found = best_set(errors, level=level, resolution=resolution)
    order = np.argsort(values)
    may_be = [row in found.members for row in order]
    shown = [found.high[row] <= margin for row in order]
    ordered = [float(values[row]) for row in order]
    ranges = _ranges(ordered, may_be)
    good = _ranges(ordered, shown) if margin > 0 else ()
    return GoodValues(ranges, good, margin, _sentence(ranges, good, len(values), margin, name))


def range_sentence(values: Sequence[float], may_be_best: Sequence[bool], name: str) -> str:
    """Return which values of a numeric factor may be the best, as ranges of neighbours.

    Args:
        values: of the factor, without repeats.
        may_be_best: for each, whether it is in the set.
        name: of the factor.
    """
    order = np.argsort(values)
    ordered = [float(values[row]) for row in order]
    ranges = _ranges(ordered, [may_be_best[row] for row in order])
    return _sentence(ranges, (), len(values), 0.0, name)


def _ranges(ordered: Sequence[float], flags: Sequence[bool]) -> tuple[ValueRange, ...]:
    runs: list[list[float]] = []
    open_run = False
    for value, flag in zip(ordered, flags, strict=True):
        if flag and open_run:
            runs[-1].append(value)
        elif flag:
            runs.append([value])
        open_run = flag
    return tuple(ValueRange(run[0], run[-1], tuple(run)) for run in runs)


def _sentence(
    may_be: Sequence[ValueRange],
    shown: Sequence[ValueRange],
    tested: int,
    margin: float,
    name: str,
) -> str:
    kept = sum(len(run.values) for run in may_be)
    others = "other value is" if tested - kept == 1 else f"other {tested - kept} values are"
    if kept == tested:
        text = f"None of the {tested} values of {name} is told apart from the best."
    elif kept == 1:
        value = f"{name} = {may_be[0].low:g}"
        text = f"{value} is the best of {tested} tested; the {others} shown to be worse."
    else:
        text = (
            f"Any tested {name} {_spoken(may_be)} may be the best; the {others} shown to be worse."
        )
    if shown:
        text += f" Any tested {name} {_spoken(shown)} costs at most {margin:g} points against the"
        text += " best."
    return text


def _spoken(ranges: Sequence[ValueRange]) -> str:
    parts = [f"{r.low:g}" if r.low == r.high else f"from {r.low:g} to {r.high:g}" for r in ranges]
    return " or ".join(parts)


def _means(errors: Floats) -> Floats:
    held = np.isfinite(errors)
    with np.errstate(invalid="ignore"):
        counts = np.where(held.any(-1), held.sum(-1), np.nan)
        means: Floats = np.where(held, errors, 0.0).sum(-1) / counts
    return means
