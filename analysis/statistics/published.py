"""One cell of ours against published numbers: mean ± standard deviation of a few runs.

The two share no seed, so the difference ours − published is judged by Welch's t with
Satterthwaite's degrees of freedom, against a margin fixed in advance. The difference counts as
within the margin by two one-sided tests at 5% (Schuirmann 1987), as beyond it where one such test
shows that, so neither is said wrongly in more than 5% of cases.

The margin is two standard deviations of the published runs, at least 2% of the error and .1 points,
and at most `MOST_POINTS` and half of the distance between the best and the worst method of the row:
with more than that, a cell would be as equivalent to the best method as to the worst.

Some papers publish no spread. Their runs are then taken to spread as ours do: the standard error is
ours over both numbers of runs, with our degrees of freedom, and the margin's first part falls away.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from analysis.statistics.claims import LEVEL, ClaimVerdict
from analysis.statistics.intervals import possible_difference
from analysis.statistics.pairs import Booleans, Floats
from analysis.statistics.prediction import SeedOutlook, seeds_to_decide

MARGIN_SDS = 2.0
MARGIN_SHARE = 0.02
MARGIN_POINTS = 0.1
MOST_POINTS = 2.0
"""No margin is wider, in points. The differences that the paper's tables build on are below it."""


@dataclass(frozen=True)
class PublishedCell:
    """Errors in percent over published runs."""

    mean: float
    sd: float
    """NaN where none is published."""
    runs: int = 5


@dataclass(frozen=True)
class CellMargin:
    """The largest difference that counts as the same, in points of percent."""

    points: float
    uncapped: float
    """What it would be without a cap."""

    @property
    def caution(self) -> str:
        """Say that the margin is capped, else nothing."""
        if self.points >= self.uncapped:
            return ""
        return (
            f"the margin is capped at ±{self.points:.2f} points; "
            f"two standard deviations of the published runs would accept ±{self.uncapped:.2f}"
        )


@dataclass(frozen=True)
class CellEquivalence:
    """The verdict on "our cell equals the published one, within the margin"."""

    verdict: ClaimVerdict
    n: int
    difference: float
    """Ours − published, in points."""
    low: float
    high: float
    """The 90% interval, that of the two one-sided tests; NaN below two seeds."""
    margin: CellMargin
    outlook: SeedOutlook | None
    """What would decide it; None where it is decided."""


def equivalence_margin(published: PublishedCell, row: Sequence[float] = ()) -> CellMargin:
    """Return the margin of a cell.

    Args:
        published: the cell.
        row: the published means of all methods of its row, itself among them.
    """
    least = max(MARGIN_SHARE * published.mean, MARGIN_POINTS)
    known = not np.isnan(published.sd)
    wanted = max(MARGIN_SDS * published.sd, least) if known else least
    cap = MOST_POINTS
    if len(row) > 1:
        cap = min(cap, (max(row) - min(row)) / 2)
    return CellMargin(min(wanted, max(cap, min(least, MOST_POINTS))), wanted)


def judge_cell(
    errors: ArrayLike,
    published: PublishedCell,
    margin: CellMargin,
    *,
    level: float = LEVEL,
    forecast: bool = True,
) -> CellEquivalence:
    """Return the verdict on one cell.

    Args:
        errors: ours in percent, one per seed, all finite.
        published: the published cell.
        margin: as from `equivalence_margin`.
        level: of each one-sided test.
        forecast: whether to say what would decide an undecided cell.
    """
    values = np.asarray(errors, dtype=np.float64).ravel()
    n = len(values)
    mean = float(values.mean()) - published.mean if n else float("nan")
    if n < 2:
        outlook = SeedOutlook(None, np.nan, "two seeds are needed before a forecast can be made")
        return CellEquivalence(ClaimVerdict.UNDECIDED, n, mean, np.nan, np.nan, margin, outlook)
    sd = float(values.std(ddof=1))
    half = float(welch_half_width(np.array([sd]), n, published, level)[0])
    low, high = possible_difference(
        mean - half, mean + half, least=-published.mean, most=100 - published.mean
    )
    verdict = ClaimVerdict.UNDECIDED
    if abs(mean) + half <= margin.points:
        verdict = ClaimVerdict.SUPPORTED
    elif abs(mean) - half > margin.points:
        verdict = ClaimVerdict.CONTRADICTED

    def decided(means: Floats, sds: Floats, total: int) -> Booleans:
        reach = welch_half_width(sds, total, published, level)
        inside = np.abs(means) + reach <= margin.points
        return np.asarray(inside | (np.abs(means) - reach > margin.points), dtype=bool)

    open_now = forecast and verdict is ClaimVerdict.UNDECIDED
    return CellEquivalence(
        verdict=verdict,
        n=n,
        difference=mean,
        low=low,
        high=high,
        margin=margin,
        outlook=seeds_to_decide(mean, sd, n, decided) if open_now else None,
    )


def welch_half_width(sds: Floats, n: int, published: PublishedCell, level: float) -> Floats:
    """Return the distance from the difference to its one-sided bounds.

    Args:
        sds: sample standard deviations of ours.
        n: our seeds, at least two.
        published: the published cell.
        level: one-sided.
    """
    variance = np.asarray(sds, dtype=np.float64) ** 2
    if np.isnan(published.sd):
        half = special.stdtrit(n - 1, 1 - level) * np.sqrt(variance * (1 / n + 1 / published.runs))
        return np.asarray(half, dtype=np.float64)
    ours = variance / n
    theirs = published.sd**2 / published.runs
    total = ours + theirs
    spread = ours**2 / (n - 1) + theirs**2 / max(published.runs - 1, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        df = np.where(spread > 0, total**2 / spread, np.inf)
    quantile = np.where(
        np.isfinite(df),
        special.stdtrit(np.where(np.isfinite(df), df, 1.0), 1 - level),
        special.ndtri(1 - level),
    )
    return np.asarray(quantile * np.sqrt(total), dtype=np.float64)
