"""A table made to fit a terminal or a paper: columns left out, the least important first."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from analysis.tables.rendering import INTERVAL, TableCell, TableGrid, to_text
from analysis.terminal import cut_text, text_width, wrapped

Item = TypeVar("Item")

LEAST = 8
"""Characters that a column of names keeps at least."""


def fit_text(grid: TableGrid, width: int | None) -> str:
    """Return the table as plain text that is at most so wide, where that is possible at all.

    What is left out is said below the table. None leaves the table as wide as it is.
    """
    if width is None:
        return to_text(grid)
    fitted, left_out = _short_names(grid), []
    while _is_too_wide(fitted, width) and (column := _least_important(fitted)) is not None:
        left_out.append(fitted.names[column])
        fitted = _without(fitted, column)
    if _is_too_wide(fitted, width):
        fitted = _with_short_cells(fitted, width)
    if left_out:
        said = f"Left out for want of room: {', '.join(reversed(left_out))}."
        fitted = replace(fitted, notes=[*fitted.notes, said])
    notes = [wrapped(note, width) for note in fitted.sentences]
    return to_text(replace(fitted, notes=notes, remarks=()))


def without_blank_columns(grid: TableGrid) -> TableGrid:
    """Return the table without the columns in which nothing stands."""
    for column in reversed(range(len(grid.header))):
        if grid.rows and not any(row[column].text or row[column].under for row in grid.rows):
            grid = _without(grid, column)
    return grid


def without_advice(grid: TableGrid) -> TableGrid:
    """Return the table without the columns that say what may come next."""
    for name in grid.advice:
        grid = _without(grid, [own for _, own in grid.header].index(name))
    return grid


def _is_too_wide(grid: TableGrid, width: int) -> bool:
    return any(text_width(line) > width for line in _table_lines(grid))


def _table_lines(grid: TableGrid) -> list[str]:
    return to_text(replace(grid, notes=(), remarks=())).splitlines()


def _short_names(grid: TableGrid) -> TableGrid:
    """Return the table with the last parts of dotted headings, where these tell them apart."""
    last = [name.rpartition(".")[2] if "." in name else name for _, name in grid.header]
    names = [
        short if last.count(short) == 1 or group else name
        for short, (group, name) in zip(last, grid.header, strict=True)
    ]
    # `regularizer.name` is a regularizer: its last part alone would say nothing.
    names = [
        name.rpartition(".")[0].rpartition(".")[2] if short == "name" and "." in name else short
        for short, (_, name) in zip(names, grid.header, strict=True)
    ]
    groups = [group for group, _ in grid.header]
    return replace(grid, header=list(zip(groups, names, strict=True)))


def _least_important(grid: TableGrid) -> int | None:
    """Return the column to leave out first, or None where only names and one number are left.

    Intervals go first, those of the last metric before the others, then counts, then metrics from
    the last one on; the first metric stays.
    """
    intervals = [i for i, (_, name) in enumerate(grid.header) if name == INTERVAL]
    numbers = [i for i in range(len(grid.header)) if grid.right(i)]
    if intervals:
        return intervals[-1]
    return numbers[-1] if len(numbers) > 1 else None


def _without(grid: TableGrid, column: int) -> TableGrid:
    def rest(items: Sequence[Item]) -> list[Item]:
        return [item for i, item in enumerate(items) if i != column]

    header = rest(grid.header)
    names = {name for _, name in header}
    orphans = [note for name, note in grid.explained.items() if name not in names]
    return replace(
        grid,
        header=header,
        notes=[note for note in grid.notes if note not in orphans],
        advice=[name for name in grid.advice if name in names],
        rows=[rest(row) for row in grid.rows],
        numeric=rest(grid.numeric),
    )


def _with_short_cells(grid: TableGrid, width: int) -> TableGrid:
    """Return the table with the texts of its widest columns cut."""
    names = [i for i in range(len(grid.header)) if not grid.right(i)]
    over = max(map(text_width, _table_lines(grid))) - width
    for column in sorted(names, key=lambda i: -_column_width(grid, i)):
        room = max(LEAST, _column_width(grid, column) - over)
        over -= _column_width(grid, column) - room
        group, name = grid.header[column]
        header = [*grid.header]
        header[column] = (group, cut_text(name, room))
        rows = [
            [replace(cell, text=cut_text(cell.text, room)) if i == column else cell
             for i, cell in enumerate(row)]
            for row in grid.rows
        ]  # fmt: skip
        grid = replace(grid, header=header, rows=rows)
        if over <= 0:
            break
    return grid


def _column_width(grid: TableGrid, column: int) -> int:
    cells: list[TableCell] = [row[column] for row in grid.rows]
    return max(text_width(text) for text in [grid.header[column][1], *(c.text for c in cells)])
