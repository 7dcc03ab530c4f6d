"""The legend of a printed figure, and the markers and dashes that it tells apart."""

import textwrap
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Sheet
from matplotlib.lines import Line2D

from analysis.figures.model import (
    COLOURS,
    QUIET,
    BarMarks,
    Figure,
    LineMark,
    PointMarks,
    named_marks,
)

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES: Any = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)))
LEGEND_ROW = 0.17
"""Inches of height."""
LEGEND_CHARACTERS = 13
"""Of a legend's text in an inch, at least."""
MOST_LEGEND_COLUMNS = 4


def dash_of(style: int) -> Any:
    """Return the dash of a style; where colours come again they come with another dash."""
    return DASHES[(style + style // len(COLOURS)) % len(DASHES)]


def draw_legend(sheet: Sheet, figure: Figure) -> None:
    """Draw one legend above all panels, within the sheet, which grows by it."""
    named = named_marks(figure)
    if len(named) < 2:
        return
    marks = [
        m for p in figure.panels for m in p.marks if isinstance(m, LineMark | PointMarks | BarMarks)
    ]
    first = {mark.name: mark for mark in reversed(marks) if mark.name}
    handles = [_legend_handle(first[name]) for name in named]
    columns = _legend_columns(sheet, handles)
    legend = sheet.legend(handles=handles, loc="outside upper center", ncols=columns)
    # The rows of a legend take their room from the sheet, not from the panels.
    rows = -(-sum(str(handle.get_label()).count("\n") + 1 for handle in handles) // columns)
    sheet.set_figheight(sheet.get_figheight() + LEGEND_ROW * rows)
    legend.set_in_layout(True)


def _legend_columns(sheet: Sheet, handles: list[Line2D]) -> int:
    """Return in how many columns a legend is as wide as the sheet at most; wrap what is wider."""
    renderer = FigureCanvasAgg(sheet).get_renderer()  # type: ignore[no-untyped-call]  # Matplotlib's own is without annotations
    for columns in range(min(len(handles), MOST_LEGEND_COLUMNS), 0, -1):
        legend = sheet.legend(handles=handles, loc="upper center", ncols=columns)
        width = legend.get_window_extent(renderer).width
        legend.remove()
        if width <= sheet.bbox.width:
            return columns
    room = int(sheet.get_figwidth() * LEGEND_CHARACTERS)
    for handle in handles:
        handle.set_label(textwrap.fill(str(handle.get_label()), room))
    return 1


def _legend_handle(mark: LineMark | PointMarks | BarMarks) -> Line2D:
    colour = COLOURS[mark.style % len(COLOURS)]
    if isinstance(mark, BarMarks):
        return Line2D([], [], color=colour, marker="s", markersize=7, linestyle="", label=mark.name)
    lines = isinstance(mark, LineMark)
    marker = not isinstance(mark, LineMark) or mark.markers
    quiet = isinstance(mark, PointMarks) and mark.quiet
    return Line2D(
        [],
        [],
        color=QUIET if quiet else colour,
        linestyle=dash_of(mark.style) if lines else "none",
        marker=("o" if quiet else MARKERS[mark.style % len(MARKERS)]) if marker else None,
        markersize=2.4 if quiet else 4.5,
        label=mark.name,
    )
