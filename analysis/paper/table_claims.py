"""What a table claims of a method, judged on our own trials, paired by seed.

A row sets a *subject* (LaMix) beside its rivals: trials that share all settings but the
regularizer's. The subject minus each rival has an interval; p is corrected by Holm over the whole
table (`analysis.statistics.claims`). A claim is that the subject is *on par* with every rival or
better, within a margin fixed in advance, or that it is *better* than every rival.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from analysis.paper.methods import method_word
from analysis.paper.table_rows import ClaimKind, MethodClaim, MethodRow
from analysis.statistics.claims import (
    LEVEL,
    ClaimVerdict,
    RowJudgement,
    judge_order,
    judge_table,
)
from analysis.statistics.looks import looks_taken, taken_shares


@dataclass(frozen=True)
class JudgedRow:
    """A row with what its seeds say."""

    row: MethodRow
    judgement: RowJudgement
    verdict: ClaimVerdict
    """Of the claim, undecided where a seed was lost."""
    order: str
    """The pairs whose order is shown, ``LaMix < Mixup``, by name."""
    published_order: ClaimVerdict | None
    """Of the published order of these methods; None where there is none."""


@dataclass(frozen=True)
class JudgedClaim:
    """A claim over all rows of a table."""

    claim: MethodClaim
    rows: tuple[JudgedRow, ...]
    verdict: ClaimVerdict
    missing: int
    """Published rows that have not run."""
    unfinished: int = 0
    """Rows that set the subject beside a rival, of which one has no finished seed."""
    lost: tuple[int, ...] = ()
    """For each row with lost seeds, how many of the claim's methods diverged or failed."""
    looks: tuple[int, ...] = ()
    """Numbers of seeds of several looks, which the verdicts allow for; else empty."""

    def count(self, verdict: ClaimVerdict) -> int:
        """Return how many rows have a verdict."""
        return sum(row.verdict is verdict for row in self.rows)


def judge_claim(
    rows: Sequence[MethodRow],
    claim: MethodClaim,
    *,
    expected: int = 0,
    forecast: bool = True,
    looks: Sequence[int] = (),
) -> JudgedClaim | None:
    """Return the verdict on a claim, or None where no row has the subject beside a rival.

    Args:
        rows: of the table.
        claim: of one method.
        expected: how many rows the claim speaks of; fewer rows can't support it.
        forecast: whether to say what would decide the undecided.
        looks: numbers of seeds at which the study was looked at.
    """
    asked = [row for row in rows if _sets_beside(row, claim)]
    rows = [row for row in asked if _has_results(row, claim)]
    if not rows:
        return None
    methods = (claim.subject, *claim.rivals)
    arrays = [_seed_matrix(row, methods) for row in rows]
    judgements = judge_table(
        arrays,
        subject=0,
        margin=[row.margin for row in rows] if claim.kind is ClaimKind.ON_PAR else 0.0,
        forecast=forecast,
        resolution=max(row.resolution for row in rows),
        looks=looks,
    )
    seeds = max(array.shape[1] for array in arrays)
    taken = looks_taken(looks, seeds)
    tests = sum(len(array) - 1 for array in arrays)
    level = LEVEL * taken_shares(taken, tests=tests)[-1]
    judged = tuple(
        JudgedRow(
            row,
            judgement,
            _row_verdict(row, judgement, claim),
            _order_text(judgement, methods),
            _order_verdict(row, array, methods, level=level),
        )
        for row, array, judgement in zip(rows, arrays, judgements, strict=True)
    )
    missing = max(expected - len(asked), 0)
    unfinished = len(asked) - len(judged)
    lost = [sum(row.lost.get(method, 0) for method in methods) for row in asked]
    return JudgedClaim(
        claim,
        judged,
        _claim_verdict(judged, missing + unfinished),
        missing,
        unfinished,
        tuple(filter(None, lost)),
        taken if len(taken) > 1 else (),
    )


def _sets_beside(row: MethodRow, claim: MethodClaim) -> bool:
    return claim.subject in row.errors and not set(claim.rivals).isdisjoint(row.errors)


def _has_results(row: MethodRow, claim: MethodClaim) -> bool:
    held = {method for method, values in row.errors.items() if len(values)}
    return claim.subject in held and bool(held & set(claim.rivals))


def _seed_matrix(row: MethodRow, methods: Sequence[str]) -> "np.ndarray[Any, Any]":
    seeds = sorted(
        {seed for method in methods if method in row.errors for seed in row.errors[method].index}
    )
    matrix = np.full((len(methods), max(len(seeds), 1)), np.nan)
    for i, method in enumerate(methods):
        if method in row.errors:
            matrix[i, : len(seeds)] = row.errors[method].reindex(seeds).to_numpy(dtype=float)
    return matrix


def _row_verdict(row: MethodRow, judgement: RowJudgement, claim: MethodClaim) -> ClaimVerdict:
    if any(row.lost.get(method) for method in (claim.subject, *claim.rivals)):
        return ClaimVerdict.UNDECIDED  # the survivors flatter their method
    return judgement.on_par if claim.kind is ClaimKind.ON_PAR else judgement.better


def _claim_verdict(rows: Sequence[JudgedRow], missing: int) -> ClaimVerdict:
    verdicts = {row.verdict for row in rows}
    if ClaimVerdict.CONTRADICTED in verdicts:
        return ClaimVerdict.CONTRADICTED
    every = verdicts == {ClaimVerdict.SUPPORTED} and not missing
    return ClaimVerdict.SUPPORTED if every else ClaimVerdict.UNDECIDED


def _order_text(judgement: RowJudgement, methods: Sequence[str]) -> str:
    return ", ".join(
        f"{method_word(methods[pair.first])} < {method_word(methods[pair.second])}"
        for pair in judgement.order
    )


def _order_verdict(
    row: MethodRow, array: "np.ndarray[Any, Any]", methods: Sequence[str], *, level: float
) -> ClaimVerdict | None:
    held = [i for i, method in enumerate(methods) if method in row.published]
    means = [row.published[methods[i]] for i in held]
    if len(held) < 2 or any(a == b for a, b in combinations(means, 2)):
        return None
    claimed = [held[i] for i in np.argsort(means, kind="stable")]
    return judge_order(array, claimed, level=level)
