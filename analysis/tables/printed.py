"""The table over configurations as it is printed, and the words for a configuration.

It loads quickly, since a study prints its table through it: keep plotting and statsmodels out.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.counted import agreeing, count_text
from analysis.record.names import CONFIGURATION, STOPPED_EARLY
from analysis.statistics.summary import SeedSummary
from analysis.tables.configurations import (
    LOST,
    MAY_BE_BEST,
    PARTS,
    cases_of,
    data_sets,
    hashable_value,
    over_configurations,
)
from analysis.tables.display_names import display_name, number_text, setting_value_text, with_unit
from analysis.tables.feasibility import INFEASIBLE, feasible_rows
from analysis.tables.rendering import INTERVAL, TableCell, TableGrid, to_text
from trainables.metrics import TEST_ERROR_LAST, VALIDATION_ERROR, description_of

NOTHING_SELECTED = (
    "Nothing is selected: the study compares, and no number here is the best of many."
)
ALONE = "Each 95% interval stands alone."
NONE_OF_EQUALS = "Equal values have none: nothing says how far they would spread."
CONTENDER = "may be best"
"""The name of the column that says so."""
CONTENDER_WORDS = {True: "yes", False: "no"}
WORDED = ("race", INFEASIBLE)
"""Columns to the right that hold words."""
INFEASIBLE_NOTE = (
    "Infeasible: the constraint that the mean over the seeds violates; such a configuration is "
    "never the best."
)
TROUBLES = {name: name.replace("_", " ") for name in ("unfinished", STOPPED_EARLY, *LOST)}
"""The counts of trials without a number, and their headings; an empty column is not shown."""


def configuration_grid(
    table: pd.DataFrame,
    factors: Sequence[str],
    objective: str | Sequence[str] = VALIDATION_ERROR,
    *,
    test: str = TEST_ERROR_LAST,
    title: str = "",
    most: int | None = None,
    selects: bool = True,
    standing: Mapping[str, str] | None = None,
    cautions: Sequence[str] = (),
    remarks: Sequence[str] = (),
) -> TableGrid:
    """Return a table over configurations as it is to be printed.

    Args:
        table: as from `over_configurations`, with the same factors, objective and test error.
        factors: the columns to the left.
        objective: the metrics that selected.
        test: the metric reported.
        title: above the table.
        most: the number of rows to print, shared among data sets, and never less than those that
            are best; None means all. What is left out is said.
        selects: as for `over_configurations`.
        standing: of a race over seeds, configuration → where it stands.
        cautions: sentences on what is shown, after the table's own.
        remarks: sentences on what was found and what may come next.
    """
    objectives = [objective] if isinstance(objective, str) else list(objective)
    metrics = [name for name in dict.fromkeys([*objectives, test]) if f"{name}_mean" in table]
    metrics = [name for name in metrics if table[f"{name}_n"].sum() or name in objectives]
    troubles = [name for name in TROUBLES if (table[name] > 0).any()]
    header = [("", display_name(name)) for name in factors]
    for name in metrics:
        header += [(with_unit(name), "mean ± sd"), (with_unit(name), INTERVAL)]
    marked = MAY_BE_BEST in table and bool(table[MAY_BE_BEST].notna().any())
    header += [("", CONTENDER)] if marked else []
    header += [("", "seeds"), *(("", TROUBLES[name]) for name in troubles)]
    shown = table if most is None else _first_rows(table, most)
    rows = [
        _row_cells(row, factors, metrics, troubles, marked=marked) for _, row in shown.iterrows()
    ]
    if standing is not None:
        header.append(("", "race"))
        for cells, key in zip(rows, shown[CONFIGURATION], strict=True):
            cells.append(TableCell(standing.get(key, "")))
    constrained = not feasible_rows(table).all()
    if constrained:
        header.append(("", INFEASIBLE))
        for cells, violated in zip(rows, shown[INFEASIBLE], strict=True):
            cells.append(TableCell(violated))
    several = data_sets(table).nunique() > 1
    explained = {}
    several_shown = len(table) > 1 and any(table[f"{name}_low"].notna().any() for name in metrics)
    equal = any(
        (table[f"{name}_low"].isna() & table[f"{name}_sd"].notna()).any() for name in metrics
    )
    if several_shown or equal:
        said = (ALONE if several_shown else "", NONE_OF_EQUALS if equal else "")
        explained[INTERVAL] = " ".join(filter(None, said))
    if marked:
        cases = cases_of(table, factors).nunique() > 1
        group = "data set" if several and selects else "case" if cases and not selects else ""
        explained[CONTENDER] = _contender_note(objectives[0], group)
    notes = [*explained.values()]
    notes.append(_selection_note(objectives, several=several) if selects else NOTHING_SELECTED)
    notes += [INFEASIBLE_NOTE] if constrained else []
    notes += _words_on_what_is_left_out(table.drop(shown.index))
    notes += cautions
    return TableGrid(
        title=title,
        header=header,
        rows=rows,
        notes=notes,
        remarks=remarks,
        explained=explained,
        numeric=[
            index >= len(factors) and name not in WORDED for index, (_, name) in enumerate(header)
        ],
    )


def _first_rows(table: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return the first rows of each data set, as many of one as of another, and all best ones."""
    groups = data_sets(table)
    places = table.groupby(groups, sort=False).cumcount()
    return table[(places < max(most // max(groups.nunique(), 1), 1)) | table["best"]]


def _words_on_what_is_left_out(left: pd.DataFrame) -> list[str]:
    """Return how many configurations are left out, and how many of them should be known of."""
    if left.empty:
        return []
    counts = {"that may be best": sum(flag is True for flag in left.get(MAY_BE_BEST, ()))}
    counts |= {
        f"with some trial {words}": (left[name] > 0).sum() for name, words in TROUBLES.items()
    }
    counts["that are infeasible"] = (~feasible_rows(left)).sum()
    told = ", ".join(f"{count:,} {words}" for words, count in counts.items() if count)
    many = f"{count_text(len(left), 'more configuration')} {agreeing(len(left), 'is', 'are')}"
    return [f"{many} left out{f': {told}' if told else ''}."]


def as_text(
    frame: pd.DataFrame,
    factors: Sequence[str],
    objective: str | Sequence[str] = VALIDATION_ERROR,
    *,
    test: str = TEST_ERROR_LAST,
    most: int | None = 20,
    width: int | None = None,
) -> str:
    """Return the table over configurations of these trials as plain text for a terminal."""
    table = over_configurations(frame, factors, objective, test=test)
    return to_text(configuration_grid(table, factors, objective, test=test, most=most), width=width)


def _row_cells(
    row: "pd.Series[Any]",
    factors: Sequence[str],
    metrics: Sequence[str],
    troubles: Iterable[str],
    *,
    marked: bool,
) -> list[TableCell]:
    best = bool(row["best"])
    cells = [TableCell(setting_value_text(row[name]), strong=best) for name in factors]
    runs = tuple(row["run_ids"])
    for name in metrics:
        summary = SeedSummary(*(row[f"{name}_{part}"] for part in PARTS))
        spread = {"mean": summary.mean, "sd": summary.sd, "n": float(summary.n)}
        ends = {"low": summary.low, "high": summary.high}
        cells.append(TableCell(spread_text(summary), strong=best, runs=runs, numbers=spread))
        cells.append(TableCell(interval_text(summary.low, summary.high), numbers=ends))
    if marked:
        cells.append(TableCell(CONTENDER_WORDS.get(row[MAY_BE_BEST], "–")))
    cells.append(TableCell(str(row["n"])))
    return cells + [TableCell(str(row[name]) if row[name] else "") for name in troubles]


def setting_text(row: "pd.Series[Any]", factors: Sequence[str]) -> str:
    """Return the factors of a configuration in words: `LaMix, beta = 0.5, …`."""
    held = [name for name in factors if hashable_value(row[name]) is not None]
    parts = [
        setting_value_text(row[name])
        if name.endswith(".name")
        else f"{short_name(name, factors)} = {setting_value_text(row[name])}"
        for name in held
    ]
    return ", ".join(parts) or "the only configuration"


def short_name(name: str, names: Sequence[str]) -> str:
    """Return the last part of a dotted name where several are listed and it tells them apart."""
    last = name.rpartition(".")[2]
    alone = sum(other.rpartition(".")[2] == last for other in names) == 1
    return last if len(names) > 1 and alone else name


def spread_text(summary: SeedSummary) -> str:
    """Return ``19.38 ± 0.16``, or the mean alone for one value."""
    if summary.n == 0:
        return "–"
    if np.isnan(summary.sd):
        return number_text(summary.mean)
    return f"{number_text(summary.mean)} ± {number_text(summary.sd)}"


def interval_text(low: float, high: float) -> str:
    """Return ``[19.18, 19.58]``, or a dash where there is none."""
    return "–" if np.isnan(low) else f"[{number_text(low)}, {number_text(high)}]"


def _contender_note(objective: str, group: str) -> str:
    where = f", each {group} for itself" if group else ""
    what, _, which = display_name(objective).partition(", ")
    return (
        "May be best: those marked yes include the one whose "
        f"{what}{f' ({which})' if which else ''} is truly the lowest{where}, "
        "with a probability of 95% (multiple comparisons with the best, paired by seed)."
    )


def _selection_note(objectives: Sequence[str], *, several: bool) -> str:
    chosen = " and ".join(display_name(name) for name in objectives)
    chosen += " on its data set" if several else ""
    if any(description_of(name).split == "test" for name in objectives):
        return (
            f"Bold: best by {chosen}, chosen on test data: its own test error is too low by that."
        )
    return f"Bold: best by {chosen}; the test error took no part in the choice."
