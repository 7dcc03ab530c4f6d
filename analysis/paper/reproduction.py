"""A table of the paper with ours beside it: cell by cell the numbers, the runs and the verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.paper import cells
from analysis.paper.verdict import MARKS, CellJudgement, Verdict, judge_cell
from analysis.record.names import CONFIGURATION, OUTCOME
from analysis.statistics.summary import SeedSummary, summarise_seeds
from analysis.tables.configurations import LOST, by_seed, over_configurations
from analysis.tables.display_names import count_text, display_name, number_text, with_capital
from analysis.tables.printed import spread_text
from analysis.tables.rendering import TableCell, TableGrid
from trainables.metrics import TEST_ERROR_LAST, VALIDATION_ERROR

PAPER_SCALE = "paper"
"""The scale at which a study has the paper's setting."""


@dataclass(frozen=True)
class ComparedCell:
    """One cell of the paper and what we found there."""

    dataset: str
    network: str
    method: str
    published: SeedSummary
    ours: SeedSummary
    judgement: CellJudgement
    configuration: str | None
    """The one chosen for the cell, by validation error where several match."""
    candidates: int
    """How many configurations match the cell."""
    epochs: int | None
    runs: tuple[str, ...]


def compare_table(
    frame: pd.DataFrame,
    table: str,
    *,
    scale: str,
    seeds: int | None = None,
    objective: str = VALIDATION_ERROR,
    test: str = TEST_ERROR_LAST,
) -> list[ComparedCell]:
    """Return the cells of a table of the paper, each with ours.

    Args:
        frame: trials at one scale, as from `analysis.trials.load`.
        table: `table1` to `table8`.
        scale: only at the scale `paper` is a verdict given.
        seeds: how many a cell is to have; None takes those that there are.
        objective: what chooses among several configurations that match one cell.
        test: the test error that is compared.
    """
    keys = cells.match_trials(frame)
    return [
        _compare_cell(cell, frame[keys == cells.key_of(cell)], table, scale, seeds, objective, test)
        for _, cell in cells.table_cells(table).iterrows()
    ]


def reproduction_grid(compared: Sequence[ComparedCell], table: str) -> TableGrid:
    """Return the table in the paper's shape: under each of its columns the paper's and ours."""
    layout = cells.TABLES[table]
    columns = list(dict.fromkeys(getattr(cell, layout.columns) for cell in compared))
    rows = list(dict.fromkeys(_row_key(cell, layout) for cell in compared))
    place = {(_row_key(cell, layout), getattr(cell, layout.columns)): cell for cell in compared}
    body = []
    for row in rows:
        line = [TableCell(method_word(name)) for name in row]
        for column in columns:
            line += _cell_pair(place.get((row, column)), compared, layout)
        body.append(line)
    header = [("", with_capital(name)) for name in layout.rows]
    for column in columns:
        header += [(method_word(column), "paper"), (method_word(column), "ours")]
    return TableGrid(
        title=layout.caption,
        header=header,
        rows=body,
        notes=[_grid_legend(compared)],
        numeric=[False] * len(layout.rows) + [True] * (2 * len(columns)),
    )


def detail_grid(compared: Sequence[ComparedCell]) -> TableGrid:
    """Return one row per cell: both numbers, their difference, its interval and the verdict."""
    header = ["Dataset", "Network", "Method", "paper", "ours", "seeds", "difference",
              "95% interval", "margin", "verdict", "outlook"]  # fmt: skip
    rows = []
    for cell in compared:
        judgement = cell.judgement
        low, high = number_text(judgement.low), number_text(judgement.high)
        texts = [display_name(cell.dataset), display_name(cell.network), method_word(cell.method)]
        rows.append(
            [
                *map(TableCell, texts),
                TableCell(spread_text(cell.published)),
                TableCell(spread_text(cell.ours), runs=cell.runs),
                TableCell(str(cell.ours.n)),
                TableCell(number_text(judgement.difference)),
                TableCell("–" if low == "–" else f"[{low}, {high}]"),
                TableCell(
                    "–"
                    if judgement.margin != judgement.margin
                    else f"±{number_text(judgement.margin)}"
                ),
                TableCell(str(judgement.verdict), mark=verdict_class(judgement.verdict)),
                TableCell(
                    judgement.outlook if judgement.margin == judgement.margin else judgement.reason
                ),
            ]
        )
    return TableGrid(
        header=[("", name) for name in header],
        rows=rows,
        title="Each cell against the paper: test error in percent, ours − paper",
        numeric=[False] * 3 + [True] * 6 + [False] * 2,
    )


def tally_sentence(compared: Sequence[ComparedCell]) -> str:
    """Return one sentence: how many cells came out how."""
    counts = {verdict: 0 for verdict in Verdict}
    for cell in compared:
        counts[cell.judgement.verdict] += 1
    parts = [f"{count} {verdict}" for verdict, count in counts.items() if count]
    return f"Of {count_text(len(compared), 'cell')} of the paper: {', '.join(parts)}."


def method_word(name: str) -> str:
    """Return a data set, network or method as a reader knows it."""
    base, plus, smoothing = name.partition("+smoothing=")
    if plus:
        return f"{display_name(base)} + smoothing {smoothing}"
    base, without, what = name.partition(" without ")
    return f"{display_name(base)} w/o {what}" if without else display_name(name)


def verdict_class(verdict: Verdict) -> str:
    """Return the class that colours a verdict."""
    return str(verdict).replace(" ", "-")


def _compare_cell(
    cell: "pd.Series[Any]",
    trials: pd.DataFrame,
    table: str,
    scale: str,
    seeds: int | None,
    objective: str,
    test: str,
) -> ComparedCell:
    published = cells.published_numbers(cell)
    over = over_configurations(trials, [], objective, test=test)
    chosen = str(over[CONFIGURATION].iloc[0]) if len(over) else None
    ours = trials[trials[CONFIGURATION] == chosen]
    values = by_seed(trials, chosen, test) if chosen is not None else pd.Series(dtype=float)
    lost = ours[OUTCOME].isin(LOST).sum() if OUTCOME in ours else 0
    epochs = int(ours["training.epochs"].iloc[0]) if _has_numbers(ours, "training.epochs") else None
    comparable = scale == PAPER_SCALE and epochs in (None, cells.TABLES[table].epochs)
    return ComparedCell(
        dataset=cell["dataset"],
        network=cell["network"],
        method=cell["method"],
        published=SeedSummary(
            published.runs, published.mean, published.sd, float("nan"), float("nan")
        ),
        ours=summarise_seeds(values),
        judgement=judge_cell(
            list(values), published, planned=seeds, failed=int(lost), comparable=comparable
        ),
        configuration=chosen,
        candidates=len(over),
        epochs=epochs,
        runs=tuple(over["run_ids"].iloc[0]) if len(over) else (),
    )


def _has_numbers(frame: pd.DataFrame, column: str) -> bool:
    return column in frame and bool(frame[column].notna().any())


def _row_key(cell: ComparedCell, layout: cells.TableLayout) -> tuple[str, ...]:
    return tuple(getattr(cell, name) for name in layout.rows)


def _cell_pair(
    cell: ComparedCell | None, compared: Sequence[ComparedCell], layout: cells.TableLayout
) -> list[TableCell]:
    if cell is None:
        return [TableCell(""), TableCell("")]
    rivals = [other for other in compared if _are_rivals(cell, other)]
    verdict = cell.judgement.verdict
    mark = MARKS[verdict]
    return [
        TableCell(
            spread_text(cell.published),
            strong=cell.published.mean == min(rival.published.mean for rival in rivals),
        ),
        TableCell(
            f"{spread_text(cell.ours)} {mark}".strip(),
            strong=cell.ours.n > 0
            and cell.ours.mean == min(r.ours.mean for r in rivals if r.ours.n),
            runs=cell.runs,
            title=f"{verdict}: {cell.judgement.reason}",
            mark=verdict_class(verdict),
        ),
    ]


def _are_rivals(cell: ComparedCell, other: ComparedCell) -> bool:
    """Return whether two cells differ in the method alone."""
    return (cell.dataset, cell.network) == (other.dataset, other.network)


def _grid_legend(compared: Sequence[ComparedCell]) -> str:
    used = {cell.judgement.verdict for cell in compared}
    marks = [f"{sign} {verdict}" for verdict, sign in MARKS.items() if sign and verdict in used]
    start = "Test error in percent, mean ± standard deviation over seeds; bold: lowest of its kind."
    return f"{start} {', '.join(marks)}." if marks else start
