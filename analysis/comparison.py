"""A table of the paper with ours beside it: cell by cell the numbers, the runs and the verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis import paper
from analysis.rendering import Cell, Grid
from analysis.statistics import Summary, summarise
from analysis.tables import LOST, TEST, by_seed, over_configurations, spread
from analysis.verdict import MARKS, Judgement, Verdict, judge
from analysis.words import counted, number, title, word

PAPER_SCALE = "paper"
"""The scale at which a study has the paper's setting."""


@dataclass(frozen=True)
class Compared:
    """One cell of the paper and what we found there."""

    dataset: str
    network: str
    method: str
    published: Summary
    ours: Summary
    judgement: Judgement
    configuration: str | None
    """The one chosen for the cell, by validation error where several match."""
    candidates: int
    """How many configurations match the cell."""
    epochs: int | None
    runs: tuple[str, ...]


def compare(
    frame: pd.DataFrame,
    table: str,
    *,
    scale: str,
    seeds: int | None = None,
    objective: str = "validation_error",
    test: str = TEST,
) -> list[Compared]:
    """Return the cells of a table of the paper, each with ours.

    Args:
        frame: trials at one scale, as from `analysis.trials.load`.
        table: `table1` to `table8`.
        scale: only at the scale `paper` is a verdict given.
        seeds: how many a cell is to have; None takes those that there are.
        objective: what chooses among several configurations that match one cell.
        test: the test error that is compared.
    """
    keys = paper.match(frame)
    return [
        _compare(cell, frame[keys == paper.key_of(cell)], table, scale, seeds, objective, test)
        for _, cell in paper.table(table).iterrows()
    ]


def grid(compared: Sequence[Compared], table: str) -> Grid:
    """Return the table in the paper's shape: under each of its columns the paper's and ours."""
    layout = paper.TABLES[table]
    columns = list(dict.fromkeys(getattr(cell, layout.columns) for cell in compared))
    rows = list(dict.fromkeys(_row_key(cell, layout) for cell in compared))
    place = {(_row_key(cell, layout), getattr(cell, layout.columns)): cell for cell in compared}
    body = []
    for row in rows:
        line = [Cell(method_word(name)) for name in row]
        for column in columns:
            line += _pair(place.get((row, column)), compared, layout)
        body.append(line)
    header = [("", title(name)) for name in layout.rows]
    for column in columns:
        header += [(method_word(column), "paper"), (method_word(column), "ours")]
    return Grid(
        title=layout.caption,
        header=header,
        rows=body,
        notes=[_legend(compared)],
        numeric=[False] * len(layout.rows) + [True] * (2 * len(columns)),
    )


def details(compared: Sequence[Compared]) -> Grid:
    """Return one row per cell: both numbers, their difference, its interval and the verdict."""
    header = ["Dataset", "Network", "Method", "paper", "ours", "seeds", "difference",
              "95% interval", "margin", "verdict", "outlook"]  # fmt: skip
    rows = []
    for cell in compared:
        judgement = cell.judgement
        low, high = number(judgement.low), number(judgement.high)
        texts = [word(cell.dataset), word(cell.network), method_word(cell.method)]
        rows.append(
            [
                *map(Cell, texts),
                Cell(spread(cell.published)),
                Cell(spread(cell.ours), runs=cell.runs),
                Cell(str(cell.ours.n)),
                Cell(number(judgement.difference)),
                Cell("–" if low == "–" else f"[{low}, {high}]"),
                Cell(
                    "–" if judgement.margin != judgement.margin else f"±{number(judgement.margin)}"
                ),
                Cell(str(judgement.verdict), mark=css(judgement.verdict)),
                Cell(
                    judgement.outlook if judgement.margin == judgement.margin else judgement.reason
                ),
            ]
        )
    return Grid(
        header=[("", name) for name in header],
        rows=rows,
        title="Each cell against the paper: test error in percent, ours − paper",
        numeric=[False] * 3 + [True] * 6 + [False] * 2,
    )


def tally(compared: Sequence[Compared]) -> str:
    """Return one sentence: how many cells came out how."""
    counts = {verdict: 0 for verdict in Verdict}
    for cell in compared:
        counts[cell.judgement.verdict] += 1
    parts = [f"{count} {verdict}" for verdict, count in counts.items() if count]
    return f"Of {counted(len(compared), 'cell')} of the paper: {', '.join(parts)}."


def method_word(name: str) -> str:
    """Return a data set, network or method as a reader knows it."""
    base, plus, smoothing = name.partition("+smoothing=")
    if plus:
        return f"{word(base)} + smoothing {smoothing}"
    base, without, what = name.partition(" without ")
    return f"{word(base)} w/o {what}" if without else word(name)


def css(verdict: Verdict) -> str:
    """Return the class that colours a verdict."""
    return str(verdict).replace(" ", "-")


def _compare(
    cell: "pd.Series[Any]",
    trials: pd.DataFrame,
    table: str,
    scale: str,
    seeds: int | None,
    objective: str,
    test: str,
) -> Compared:
    published = paper.published(cell)
    over = over_configurations(trials, [], objective, test=test)
    chosen = str(over["configuration"].iloc[0]) if len(over) else None
    ours = trials[trials["configuration"] == chosen]
    values = by_seed(trials, chosen, test) if chosen is not None else pd.Series(dtype=float)
    lost = ours["outcome"].isin(LOST).sum() if "outcome" in ours else 0
    epochs = int(ours["training.epochs"].iloc[0]) if _has(ours, "training.epochs") else None
    comparable = scale == PAPER_SCALE and epochs in (None, paper.TABLES[table].epochs)
    return Compared(
        dataset=cell["dataset"],
        network=cell["network"],
        method=cell["method"],
        published=Summary(published.runs, published.mean, published.sd, float("nan"), float("nan")),
        ours=summarise(values),
        judgement=judge(
            list(values), published, planned=seeds, failed=int(lost), comparable=comparable
        ),
        configuration=chosen,
        candidates=len(over),
        epochs=epochs,
        runs=tuple(over["run_ids"].iloc[0]) if len(over) else (),
    )


def _has(frame: pd.DataFrame, column: str) -> bool:
    return column in frame and bool(frame[column].notna().any())


def _row_key(cell: Compared, layout: paper.Layout) -> tuple[str, ...]:
    return tuple(getattr(cell, name) for name in layout.rows)


def _pair(cell: Compared | None, compared: Sequence[Compared], layout: paper.Layout) -> list[Cell]:
    if cell is None:
        return [Cell(""), Cell("")]
    rivals = [other for other in compared if _rivals(cell, other)]
    verdict = cell.judgement.verdict
    mark = MARKS[verdict]
    return [
        Cell(
            spread(cell.published),
            strong=cell.published.mean == min(rival.published.mean for rival in rivals),
        ),
        Cell(
            f"{spread(cell.ours)} {mark}".strip(),
            strong=cell.ours.n > 0
            and cell.ours.mean == min(r.ours.mean for r in rivals if r.ours.n),
            runs=cell.runs,
            title=f"{verdict}: {cell.judgement.reason}",
            mark=css(verdict),
        ),
    ]


def _rivals(cell: Compared, other: Compared) -> bool:
    """Return whether two cells differ in the method alone."""
    return (cell.dataset, cell.network) == (other.dataset, other.network)


def _legend(compared: Sequence[Compared]) -> str:
    used = {cell.judgement.verdict for cell in compared}
    marks = [f"{sign} {verdict}" for verdict, sign in MARKS.items() if sign and verdict in used]
    start = "Test error in percent, mean ± standard deviation over seeds; bold: lowest of its kind."
    return f"{start} {', '.join(marks)}." if marks else start
