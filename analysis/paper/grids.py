"""Published numbers and ours as tables to be printed: in the published shape, and cell by cell."""

from collections.abc import Iterator, Sequence

from analysis.paper import cells
from analysis.paper.methods import method_word
from analysis.paper.reproduction import CellReading, ComparedCell
from analysis.paper.verdict import MARKS, CellJudgement, Verdict
from analysis.tables.display_names import display_name, number_text, with_capital
from analysis.tables.printed import interval_text, spread_text
from analysis.tables.rendering import TableCell, TableGrid
from trainables.metrics import METRICS, TEST_ERROR, TEST_ERRORS

ERROR_WORDS = METRICS[TEST_ERROR].with_unit_word(METRICS[TEST_ERROR].label)
TEST_WORDS = dict(zip(TEST_ERRORS, ("last", "last 10", "best"), strict=True))
"""What a table without room calls the ways to give a test error."""


def reproduction_grid(compared: Sequence[ComparedCell], layout: cells.TableLayout) -> TableGrid:
    """Return the table in its published shape: under each of its columns the published and ours.

    A row has as many lines as its cells have readings.
    """
    columns = list(dict.fromkeys(getattr(cell, layout.columns) for cell in compared))
    rows = list(dict.fromkeys(_row_key(cell, layout) for cell in compared))
    place = {(_row_key(cell, layout), getattr(cell, layout.columns)): cell for cell in compared}
    body = []
    for row in rows:
        held = [place.get((row, column)) for column in columns]
        lines = max([len(cell.readings) for cell in held if cell is not None] + [1])
        for line in range(lines):
            words = [method_word(name) for name in row]
            if line:
                words[-1] += f", reading {line + 1}"
            entry = [TableCell(word) for word in words]
            for cell in held:
                entry += _cell_pair(cell, line, compared)
            body.append(entry)
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


def detail_grid(compared: Sequence[ComparedCell], *, of: str = "the paper") -> TableGrid:
    """Return one row per reading: the numbers, their difference, its interval and the verdict."""
    others = any(cell.independent for cell in compared)
    header = ["Dataset", "Network", "Method", "paper"]
    header += ["others"] if others else []
    header += [f"ours, {word}" for word in TEST_WORDS.values()]
    header += ["seeds", "difference", "90% interval", "margin", "verdict", "because"]
    rows = [
        _detail_row(cell, reading, others=others)
        for cell in compared
        for reading in (cell.readings or (None,))
    ]
    words = 3
    return TableGrid(
        header=[("", name) for name in header],
        rows=rows,
        title=f"Each cell against {of}: {ERROR_WORDS}, ours − paper",
        notes=list(_detail_notes(compared)),
        numeric=[False] * words + [True] * (len(header) - words - 2) + [False] * 2,
    )


def verdict_class(verdict: Verdict) -> str:
    """Return the class that colours a verdict."""
    return str(verdict).replace(" ", "-")


def _detail_row(
    cell: ComparedCell, reading: CellReading | None, *, others: bool
) -> list[TableCell]:
    judgement = reading.judgement if reading else cell.missing
    texts = [display_name(cell.dataset), display_name(cell.network), method_word(cell.method)]
    row = [*map(TableCell, texts), TableCell(spread_text(cell.published))]
    if others:
        row.append(_independent_cell(cell))
    for metric in TEST_WORDS:
        known = reading is not None and metric in reading.tests
        summary = reading.tests[metric] if reading is not None and known else None
        row.append(
            TableCell(
                spread_text(summary) if summary else "–", runs=reading.runs if reading else ()
            )
        )
    margin = judgement.margin
    return [
        *row,
        TableCell(str(reading.ours.n if reading else 0)),
        TableCell(number_text(judgement.difference)),
        TableCell(interval_text(judgement.low, judgement.high)),
        TableCell("–" if margin != margin else f"±{number_text(margin)}"),
        TableCell(str(judgement.verdict), mark=verdict_class(judgement.verdict)),
        TableCell("; ".join(_reasons(judgement, reading))),
    ]


def _reasons(judgement: CellJudgement, reading: CellReading | None) -> Iterator[str]:
    if judgement.margin == judgement.margin:
        yield from (text for text in (judgement.outlook, judgement.caution) if text)
    else:
        yield judgement.reason
    if reading and reading.source:
        yield f"trained by study {reading.source}"
    if reading and reading.remark:
        yield reading.remark


def _independent_cell(cell: ComparedCell) -> TableCell:
    other = cell.independent
    if other is None:
        return TableCell("–")
    return TableCell(f"{number_text(other.error)}, {other.epochs} ep.", title=other.source)


def _detail_notes(compared: Sequence[ComparedCell]) -> Iterator[str]:
    if not any(cell.independent for cell in compared):
        return
    yield f"Others: {cells.INDEPENDENT_SETTING}."
    weak = [
        f"{method_word(cell.method)} on {display_name(cell.dataset)} "
        f"(+{number_text(cell.published.mean - cell.independent.error)})"
        for cell in compared
        if cell.independent and cell.published.mean - cell.independent.error > 2 * cell.published.sd
    ]
    if weak:
        yield (
            "The paper's error lies more than two of its standard deviations above theirs, in "
            f"points: {', '.join(weak)}."
        )


def _row_key(cell: ComparedCell, layout: cells.TableLayout) -> tuple[str, ...]:
    return tuple(getattr(cell, name) for name in layout.rows)


def _cell_pair(
    cell: ComparedCell | None, line: int, compared: Sequence[ComparedCell]
) -> list[TableCell]:
    if cell is None or line >= max(len(cell.readings), 1):
        return [TableCell(""), TableCell("")]
    rivals = [other for other in compared if _are_rivals(cell, other)]
    reading = cell.readings[line] if cell.readings else None
    judgement = reading.judgement if reading else cell.missing
    verdict, mark = judgement.verdict, MARKS[judgement.verdict]
    lowest = min((r.readings[0].ours.mean for r in rivals if r.reached), default=None)
    published = TableCell("")
    if line == 0:
        published = TableCell(
            spread_text(cell.published),
            strong=cell.published.mean == min(rival.published.mean for rival in rivals),
        )
    return [
        published,
        TableCell(
            f"{spread_text(reading.ours) if reading else '–'} {mark}".strip(),
            strong=reading is not None and line == 0 and reading.ours.n > 0
            and reading.ours.mean == lowest,
            runs=reading.runs if reading else (),
            title=f"{verdict}: {judgement.reason}",
            mark=verdict_class(verdict),
        ),
    ]  # fmt: skip


def _are_rivals(cell: ComparedCell, other: ComparedCell) -> bool:
    """Return whether two cells differ in the method alone."""
    return (cell.dataset, cell.network) == (other.dataset, other.network)


def _grid_legend(compared: Sequence[ComparedCell]) -> str:
    used = {judgement.verdict for cell in compared for judgement in cell.judgements}
    marks = [f"{sign} {verdict}" for verdict, sign in MARKS.items() if sign and verdict in used]
    spread = "mean ± standard deviation over seeds; bold: lowest of its kind."
    start = f"{with_capital(ERROR_WORDS)}, {spread}"
    return f"{start} {', '.join(marks)}." if marks else start
