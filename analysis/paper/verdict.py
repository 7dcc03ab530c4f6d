"""What may be said of one cell: the verdict, in a reader's words, and what it rests on.

The rule is `analysis.statistics.published`'s: the difference ours − published within a margin fixed
in advance, by two one-sided tests at 5%.

- **reproduced**: shown to lie within the margin.
- **not reproduced**: shown to lie beyond the margin.
- **underpowered**: neither. It comes with how many more seeds would decide, and how likely.
- **failed**: a seed has diverged or failed for good. A mean over the survivors would flatter.
- **incomplete**: a seed has no full-length result yet (not run, running, or stopped early).
- **not compared**: another setting than the published one; what differs is named.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from analysis.counted import agreeing, count_text
from analysis.statistics import published
from analysis.statistics.claims import LEVEL, ClaimVerdict
from analysis.statistics.looks import present_share
from analysis.statistics.published import CellMargin, PublishedCell


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
WORDS = {
    ClaimVerdict.SUPPORTED: Verdict.REPRODUCED,
    ClaimVerdict.CONTRADICTED: Verdict.NOT_REPRODUCED,
    ClaimVerdict.UNDECIDED: Verdict.UNDERPOWERED,
}


@dataclass(frozen=True)
class CellJudgement:
    """A verdict and the numbers it rests on; NaN where there are none."""

    verdict: Verdict
    reason: str
    """One sentence."""
    n: int = 0
    difference: float = float("nan")
    """Ours − published, in points of percent; below 0 means that ours errs less."""
    low: float = float("nan")
    high: float = float("nan")
    """The 90% interval of the difference, that of the two one-sided tests."""
    margin: float = float("nan")
    outlook: str = ""
    """How many more seeds would decide, and how likely; empty for a cell that is decided."""
    caution: str = ""
    """Where the margin is capped, that it is."""


def judge_values(
    values: Sequence[float],
    cell: PublishedCell,
    margin: CellMargin,
    *,
    planned: int | None = None,
    failed: int = 0,
    differing: str = "",
    looks: Sequence[int] = (),
) -> CellJudgement:
    """Return the verdict on one configuration of ours beside a published cell.

    Args:
        values: our errors in percent of the seeds that ran in full.
        cell: the published numbers.
        margin: as from `published.equivalence_margin`.
        planned: the number of seeds that the study asks for; None takes those that there are.
        failed: the number of seeds that diverged or failed for good.
        differing: how the setting differs from the published one, in words.
        looks: numbers of seeds at which the study was looked at.
    """
    n = len(values)
    planned = max(n + failed, planned or 0)
    if differing:
        return CellJudgement(Verdict.NOT_COMPARED, differing, n)
    if failed:
        reason = f"{failed} of {count_text(planned, 'seed')} diverged or failed"
        return CellJudgement(Verdict.FAILED, reason, n)
    if n == 0 or n < planned:
        ran = f"{n} of {count_text(planned, 'seed')}" if planned else count_text(n, "seed")
        said = f"{ran} {agreeing(n, 'has', 'have')} run in full"
        return CellJudgement(Verdict.INCOMPLETE, said, n)
    level = LEVEL * present_share(looks, n)
    found = published.judge_cell(values, cell, margin, level=level)
    outlook = found.outlook.sentence if found.outlook else ""
    seen = f"difference {found.difference:+.2f}"
    if n > 1:
        seen += f" [{found.low:+.2f}, {found.high:+.2f}]"
    seen += f", margin ±{margin.points:.2f}"
    return CellJudgement(
        verdict=WORDS[found.verdict],
        reason="; ".join(part for part in (seen, outlook, margin.caution) if part),
        n=n,
        difference=found.difference,
        low=found.low,
        high=found.high,
        margin=margin.points,
        outlook=outlook,
        caution=margin.caution,
    )
