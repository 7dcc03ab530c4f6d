"""A judged claim in words and as a table: the answer to the question of a table study."""

from collections.abc import Iterator, Sequence
from math import isnan

from analysis.counted import count_text
from analysis.paper.methods import method_word
from analysis.paper.table_claims import JudgedClaim, JudgedRow
from analysis.paper.table_rows import PLAIN_MARGIN, ClaimKind
from analysis.statistics.claims import ClaimVerdict, RivalComparison
from analysis.statistics.prediction import MOST_SEEDS
from analysis.tables.display_names import number_text
from analysis.tables.paired import CORRECTED, p_text
from analysis.tables.printed import interval_text
from analysis.tables.rendering import TableCell, TableGrid

ADVICE = "what would decide"
"""The column on further seeds."""
SHOWN_ROWS = 3
"""Rows named in a sentence; the table has all."""
ANSWERS = {
    ClaimVerdict.SUPPORTED: "Yes",
    ClaimVerdict.CONTRADICTED: "No",
    ClaimVerdict.UNDECIDED: "Not decided",
}
FINDINGS = {
    ClaimVerdict.SUPPORTED: "Shown here",
    ClaimVerdict.CONTRADICTED: "Contradicted here",
    ClaimVerdict.UNDECIDED: "Not decided",
}
"""Where the study asks something else, or asks it of another setting."""


def claim_sentence(judged: JudgedClaim) -> str:
    """Return the answer: the verdict, the rows that carry it, and in which setting."""
    answers = judged.claim.is_the_question and all(row.row.comparable for row in judged.rows)
    opening = (ANSWERS if answers else FINDINGS)[judged.verdict]
    parts = [f"{opening}: {_finding(judged)}", *_further(judged)]
    return " ".join(parts)


def claims_grid(judged: JudgedClaim) -> TableGrid:
    """Return one row per comparison of the subject with a rival."""
    subject = method_word(judged.claim.subject)
    par = judged.claim.kind is ClaimKind.ON_PAR
    header = ["case", f"{subject} minus", "paper", "difference", "95% interval", "pairs", "p",
              CORRECTED, "errs less"]  # fmt: skip
    header += ["margin", "on par"] if par else []
    header += ["order shown", "paper's order", ADVICE]
    rows = [
        _comparison_row(row, comparison, judged, first=i == 0)
        for row in judged.rows
        for i, comparison in enumerate(
            c for c in row.judgement.rivals if judged_methods(judged)[c.rival] in row.row.errors
        )
    ]
    numeric = [False, False] + [True] * 6
    numeric += [False] + ([True, False] if par else []) + [False] * 3
    return TableGrid(
        title=f"The claim: {claim_text(judged)}",
        header=[("", name) for name in header],
        rows=rows,
        notes=list(_grid_notes(judged)),
        numeric=numeric,
        advice=[ADVICE],
    )


def claim_text(judged: JudgedClaim) -> str:
    """Return the claim itself: ``LaMix is on par with Mixup and CutMix or better``."""
    subject, rivals = method_word(judged.claim.subject), _rivals_text(judged)
    if judged.claim.kind is ClaimKind.ON_PAR:
        return f"{subject} is on par with {rivals}, or better"
    return f"{subject} errs less than {rivals}"


def judged_methods(judged: JudgedClaim) -> tuple[str, ...]:
    """Return the methods in the order of a judgement's rows."""
    return (judged.claim.subject, *judged.claim.rivals)


def _finding(judged: JudgedClaim) -> str:
    total = len(judged.rows)
    if judged.verdict is ClaimVerdict.SUPPORTED:
        where = f"in all {total} cases" if total > 1 else "in the one case"
        return f"{claim_text(judged)}, {where}."
    if judged.verdict is ClaimVerdict.CONTRADICTED:
        worse = [row for row in judged.rows if row.verdict is ClaimVerdict.CONTRADICTED]
        named = "; ".join(_worst_text(row, judged) for row in worse[:SHOWN_ROWS])
        more = f" and {len(worse) - SHOWN_ROWS} more" if len(worse) > SHOWN_ROWS else ""
        how = "by more than the margin " if judged.claim.kind is ClaimKind.ON_PAR else ""
        return (
            f"{method_word(judged.claim.subject)} errs more {how}in {len(worse)} of "
            f"{count_text(total, 'case')} ({named}{more})."
        )
    shown = judged.count(ClaimVerdict.SUPPORTED)
    return (
        f"that {claim_text(judged)}, is shown in {shown} of {count_text(total, 'case')} and "
        f"contradicted in none{outlook_text(judged)}."
    )


def _further(judged: JudgedClaim) -> Iterator[str]:
    if judged.claim.kind is ClaimKind.ON_PAR:
        better = sum(row.judgement.better is ClaimVerdict.SUPPORTED for row in judged.rows)
        yield f"It is shown to err less than every rival in {better} of {len(judged.rows)}."
        yield f"On par means less than {margins_text(judged)}."
    if absent := _missing_rivals(judged):
        yield f"No trial of {_listed(absent)} has finished: without them nothing is decided."
    if judged.lost:
        yield _lost_text(judged.lost)
    if judged.unfinished:
        subject, verb = method_word(judged.claim.subject), _has(judged.unfinished)
        yield (
            f"{count_text(judged.unfinished, 'more case')} {verb} no finished seed of {subject} or "
            "of any rival."
        )
    if judged.missing:
        yield f"{count_text(judged.missing, 'case')} of the paper {_has(judged.missing)} not run."
    if other := sum(not row.row.comparable for row in judged.rows):
        where, what = "The", "this"
        if other < len(judged.rows):
            where, what = f"In {other} of {len(judged.rows)} cases the", "such a case"
        says_nothing = f"{what} says nothing of its claim or its numbers"
        yield f"{where} setting is not the paper's: {says_nothing}."


def _has(count: int) -> str:
    return "has" if count == 1 else "have"


def _lost_text(lost: Sequence[int]) -> str:
    """Return how many seeds were lost, and that their cases are open."""
    whose = "its" if sum(lost) == 1 else "their"
    cases = "case stays" if len(lost) == 1 else f"{len(lost)} cases stay"
    return f"{count_text(sum(lost), 'seed')} diverged or failed: {whose} {cases} undecided."


def outlook_text(judged: JudgedClaim) -> str:
    """Return what would decide the case that is furthest from it, where seeds are known to."""
    outlooks = [row.judgement.outlook for row in judged.rows if row.judgement.outlook]
    known = [o for o in outlooks if o.more is not None]
    open_after = [o.probability for o in outlooks if o.more is None and not isnan(o.probability)]
    if not outlooks:
        return ""
    if open_after:
        most = "at most " if len(open_after) > 1 else ""
        return (
            f"; in {len(open_after)} even {MOST_SEEDS} more seeds would decide with a probability "
            f"of {most}{max(open_after):.2f}"
        )
    if len(known) < len(outlooks):
        return f"; in {len(outlooks) - len(known)} fewer than two seeds forecast nothing"
    worst = max(known, key=lambda o: o.more or 0)
    return f"; for the hardest case {worst.sentence}"


def _worst_text(row: JudgedRow, judged: JudgedClaim) -> str:
    worst = max(row.judgement.rivals, key=lambda c: c.mean if c.n else float("-inf"))
    rival = method_word(judged_methods(judged)[worst.rival])
    return (
        f"{row.row.label}: {worst.mean:+.2f} points against {rival} "
        f"{interval_text(worst.low, worst.high)}"
    )


def margins_text(judged: JudgedClaim) -> str:
    """Return what counts as on par: ``0.52 points more``, or a range by case."""
    margins = sorted({round(row.judgement.margin, 2) for row in judged.rows})
    ends = [number_text(margins[0]), number_text(margins[-1])]
    if len(margins) == 1:
        return f"{ends[0]} points more"
    return f"{ends[0]} to {ends[1]} points more, by case"


def _rivals_text(judged: JudgedClaim) -> str:
    return _listed([method_word(rival) for rival in judged.claim.rivals])


def _missing_rivals(judged: JudgedClaim) -> list[str]:
    """Return the rivals of which no row has a finished seed."""
    return [
        method_word(rival)
        for rival in judged.claim.rivals
        if not any(len(row.row.errors.get(rival, ())) for row in judged.rows)
    ]


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _comparison_row(
    row: JudgedRow, comparison: RivalComparison, judged: JudgedClaim, *, first: bool
) -> list[TableCell]:
    methods = judged_methods(judged)
    means = row.row.published
    known = methods[0] in means and methods[comparison.rival] in means
    said = means[methods[0]] - means[methods[comparison.rival]] if known else float("nan")
    texts = [
        row.row.label,
        method_word(methods[comparison.rival]),
        number_text(said),
        number_text(comparison.mean),
        interval_text(comparison.low, comparison.high),
        str(comparison.n),
        p_text(comparison.p),
        p_text(comparison.holm_p),
        str(comparison.better),
    ]
    if judged.claim.kind is ClaimKind.ON_PAR:
        texts += [number_text(row.judgement.margin), str(comparison.on_par)]
    outlook = row.judgement.outlook
    texts += [
        row.order if first else "",
        str(row.published_order) if first and row.published_order else "",
        outlook.sentence if first and outlook else "",
    ]
    return [TableCell(text) for text in texts]


def _grid_notes(judged: JudgedClaim) -> Iterator[str]:
    yield (
        "Differences of the test error in points, paired by seed; below 0 the first errs less. "
        "Each interval holds by itself with 95%; p is the paired t's, two-sided, and corrected by "
        "Holm over all comparisons of the table. The order of two methods is shown at 5% over the "
        "pairs of its case."
    )
    if judged.looks:
        yield (
            "Intervals, p and verdicts allow for looks at "
            f"{', '.join(map(str, judged.looks))} seeds."
        )
    if judged.claim.kind is ClaimKind.ON_PAR:
        yield (
            "On par: the difference is shown to be below the margin, one-sided at 5%, corrected "
            "likewise. The margin is that of the best rival's published cell, or "
            f"{PLAIN_MARGIN} points where the paper has no such case."
        )
