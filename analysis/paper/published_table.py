"""A published table that a study brings along (`claims: FILE.csv`), with ours beside it.

The verdicts are those of the paper's own tables. A cell's configurations are those that have its
data set, its network and the settings of its column `match`; the file vouches for the rest.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.paper.cells import TableLayout
from analysis.paper.claims_file import PublishedRow
from analysis.paper.reproduction import ComparedCell, WantedCell, compared_cell, first_trials
from analysis.paper.table_claims import JudgedClaim, judge_claim
from analysis.paper.table_rows import PLAIN_MARGIN, ClaimKind, MethodClaim, MethodRow
from analysis.record.names import CONFIGURATION, DATASET_NAME, NETWORK_NAME, OUTCOME
from analysis.statistics.pairs import RESOLUTION
from analysis.statistics.published import CellMargin, PublishedCell, equivalence_margin
from analysis.tables.configurations import LOST, hashable_value
from analysis.tables.display_names import display_name
from analysis.tables.seed_values import by_seed
from analysis.tables.test_images import image_share


def layout_of(rows: Sequence[PublishedRow]) -> TableLayout:
    """Return how the table is printed: a line for each data set and network."""
    return TableLayout(f"Published: {sources_of(rows)}", ("dataset", "network"), "method")


def sources_of(rows: Sequence[PublishedRow]) -> str:
    """Return where the numbers are from."""
    return ", ".join(dict.fromkeys(row.source for row in rows))


def compare_rows(
    frame: pd.DataFrame,
    rows: Sequence[PublishedRow],
    *,
    seeds: int | None = None,
    looks: Sequence[int] = (),
) -> list[ComparedCell]:
    """Return each published cell with all configurations of ours that match it.

    Args:
        frame: the study's trials at one scale.
        rows: of the file.
        seeds: how many a cell is to have; None takes those that there are.
        looks: numbers of seeds at which the study was looked at.
    """
    return [
        compared_cell(
            WantedCell(
                row.dataset, row.network, row.method, _numbers(row), _margin(row, rows), None
            ),
            [(frame, "", trial) for trial in _matching_trials(frame, row)],
            seeds=seeds,
            test=row.metric,
            looks=looks,
        )
        for row in rows
    ]


def judge_rows(
    frame: pd.DataFrame, rows: Sequence[PublishedRow], *, looks: Sequence[int] = ()
) -> list[JudgedClaim]:
    """Return the verdict on each claim of the file, over all data sets and networks that name it.

    A method with several configurations in one row is left out of it: none is chosen.

    Args:
        frame: the study's trials at one scale.
        rows: of the file.
        looks: numbers of seeds at which the study was looked at.
    """
    claims: dict[tuple[str, str], list[PublishedRow]] = {}
    for row in rows:
        if row.claim:
            claims.setdefault((row.method, row.claim), []).append(row)
    judged = []
    for (subject, kind), made in claims.items():
        groups = [[r for r in rows if _are_rivals(r, row)] for row in made]
        rivals = tuple(
            dict.fromkeys(r.method for group in groups for r in group if r.method != subject)
        )
        if not rivals:
            continue
        claim = MethodClaim(subject, rivals, ClaimKind(kind), is_the_question=False)
        beside = [_method_row(frame, group, subject) for group in groups]
        found = judge_claim(beside, claim, expected=len(made), looks=looks)
        judged += [found] if found else []
    return judged


def _method_row(frame: pd.DataFrame, group: Sequence[PublishedRow], subject: str) -> MethodRow:
    errors: dict[str, Any] = {}
    lost: dict[str, int] = {}
    shares: list[float] = []
    for row in group:
        matching = _matching_trials(frame, row)
        if len(matching) != 1:
            continue
        shares.append(image_share(matching[0]))
        key = str(matching[0][CONFIGURATION])
        errors[row.method] = by_seed(frame, key, row.metric)
        own = frame[frame[CONFIGURATION] == key]
        lost[row.method] = int(own[OUTCOME].isin(LOST).sum()) if OUTCOME in own else 0
    best = min((row for row in group if row.method != subject), key=lambda r: r.mean, default=None)
    return MethodRow(
        label=f"{display_name(group[0].dataset)}, {display_name(group[0].network)}",
        errors=errors,
        published={row.method: row.mean for row in group},
        margin=_margin(best, group).points if best else PLAIN_MARGIN,
        lost=lost,
        comparable=True,
        resolution=max(shares, default=RESOLUTION),
    )


def _matching_trials(frame: pd.DataFrame, row: PublishedRow) -> list["pd.Series[Any]"]:
    """Return one trial of each configuration that has the settings of a published cell."""
    wanted = {DATASET_NAME: row.dataset, NETWORK_NAME: row.network, **row.match}
    return [trial for _, trial in first_trials(frame).iterrows() if _has_settings(trial, wanted)]


def _has_settings(trial: "pd.Series[Any]", wanted: Mapping[str, Any]) -> bool:
    return all(
        hashable_value(trial.get(path)) == hashable_value(value) for path, value in wanted.items()
    )


def _are_rivals(row: PublishedRow, other: PublishedRow) -> bool:
    return (row.dataset, row.network, row.metric) == (other.dataset, other.network, other.metric)


def _numbers(row: PublishedRow) -> PublishedCell:
    return PublishedCell(row.mean, math.nan if row.spread is None else row.spread, row.runs)


def _margin(row: PublishedRow, rows: Sequence[PublishedRow]) -> CellMargin:
    return equivalence_margin(_numbers(row), [r.mean for r in rows if _are_rivals(r, row)])
