"""A table as comma-separated values: plain numbers, for programs to read."""

import csv
import io
import math
from collections.abc import Sequence

from analysis.tables.rendering import TableCell, TableGrid, plain_line


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
    writer.writerow([*(name for of_column in names for name in of_column), "best"])
    for row in grid.rows:
        texts = [
            text
            for i, (cell, of_column) in enumerate(zip(row, parts, strict=True))
            for text in _csv_texts(cell, of_column, numeric=grid.right(i))
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
