"""What each part of a change contributes: designs of an ablation and the effects they show.

A part is off (as in `from`) or on (as in `to`). An effect is the error with the part minus the
error without it, in points of percent: below 0 the part helps. It is a contrast of configurations,
taken seed by seed, so its interval is Student's t over the seeds. In a factorial or a fraction each
contrast weighs all configurations alike, so all have one variance, however unequally the
configurations spread, and it is pooled; in the other designs an effect is a pair of configurations,
and the pairs' variances are drawn towards each other (see `pairs`).

Designs, for k parts (Box, Hunter and Hunter 2005, chapters 5 and 6):

- `one_out`: all parts on, and each alone off: k + 1 configurations;
- `one_in`: all parts off, and each alone on: k + 1;
- `path`: parts go on one after the other, in the order given: k + 1. An effect depends on it;
- `factorial`: all 2^k. Every effect is an average over the other parts, and two parts' interaction
  is half of the difference that one makes to the effect of the other;
- `fraction`: a regular 2^(k − p) fraction of highest resolution, all parts on among its
  configurations. Some effects cannot be told from others; each names those it is aliased with.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from analysis.statistics.intervals import possible_difference
from analysis.statistics.p_values import holm_adjusted
from analysis.statistics.pairs import PRIOR_DF, RESOLUTION, Floats

Design = Literal["one_out", "one_in", "path", "factorial", "fraction"]
Term = tuple[str, ...]
"""One part, or the two of an interaction."""
MOST_PARTS = 10


class DesignError(ValueError):
    """Parts from which no such design can be made."""


@dataclass(frozen=True)
class PartEffect:
    """What a part, or the interaction of two, does to the error, in points of percent."""

    term: Term
    estimate: float
    low: float
    high: float
    """Ends of the interval; NaN below two seeds."""
    p: float
    """Two-sided, of no effect."""
    holm_p: float
    """Corrected over all effects of the design."""
    seeds: int
    """Seeds that every configuration of the contrast has."""
    aliases: tuple[Term, ...]
    """Effects of one or two parts that the estimate contains as well."""
    points: tuple[int, ...]
    """Rows of the design whose configurations the estimate is made of."""


def design_points(
    parts: Sequence[str], design: Design, *, halvings: int = 1
) -> list[dict[str, bool]]:
    """Return the configurations of a design: for each, which parts are on.

    Args:
        parts: names, without repeats.
        design: which design.
        halvings: p of the fraction 2^(k − p).

    Raises:
        DesignError: parts that repeat, too few or too many, or a fraction that is too small.
    """
    _check_parts(parts, design, halvings)
    rows: list[tuple[bool, ...]]
    k = len(parts)
    if design == "one_out":
        rows = [(True,) * k, *(tuple(i != out for i in range(k)) for out in range(k))]
    elif design == "one_in":
        rows = [(False,) * k, *(tuple(i == on for i in range(k)) for on in range(k))]
    elif design == "path":
        rows = [tuple(i < on for i in range(k)) for on in range(k + 1)]
    elif design == "factorial":
        rows = list(product((False, True), repeat=k))
    else:
        rows = _fraction_rows(k, halvings)
    return [dict(zip(parts, row, strict=True)) for row in rows]


def part_effects(
    points: Sequence[Mapping[str, bool]],
    errors: ArrayLike,
    design: Design,
    *,
    level: float = 0.95,
    resolution: float = RESOLUTION,
) -> tuple[PartEffect, ...]:
    """Return the effects that a design's errors show: parts first, interactions after them.

    Args:
        points: as from `design_points`, in its order.
        errors: shape (points, seeds), in percent; NaN for what is missing.
        design: the design that the points are of.
        level: of each interval.
        resolution: points of percent that one test image is worth (see `pairs`).
    """
    array = np.asarray(errors, dtype=np.float64)
    parts = tuple(points[0])
    signs = np.array([[1.0 if point[part] else -1.0 for part in parts] for point in points])
    terms, contrasts, aliases = _contrasts(parts, signs, design)
    seeds, means, variances = _over_seeds(contrasts, array)
    # Seeds whose differences are equal to the image would prove anything.
    variances = np.maximum(variances, resolution**2 / 12 * (contrasts**2).sum(-1))
    df = np.where(seeds > 1, seeds - 1, np.nan)
    variances, df = shared_variance(variances, df, whole=design in ("factorial", "fraction"))
    error = np.sqrt(variances / seeds)
    half = special.stdtrit(df, 0.5 + level / 2) * error
    t = np.divide(-np.abs(means), error, out=np.full_like(means, -np.inf), where=error > 0)
    p = np.where(np.isnan(df), np.nan, np.where(means == 0, 1.0, 2 * special.stdtr(df, t)))
    return tuple(
        PartEffect(
            term,
            float(m),
            *possible_difference(m - h, m + h),
            float(q),
            float(c),
            int(n),
            alias,
            tuple(map(int, np.flatnonzero(contrast))),
        )
        for term, m, h, q, c, n, alias, contrast in zip(
            terms, means, half, p, holm_adjusted(p), seeds, aliases, contrasts, strict=True
        )
    )


def _contrasts(
    parts: Sequence[str], signs: Floats, design: Design
) -> tuple[list[Term], Floats, list[tuple[Term, ...]]]:
    k = len(parts)
    if design in ("one_out", "one_in", "path"):
        rows = np.zeros((k, len(signs)))
        for i in range(k):
            with_part = {"one_out": 0, "one_in": i + 1, "path": i + 1}[design]
            without = {"one_out": i + 1, "one_in": 0, "path": i}[design]
            rows[i, with_part], rows[i, without] = 1.0, -1.0
        return [(part,) for part in parts], rows, [()] * k
    terms: list[Term] = [(part,) for part in parts]
    terms += list(combinations(parts, 2))
    columns = {term: np.prod([signs[:, parts.index(p)] for p in term], axis=0) for term in terms}
    kept: list[Term] = []
    aliases: list[tuple[Term, ...]] = []
    for term in terms:
        same = [t for t in terms if t != term and abs(columns[t] @ columns[term]) == len(signs)]
        if len(term) == 1 or not any(t in kept for t in same):
            kept.append(term)
            aliases.append(tuple(same))
    return kept, np.array([columns[t] for t in kept]) / (len(signs) / 2), aliases


def _over_seeds(contrasts: Floats, array: Floats) -> tuple[Floats, Floats, Floats]:
    """Return seeds, mean and variance of each contrast, over the seeds its configurations share."""
    used = contrasts != 0
    missing = used.astype(float) @ ~np.isfinite(array)
    held = missing == 0
    values = np.where(held, contrasts @ np.where(np.isfinite(array), array, 0.0), 0.0)
    seeds = held.sum(-1).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        means = np.where(seeds > 0, values.sum(-1) / seeds, np.nan)
        squares = np.where(held, (values - means[:, None]) ** 2, 0.0).sum(-1)
        return seeds, means, np.where(seeds > 1, squares / (seeds - 1), np.nan)


def shared_variance(variances: Floats, df: Floats, *, whole: bool) -> tuple[Floats, Floats]:
    """Return variances and degrees of freedom: pooled as a whole, or drawn towards the pool.

    Args:
        variances: of effects; NaN for what is not known.
        df: the degrees of freedom of each.
        whole: whether all have one variance.
    """
    known = np.isfinite(variances)
    if known.sum() < 2:
        return variances, df
    total = float(df[known].sum())
    prior = float((df[known] * variances[known]).sum() / total)
    if whole:
        return np.where(known, prior, np.nan), np.where(known, total, np.nan)
    borrowed = min(PRIOR_DF, float((known.sum() - 1) * df[known].mean()))
    return (borrowed * prior + df * variances) / (borrowed + df), df + borrowed


def _fraction_rows(k: int, halvings: int) -> list[tuple[bool, ...]]:
    base = k - halvings
    words = [word for size in range(2, base + 1) for word in combinations(range(base), size)]
    chosen = max(combinations(words, halvings), key=lambda picked: _merit(picked, base))
    rows = []
    for signs in product((-1, 1), repeat=base):
        # With plus signs throughout, all parts on stays in the fraction.
        added = [int(np.prod([signs[i] for i in word])) for word in chosen]
        rows.append(tuple(sign > 0 for sign in (*signs, *added)))
    return rows


def _merit(picked: Sequence[tuple[int, ...]], base: int) -> tuple[int, ...]:
    """Return how long the words of the defining relation are: the shortest, then how few of it."""
    generators = [frozenset(word) | {base + i} for i, word in enumerate(picked)]
    lengths = []
    for size in range(1, len(generators) + 1):
        for some in combinations(generators, size):
            word: frozenset[int] = frozenset()
            for generator in some:
                word = word ^ generator
            lengths.append(len(word))
    shortest = min(lengths)
    return shortest, -lengths.count(shortest), sum(lengths)


def _check_parts(parts: Sequence[str], design: Design, halvings: int) -> None:
    if len(set(parts)) < len(parts):
        raise DesignError(f"a part occurs twice: {list(parts)}")
    if not parts:
        raise DesignError("an ablation needs at least one part")
    if design in ("factorial", "fraction") and len(parts) > MOST_PARTS:
        raise DesignError(f"a {design} takes at most {MOST_PARTS} parts, but here are {len(parts)}")
    if design != "fraction":
        return
    base = len(parts) - halvings
    if halvings < 1 or base < 2 or 2**base - base - 1 < halvings:
        raise DesignError(
            f"no 2^({len(parts)} − {halvings}) fraction keeps the parts apart: "
            "three parts can be halved once, five twice"
        )
