"""Does a cell of ours reproduce the paper's? The rule, its margin and what it would take to decide.

The paper gives mean ± standard deviation of five runs, ours has one value per seed, and the two
share no seed. So the difference d = ours − paper is judged by Welch's interval, the standard error
√(s²/n + s_p²/5) with Satterthwaite's degrees of freedom, against a margin fixed in advance:

    margin = max(2·s_p, 2% of the paper's error, 0.1 points)

Two standard deviations of the paper's own runs: nobody who repeats a single run of the paper can
expect to come closer. The other two are for cells whose printed spread is next to nothing (2.80 ±
0.02), where five runs have underestimated it: 2% of the error is no more than the differences that
the paper builds on (19.38 against 19.77), 0.1 points are ten images of a test set of 10,000.

- **reproduced**: the 90% interval of d lies within ± margin. These are the two one-sided tests of
  equivalence at 5% (Schuirmann 1987): a difference as large as the margin is ruled out.
- **not reproduced**: |d| is beyond the margin and the 95% interval of d excludes 0.
- **underpowered**: neither. It comes with the smallest number of seeds that would decide if mean
  and spread stayed as they are, or with the statement that none would, since the paper's own five
  runs leave too wide an interval.
- **failed**: a seed has diverged or failed for good. A mean over the survivors would flatter.
- **incomplete**: a seed has no full-length result yet (not run, running, or stopped early).
- **not compared**: another setting than the paper's, for example the scale `quick`.

One seed has no spread; the paper's is taken for it in the count of seeds, and the verdict is
`underpowered`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from analysis.statistics.published import PublishedCell
from analysis.statistics.summary import summarise_seeds, t_quantile

MARGIN_SDS = 2.0
"""The margin in standard deviations of the paper's runs."""
MARGIN_SHARE = 0.02
"""The smallest margin, as a share of the paper's error."""
MARGIN_POINTS = 0.1
"""The smallest margin, in points of percent."""
EQUIVALENCE_LEVEL = 0.90
"""Two one-sided tests at 5% are an interval of 90%."""
DIFFERENCE_LEVEL = 0.95
MOST_SEEDS = 1000
"""More seeds than this are reported as none."""


class Verdict(StrEnum):
    """What may be said of one cell."""

    REPRODUCED = "reproduced"
    NOT_REPRODUCED = "not reproduced"
    UNDERPOWERED = "underpowered"
    FAILED = "failed"
    INCOMPLETE = "incomplete"
    NOT_COMPARED = "not compared"


MARKS = {
    Verdict.REPRODUCED: "=",
    Verdict.NOT_REPRODUCED: "≠",
    Verdict.UNDERPOWERED: "?",
    Verdict.FAILED: "!",
    Verdict.INCOMPLETE: "…",
    Verdict.NOT_COMPARED: "",
}
"""One sign per verdict, for tables without room."""


@dataclass(frozen=True)
class CellJudgement:
    """A verdict and the numbers it rests on; NaN where there are none."""

    verdict: Verdict
    reason: str
    """One sentence."""
    n: int = 0
    difference: float = float("nan")
    """Ours − paper, in points of percent; below 0 means that ours errs less."""
    low: float = float("nan")
    high: float = float("nan")
    """The 95% interval of the difference."""
    margin: float = float("nan")
    more_seeds: int | None = None
    """How many further seeds would decide, for an underpowered cell; None if none would."""
    outlook: str = ""
    """The same in words; empty for a cell that is decided."""


def judge_cell(
    values: Sequence[float],
    published: PublishedCell,
    *,
    planned: int | None = None,
    failed: int = 0,
    comparable: bool = True,
) -> CellJudgement:
    """Return the verdict on one cell.

    Args:
        values: our test errors in percent of the seeds that ran in full.
        published: the paper's cell.
        planned: the number of seeds that the study asks for; None takes those that there are.
        failed: the number of seeds that diverged or failed for good.
        comparable: whether the setting is the paper's.
    """
    n = len(values)
    planned = max(n + failed, planned or 0)
    if not comparable:
        return CellJudgement(Verdict.NOT_COMPARED, "not the paper's setting", n)
    if failed:
        reason = f"{failed} of {planned} seeds diverged or failed"
        return CellJudgement(Verdict.FAILED, reason, n)
    if n == 0 or n < planned:
        wanted = f" of {planned}" if planned else ""
        return CellJudgement(Verdict.INCOMPLETE, f"{n}{wanted} seeds have run in full", n)
    return _judge_complete(values, published)


def equivalence_margin(published: PublishedCell) -> float:
    """Return the largest difference that counts as the same, in points of percent."""
    return max(MARGIN_SDS * published.sd, MARGIN_SHARE * published.mean, MARGIN_POINTS)


def welch_interval(
    difference: float, sd: float, n: int, published: PublishedCell, level: float
) -> tuple[float, float]:
    """Return Welch's interval of a difference between n runs of ours and the paper's."""
    ours, theirs = sd**2 / n, published.sd**2 / published.runs
    if ours + theirs == 0:
        return difference, difference
    # Satterthwaite; a group of one, its spread assumed, adds no degree of freedom.
    df = (ours + theirs) ** 2 / (ours**2 / max(n - 1, 1) + theirs**2 / (published.runs - 1))
    half = t_quantile(df, 0.5 + level / 2) * float(np.sqrt(ours + theirs))
    return difference - half, difference + half


def _judge_complete(values: Sequence[float], published: PublishedCell) -> CellJudgement:
    summary = summarise_seeds(values)
    n, difference = summary.n, summary.mean - published.mean
    sd = summary.sd if n > 1 else published.sd
    limit = equivalence_margin(published)
    low, high = welch_interval(difference, sd, n, published, DIFFERENCE_LEVEL)
    verdict = _decide_verdict(difference, sd, n, published) if n > 1 else Verdict.UNDERPOWERED
    more = _more_seeds(difference, sd, n, published) if verdict is Verdict.UNDERPOWERED else None
    seen = f"difference {difference:+.2f} [{low:+.2f}, {high:+.2f}], margin ±{limit:.2f}"
    outlook = _outlook_text(more) if verdict is Verdict.UNDERPOWERED else ""
    return CellJudgement(
        verdict=verdict,
        reason=f"{seen}; {outlook}" if outlook else seen,
        n=n,
        difference=difference,
        low=low if n > 1 else float("nan"),
        high=high if n > 1 else float("nan"),
        margin=limit,
        more_seeds=more,
        outlook=outlook,
    )


def _decide_verdict(difference: float, sd: float, n: int, published: PublishedCell) -> Verdict:
    limit = equivalence_margin(published)
    low, high = welch_interval(difference, sd, n, published, EQUIVALENCE_LEVEL)
    if -limit <= low and high <= limit:
        return Verdict.REPRODUCED
    low, high = welch_interval(difference, sd, n, published, DIFFERENCE_LEVEL)
    if abs(difference) > limit and not low <= 0 <= high:
        return Verdict.NOT_REPRODUCED
    return Verdict.UNDERPOWERED


def _more_seeds(difference: float, sd: float, n: int, published: PublishedCell) -> int | None:
    for more in range(1, MOST_SEEDS + 1):
        if _decide_verdict(difference, sd, n + more, published) is not Verdict.UNDERPOWERED:
            return more
    return None


def _outlook_text(more: int | None) -> str:
    if more is None:
        return "no number of seeds would decide, the paper's own runs are too few"
    return f"{more} more seed{'s' if more > 1 else ''} would decide at this spread"
