"""The rows of a published table in our own trials: methods that share all but the regularizer.

The margin of a row of the paper is that of its best rival's cell (`cells.margin_of`), and
`PLAIN_MARGIN` where the paper has no such row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any

import pandas as pd

from analysis.paper import cells
from analysis.paper.comparable import (
    IGNORED,
    IGNORED_PART,
    PRECISION_SETTING,
    REGULARIZER,
    differing_settings,
)
from analysis.paper.methods import method_of
from analysis.paper.reproduction import first_trials
from analysis.record.names import CONFIGURATION, DATASET_NAME, NETWORK_NAME, OUTCOME
from analysis.tables.configurations import LOST, hashable_value, settings_of
from analysis.tables.printed import setting_text
from analysis.tables.seed_values import by_seed
from analysis.tables.test_images import image_share
from trainables.metrics import TEST_ERROR_LAST

PLAIN_MARGIN = 0.5
"""Points of percent that count as on par where no published row says how far errors spread."""
LOSS = "regularizer.loss"


class ClaimKind(StrEnum):
    """What is claimed of the subject against every rival."""

    ON_PAR = "on par"
    BETTER = "better"


@dataclass(frozen=True)
class MethodClaim:
    """A claim of a method against its rivals, in every row of a table."""

    subject: str
    rivals: tuple[str, ...]
    kind: ClaimKind
    is_the_question: bool = True
    """Whether a study of this claim asks just that, so that its answer is yes or no."""


LAMIX_ON_PAR = MethodClaim("lamix", ("vanilla", "mixup", "cutmix"), ClaimKind.ON_PAR)
OVER_PUZZLEMIX = MethodClaim("lamix_puzzlemix", ("puzzlemix",), ClaimKind.ON_PAR)
SMOOTHED = tuple(f"mixup+smoothing={share}" for share in (0.1, 0.2, 0.3, 0.4))
TABLE_CLAIMS = {
    "table1": LAMIX_ON_PAR,
    "table2": LAMIX_ON_PAR,
    "table3": OVER_PUZZLEMIX,
    "table4": OVER_PUZZLEMIX,
    # The study asks whether smoothing does the same: a yes to the claim would be a no to that.
    "table5": MethodClaim("lamix", SMOOTHED, ClaimKind.BETTER, is_the_question=False),
    "table6": LAMIX_ON_PAR,
    "table7": MethodClaim("lamix", ("lamix without original samples",), ClaimKind.BETTER),
    "table8": MethodClaim("lamix", ("lamix without global soft label",), ClaimKind.BETTER),
}
"""What the text of the paper says of each table."""


@dataclass(frozen=True)
class MethodRow:
    """The errors of several methods that share all else."""

    label: str
    errors: Mapping[str, "pd.Series[Any]"]
    """By method, indexed by seed."""
    published: Mapping[str, float] = field(default_factory=dict)
    """By method, the published mean."""
    margin: float = PLAIN_MARGIN
    lost: Mapping[str, int] = field(default_factory=dict)
    """By method, the seeds that diverged or failed for good."""
    comparable: bool = False
    """Whether the setting is the published one, of all methods that the claim is about."""
    resolution: float = 0.01
    """Points that one test image is worth."""


def table_rows(frame: pd.DataFrame, table: str, *, test: str = TEST_ERROR_LAST) -> list[MethodRow]:
    """Return the rows of a study of a table of the paper: configurations that share all else.

    Args:
        frame: the trials at one scale.
        table: `table1` to `table8`.
        test: the test error that is compared.
    """
    first = first_trials(frame)
    if first.empty:
        return []
    names = [name for name in settings_of(frame) if _tells_rows_apart(name)]
    keys = [tuple(hashable_value(row[name]) for name in names) for _, row in first.iterrows()]
    groups: dict[tuple[Any, ...], list[Any]] = {}
    for key, (_, row) in zip(keys, first.iterrows(), strict=True):
        groups.setdefault(key, []).append(row)
    varied = [name for i, name in enumerate(names) if len({key[i] for key in groups}) > 1]
    named = [name for name in (DATASET_NAME, NETWORK_NAME) if name in first]
    varied = list(dict.fromkeys([*named, *_told_by_the_data(first, varied)]))
    return [_method_row(frame, rows, varied, table, test) for rows in groups.values()]


def expected_rows(table: str) -> int:
    """Return how many rows a table of the paper has."""
    return len(cells.table_cells(table).drop_duplicates(["dataset", "network"]))


def _tells_rows_apart(name: str) -> bool:
    if name in (PRECISION_SETTING, LOSS):
        return True
    return not (name.startswith((REGULARIZER, IGNORED_PART)) or name in IGNORED)


def _told_by_the_data(first: pd.DataFrame, varied: Sequence[str]) -> list[str]:
    """Return the settings that name a row: a data set's own mean follows from its name."""
    kept: list[str] = []
    for name in sorted(varied, key=lambda path: not path.endswith(".name")):
        groups = [first[held].map(hashable_value) for held in kept]
        values = first[name].map(hashable_value)
        if groups and (values.groupby(groups, dropna=False).nunique(dropna=False) <= 1).all():
            continue
        kept.append(name)
    return [name for name in varied if name in kept]


def _method_row(
    frame: pd.DataFrame,
    rows: Sequence["pd.Series[Any]"],
    varied: Sequence[str],
    table: str,
    test: str,
) -> MethodRow:
    errors: dict[str, Any] = {}
    lost: dict[str, int] = {}
    comparable = True
    wanted = cells.cell_configurations(table)
    claimed = {TABLE_CLAIMS[table].subject, *TABLE_CLAIMS[table].rivals}
    data, network = str(rows[0].get(DATASET_NAME)), str(rows[0].get(NETWORK_NAME))
    for row in rows:
        method = method_of(row)
        if method is None:
            continue
        values = by_seed(frame, str(row[CONFIGURATION]), test)
        both = pd.concat([errors[method], values]) if method in errors else values
        errors[method] = both[~both.index.duplicated()]
        own = frame[frame[CONFIGURATION] == row[CONFIGURATION]]
        lost[method] = lost.get(method, 0) + (
            int(own[OUTCOME].isin(LOST).sum()) if OUTCOME in own else 0
        )
        if method not in claimed:
            continue
        asked = wanted.get((data, network, method))
        comparable &= asked is not None and not differing_settings(row, asked)
    published, margin = published_row(table, data, network)
    return MethodRow(
        label=setting_text(rows[0], [name for name in varied if name in rows[0].index]),
        errors=errors,
        published=published,
        margin=margin,
        lost=lost,
        comparable=comparable,
        resolution=image_share(rows[0]),
    )


@cache
def published_row(table: str, dataset: str, network: str) -> tuple[Mapping[str, float], float]:
    """Return the published means of a row, and the margin of its best rival's cell.

    Args:
        table: `table1` to `table8`.
        dataset: a data set's name.
        network: a network's name. Where the table has no such row, there are no means, and the
            margin is `PLAIN_MARGIN`.
    """
    held = cells.table_cells(table)
    row = held[(held["dataset"] == dataset) & (held["network"] == network)]
    rivals = row[row["method"].isin(TABLE_CLAIMS[table].rivals)]
    means = {str(cell["method"]): float(cell["mean"]) for _, cell in row.iterrows()}
    if rivals.empty:
        return means, PLAIN_MARGIN
    return means, cells.margin_of(rivals.sort_values("mean").iloc[0]).points
