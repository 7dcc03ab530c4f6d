"""One verdict per claim of a paper's table: supported, contradicted or undecided.

A row of a table compares one method, the *subject* (LaMix), with its rivals on the same seeds. For
each rival the difference subject − rival is taken seed by seed; below 0 the subject errs less.

- *better*: the difference is below 0. Supported or contradicted by two-sided paired t, Holm over
  all comparisons of the whole table.
- *on par*: the difference is below the margin (non-inferiority). Supported by the one-sided paired
  t at 5% against the margin, contradicted where the difference is shown to exceed it; each
  direction Holm over the whole table.
- *order*: each pair of methods of the row, two-sided, Holm over the pairs of the row.

A row's claim is supported when it is so against every rival, contradicted when it is so against
any. `judge_cell` judges one cell against published numbers, with which no seed is shared: the
difference by Welch's t, *reproduced* by equivalence within the margin (two one-sided tests), *not
reproduced* where it is shown to lie beyond the margin. So a true difference that lies within the
margin, or beyond it, is contradicted in at most 5% of cases.

What is undecided says how many further seeds would decide, and with which probability.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from analysis.statistics.differences import (
    DifferencesAtLooks,
    PairedDifferences,
    differences_from_subject,
)
from analysis.statistics.intervals import possible_difference
from analysis.statistics.looks import looks_taken
from analysis.statistics.p_values import holm_adjusted, one_sided_p
from analysis.statistics.pairs import RESOLUTION, Booleans, Floats, pair_statistics
from analysis.statistics.prediction import SeedOutlook, seeds_to_decide

LEVEL = 0.05


class ClaimVerdict(StrEnum):
    """What the seeds say of a claim."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class RivalComparison:
    """The subject minus one rival, in points of percent; NaN below two common seeds."""

    rival: int
    """Its row."""
    n: int
    """Seeds in common."""
    mean: float
    sd: float
    low: float
    high: float
    """The 95% interval of this difference alone, over all looks where there were several."""
    p: float
    """Two-sided, of no difference."""
    holm_p: float
    """The same, corrected over the whole table."""
    on_par_p: float
    """One-sided, of a difference at or above the margin, corrected over the whole table."""
    better: ClaimVerdict
    """Of "the subject errs less"."""
    on_par: ClaimVerdict
    """Of "the subject errs less than the margin more"."""


@dataclass(frozen=True)
class OrderedPair:
    """Two methods of a row whose order is shown."""

    first: int
    """The one that errs less."""
    second: int
    holm_p: float


@dataclass(frozen=True)
class RowJudgement:
    """All that a row's seeds say of the subject."""

    rivals: tuple[RivalComparison, ...]
    better: ClaimVerdict
    """Of "the subject errs less than every rival"."""
    on_par: ClaimVerdict
    """Of "the subject is on par with every rival, or better"."""
    order: tuple[OrderedPair, ...]
    """The orders of two methods that are shown."""
    margin: float
    outlook: SeedOutlook | None
    """What would decide `on_par` (without a margin, `better`) against the rival that is furthest
    from it; None where that is decided."""


def judge_table(
    rows: Sequence[ArrayLike],
    *,
    subject: int | Sequence[int],
    margin: float | Sequence[float] = 0.0,
    level: float = LEVEL,
    forecast: bool = True,
    resolution: float = RESOLUTION,
    looks: Sequence[int] = (),
) -> list[RowJudgement]:
    """Return the judgement of each row, corrected for all comparisons of the table.

    A study that was looked at before has had several chances to be misled: each p is then the
    smallest over the looks, each divided by the look's share of the level (see `looks`).

    Args:
        rows: one array (methods, seeds) of errors in percent per row; NaN for what is missing.
        subject: row of the subject in each array, or one for each.
        margin: points that still count as on par, or one for each; at 0 `on_par` is "no worse".
        level: probability that any difference is called that is none.
        forecast: whether to say what would decide the undecided (some milliseconds per rival).
        resolution: points of percent that one test image is worth (see `pairs`).
        looks: numbers of seeds, from the first, at which was looked.

    Raises:
        ValueError: a margin below 0.
    """
    arrays = [np.asarray(row, dtype=np.float64) for row in rows]
    subjects = [subject] * len(arrays) if isinstance(subject, int) else list(subject)
    margins = [float(margin)] * len(arrays) if np.isscalar(margin) else list(margin)  # type: ignore[arg-type]  # NumPy's question narrows no type
    if any(not m >= 0 for m in margins):
        raise ValueError(f"a margin is at least 0 points, but here is {min(margins)}")
    found = [
        differences_from_subject(a, s, resolution) for a, s in zip(arrays, subjects, strict=True)
    ]
    m = np.concatenate([np.full(len(f.rivals), x) for f, x in zip(found, margins, strict=True)])
    seeds = max((array.shape[1] for array in arrays), default=0)
    taken = looks_taken(looks, seeds)
    at_looks = DifferencesAtLooks.of_table(arrays, subjects, taken, resolution=resolution)
    below, above = at_looks.p_below, at_looks.p_above
    two_sided = np.minimum(2 * np.minimum(below(0.0), above(0.0)), 1.0)
    less = below(0.0) < above(0.0)
    holm = holm_adjusted(two_sided)
    inferior, par = holm_adjusted(above(m)), holm_adjusted(below(m))
    share = at_looks.shares[-1]
    judged, start = [], 0
    for array, differences, limit in zip(arrays, found, margins, strict=True):
        part = slice(start, start + len(differences.rivals))
        start = part.stop
        comparisons = tuple(
            _comparison(differences, i, two_sided[part][i], holm[part][i], par[part][i],
                        inferior[part][i], level, less=bool(less[part][i]), share=share)
            for i in range(len(differences.rivals))
        )  # fmt: skip
        judged.append(
            RowJudgement(
                rivals=comparisons,
                better=_all_of([c.better for c in comparisons]),
                on_par=_all_of([c.on_par for c in comparisons]),
                order=supported_order(array, level=level * share, resolution=resolution),
                margin=limit,
                outlook=_row_outlook(comparisons, limit, level * share / max(len(m), 1))
                if forecast
                else None,
            )
        )
    return judged


def supported_order(
    errors: ArrayLike, *, level: float = LEVEL, resolution: float = RESOLUTION
) -> tuple[OrderedPair, ...]:
    """Return the pairs of methods whose order is shown, Holm over all pairs.

    Args:
        errors: shape (methods, seeds), in percent; NaN for what is missing.
        level: probability that any order is called that is not so.
        resolution: as in `judge_table`.
    """
    pairs = pair_statistics(errors, resolution=resolution)
    index = list(combinations(range(len(pairs.n)), 2))
    if not index:
        return ()
    first, second = np.array(index).T
    above, below = pairs.p_above()[first, second], pairs.p_below()[first, second]
    holm = holm_adjusted(2 * np.minimum(above, below))
    return tuple(
        OrderedPair(*((a, b) if low < high else (b, a)), holm_p=float(p))
        for (a, b), p, low, high in zip(index, holm, below, above, strict=True)
        if p <= level
    )  # fmt: skip


def judge_order(errors: ArrayLike, claimed: Sequence[int], *, level: float = LEVEL) -> ClaimVerdict:
    """Return the verdict on a claimed order of methods.

    Args:
        errors: as for `supported_order`.
        claimed: rows, the best first; rows left out are not judged.
        level: as for `supported_order`.
    """
    array = np.asarray(errors, dtype=np.float64)[list(claimed)]
    shown = {(pair.first, pair.second) for pair in supported_order(array, level=level)}
    wanted = list(combinations(range(len(claimed)), 2))
    return _all_of(
        [
            ClaimVerdict.SUPPORTED
            if (a, b) in shown
            else ClaimVerdict.CONTRADICTED
            if (b, a) in shown
            else ClaimVerdict.UNDECIDED
            for a, b in wanted
        ]
    )


def _comparison(
    found: PairedDifferences,
    i: int,
    p: float,
    holm: float,
    par: float,
    inferior: float,
    level: float,
    *,
    less: bool,
    share: float,
) -> RivalComparison:
    n, mean, sd = int(found.n[i]), float(found.mean[i]), float(found.sd[i])
    half = special.stdtrit(n - 1, 1 - 0.025 * share) * sd / np.sqrt(n) if n > 1 else np.nan
    low, high = possible_difference(mean - half, mean + half)
    apart = bool(holm <= level)
    return RivalComparison(
        rival=found.rivals[i],
        n=n,
        mean=mean,
        sd=sd,
        low=low,
        high=high,
        p=float(p),
        holm_p=float(holm),
        on_par_p=float(par),
        better=_verdict(supported=apart and less, contradicted=apart and not less),
        on_par=_verdict(supported=bool(par <= level), contradicted=bool(inferior <= level)),
    )


def _verdict(*, supported: bool, contradicted: bool) -> ClaimVerdict:
    if supported:
        return ClaimVerdict.SUPPORTED
    return ClaimVerdict.CONTRADICTED if contradicted else ClaimVerdict.UNDECIDED


def _all_of(verdicts: Sequence[ClaimVerdict]) -> ClaimVerdict:
    if ClaimVerdict.CONTRADICTED in verdicts:
        return ClaimVerdict.CONTRADICTED
    every = bool(verdicts) and set(verdicts) == {ClaimVerdict.SUPPORTED}
    return ClaimVerdict.SUPPORTED if every else ClaimVerdict.UNDECIDED


def _row_outlook(
    comparisons: Sequence[RivalComparison], margin: float, level: float
) -> SeedOutlook | None:
    par = margin > 0
    if _all_of([c.on_par if par else c.better for c in comparisons]) != ClaimVerdict.UNDECIDED:
        return None
    open_ones = [
        c for c in comparisons if (c.on_par if par else c.better) is ClaimVerdict.UNDECIDED
    ]
    if not open_ones:
        return None

    def decided(means: Floats, sds: Floats, n: int) -> Booleans:
        # Every level is the table's divided by all comparisons: Holm can only decide earlier.
        each = level if par else level / 2
        below = one_sided_p(means - margin, sds, n) <= each
        return np.asarray(below | (one_sided_p(margin - means, sds, n) <= each), dtype=bool)

    outlooks = [seeds_to_decide(c.mean, c.sd, c.n, decided) for c in open_ones]
    return max(outlooks, key=lambda o: (o.more is None, o.more or 0, -o.probability))
