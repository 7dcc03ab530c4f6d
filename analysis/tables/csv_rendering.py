"""A table as comma-separated values: plain numbers, for programs to read."""

import csv
import io
import math
from collections.abc import Sequence

from analysis.tables.rendering import TableCell, TableGrid, plain_line

FORMULA_STARTS = ("=", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""
SIGNS = ("+", "-")
"""What it takes for such a beginning too, and what numbers begin with."""
NUMERIC_CHARACTERS = frozenset("0123456789.,+-±–−×%()[]= e\u00a0")
"""Of numbers, with their spreads, intervals and verdicts."""


def to_csv(grid: TableGrid) -> str:
    """Return comma-separated values in plain numbers; `best` tells the rows in bold.

    A column whose cells have numbers behind their text becomes a column for each of these.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    parts = [
        list(dict.fromkeys(name for row in grid.rows for name in row[i].numbers))
        for i in range(len(grid.header))
    ]
    names = [
        [f"{group} {part}".strip() for part in of_column] or [f"{group} {name}".strip()]
        for (group, name), of_column in zip(grid.header, parts, strict=True)
    ]
    heading = [harmless_cell(name) for of_column in names for name in of_column]
    writer.writerow([*heading, "best"])
    for row in grid.rows:
        texts = [
            text
            for i, (cell, of_column) in enumerate(zip(row, parts, strict=True))
            for text in map(harmless_cell, _csv_texts(cell, of_column, numeric=grid.right(i)))
        ]
        writer.writerow([*texts, "yes" if any(cell.strong for cell in row) else ""])
    return buffer.getvalue()


def _csv_texts(cell: TableCell, parts: Sequence[str], *, numeric: bool) -> list[str]:
    if parts:
        found = [cell.numbers.get(part, math.nan) for part in parts]
        return ["" if math.isnan(number) else f"{number:.10g}" for number in found]
    text = plain_line(cell)
    if numeric:
        return ["" if text == "–" else text.replace("−", "-")]
    return [text]


def harmless_cell(text: str) -> str:
    """Return a cell that a spreadsheet takes for text, not for a formula; numbers stay numbers.

    A spreadsheet computes what begins with one of a few characters, unless an apostrophe is first.
    """
    is_signed_text = text.startswith(SIGNS) and not set(text) <= NUMERIC_CHARACTERS
    is_formula = text.startswith(FORMULA_STARTS) or is_signed_text
    return f"'{text}" if is_formula else text
