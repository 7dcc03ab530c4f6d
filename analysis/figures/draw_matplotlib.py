"""Figures for print: matplotlib, PNG and PDF, sized for a page and readable on it."""

import io
import re
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure as Sheet
from matplotlib.ticker import (
    LogLocator,
    MaxNLocator,
    NullFormatter,
    NullLocator,
    ScalarFormatter,
    StrMethodFormatter,
)

from analysis.figures.legends import MARKERS, dash_of, draw_legend
from analysis.figures.model import (
    COLOUR_SCALE,
    COLOURS,
    QUIET,
    Axis,
    BarMarks,
    Figure,
    Floats,
    HeatmapMark,
    LineMark,
    Panel,
    PictureMark,
    PointMarks,
)

PAGE_WIDTH = 6.75
"""Inches: the text width of a conference page."""
COLUMN_WIDTH = 4.2
ROW_HEIGHT = 2.5
PICTURE = 0.95
"""Inches of side."""
DPI = 220
STYLE: Any = {
    "font.size": 8.5,
    "font.family": "DejaVu Sans",
    "axes.titlesize": 8.5,
    "axes.labelsize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.grid": True,
    "grid.color": "#E3E6EA",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "lines.markersize": 4.5,
    "pdf.fonttype": 42,  # outlines stay text: publishers refuse Type 3
    "svg.fonttype": "none",
}


MANY = 200
"""From so many points on they are small, and a picture: each as an outline would take 150 bytes."""
REPEATED_ID = re.compile(r' id="[A-Za-z][A-Za-z0-9.]*_\d+"')
"""Names that matplotlib gives to groups: figures of one page would share them, and none is used."""


class DrawnFigure:
    """A figure that is laid out once, for all the files that show it."""

    def __init__(self, figure: Figure) -> None:
        """Lay the figure out."""
        self.name = figure.name
        with mpl.rc_context(STYLE):
            self._sheet = _laid_out(figure)

    def save(self, folder: Path) -> list[Path]:
        """Write `name`.png and `name`.pdf into `folder` and return their paths."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"{self.name}.{kind}" for kind in ("png", "pdf")]
        with mpl.rc_context(STYLE):
            for path in paths:
                # No time of making inside: the same record gives the same file.
                dated = {"CreationDate": None} if path.suffix == ".pdf" else None
                self._sheet.savefig(path, dpi=DPI, metadata=dated)
        return paths

    def svg(self) -> str:
        """Return the figure as an ``<svg>`` for a page, whose text stays text."""
        buffer = io.StringIO()
        # The names of clip paths are hashes: two figures of a page must not share one.
        with mpl.rc_context({**STYLE, "svg.hashsalt": self.name}):
            self._sheet.savefig(buffer, format="svg", dpi=DPI, metadata={"Date": None})
        drawn = buffer.getvalue()
        return REPEATED_ID.sub("", drawn[drawn.index("<svg") :])


def save_figure(figure: Figure, folder: Path) -> list[Path]:
    """Write `name`.png and `name`.pdf into `folder` and return their paths."""
    return DrawnFigure(figure).save(folder)


def png_bytes(figure: Figure) -> bytes:
    """Return the figure as a PNG, for a notebook."""
    buffer = io.BytesIO()
    with mpl.rc_context(STYLE):
        _laid_out(figure).savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()


def draw_figure(figure: Figure) -> Sheet:
    """Return the figure drawn, outside pyplot and its state."""
    sheet = Sheet(figsize=_figure_size(figure), layout="constrained")
    grid = sheet.subplots(figure.rows, figure.columns, squeeze=False)
    for axes, panel in zip(grid.flat, figure.panels, strict=False):
        _draw_panel(axes, panel)
    for axes in grid.flat[len(figure.panels) :]:
        axes.set_axis_off()
    draw_legend(sheet, figure)
    return sheet


def _laid_out(figure: Figure) -> Sheet:
    sheet = draw_figure(figure)
    sheet.draw_without_rendering()
    sheet.set_layout_engine("none")  # once is enough, whatever the number of files
    return sheet


def _figure_size(figure: Figure) -> tuple[float, float]:
    if all(panel.bare for panel in figure.panels):
        return PICTURE * figure.columns, (PICTURE + 0.16) * figure.rows
    width = COLUMN_WIDTH if figure.columns == 1 else PAGE_WIDTH
    bars = [m for p in figure.panels for m in p.marks if isinstance(m, BarMarks) and m.horizontal]
    if bars:
        return width, 0.8 + 0.3 * max(len(mark.y) for mark in bars)
    if any(isinstance(m, PointMarks) and m.horizontal for p in figure.panels for m in p.marks):
        rows = max(len(panel.y.ticks) for panel in figure.panels)
        further = max(panel.y.further_lines for panel in figure.panels)
        return PAGE_WIDTH, 0.8 + (0.2 + 0.13 * further) * rows
    height = ROW_HEIGHT if figure.columns < 4 else 1.9
    return width, height * figure.rows


def _draw_panel(axes: Axes, panel: Panel) -> None:
    axes.set_title(panel.title, loc="center" if panel.bare else "left")
    bars = [mark for mark in panel.marks if isinstance(mark, BarMarks)]
    for mark in panel.marks:
        match mark:
            case LineMark():
                _draw_line(axes, mark)
            case PointMarks():
                _draw_points(axes, mark)
            case BarMarks():
                _draw_bars(axes, mark, bars.index(mark), len(bars))
            case HeatmapMark():
                _draw_heatmap(axes, mark)
            case PictureMark():
                axes.imshow(mark.rgb_HWC, interpolation="nearest")
    if panel.bare:
        axes.set_axis_off()
        return
    _draw_axis(axes, panel.x, "x")
    _draw_axis(axes, panel.y, "y")


def _draw_line(axes: Axes, mark: LineMark) -> None:
    colour = COLOURS[mark.style % len(COLOURS)]
    marker = MARKERS[mark.style % len(MARKERS)] if mark.markers else None
    dash = dash_of(mark.style)
    if mark.low is not None and mark.high is not None and not mark.band:
        axes.errorbar(mark.x, mark.y, yerr=_error_lengths(mark), color=colour, marker=marker,
                      linestyle=dash, capsize=2.5, elinewidth=1,
                      rasterized=len(mark.x) >= MANY)  # fmt: skip
        return
    axes.plot(mark.x, mark.y, color=colour, marker=marker, linestyle=dash)
    if mark.low is not None and mark.high is not None:
        axes.fill_between(mark.x, mark.low, mark.high, color=colour, alpha=0.18, linewidth=0)


def _draw_points(axes: Axes, mark: PointMarks) -> None:
    if mark.quiet:
        axes.plot(mark.x, mark.y, "o", color=QUIET, markersize=2.4, alpha=0.7, zorder=1.5,
                  rasterized=len(mark.x) >= MANY)  # fmt: skip
        return
    colour = COLOURS[mark.style % len(COLOURS)]
    marker = MARKERS[mark.style % len(MARKERS)]
    many = len(mark.x) >= MANY
    lengths: Any = {"xerr" if mark.horizontal else "yerr": _error_lengths(mark)}
    axes.errorbar(mark.x, mark.y, **lengths, color=colour, marker=marker,
                  markersize=2.5 if many else 4.5, linestyle="none", capsize=0, elinewidth=0.9,
                  rasterized=many)  # fmt: skip


def _draw_bars(axes: Axes, mark: BarMarks, index: int, count: int) -> None:
    colour = COLOURS[mark.style % len(COLOURS)]
    thick = 0.8 / count
    place = mark.x + (index - (count - 1) / 2) * thick
    if mark.horizontal:
        axes.barh(place, mark.y, thick * 0.92, color=colour)
        axes.grid(False, axis="y")
        return
    axes.bar(place, mark.y, thick * 0.92, color=colour, yerr=_error_lengths(mark),
             error_kw={"capsize": 2, "elinewidth": 0.9, "ecolor": "#222"})  # fmt: skip
    axes.grid(False, axis="x")


def _draw_heatmap(axes: Axes, mark: HeatmapMark) -> None:
    root = PowerNorm(0.5, vmin=0, vmax=max(float(mark.z.max(initial=0)), 1e-9))
    mesh = axes.pcolormesh(
        mark.x_edges, cell_edges(mark.y), mark.z, cmap=COLOUR_SCALE, norm=root, rasterized=True
    )
    axes.grid(False)
    figure = axes.get_figure()
    assert figure is not None
    figure.colorbar(mesh, ax=axes, label=mark.unit)


def cell_edges(centres: Floats) -> Floats:
    """Return the edges of cells around rising centres."""
    if len(centres) == 1:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    middle = (centres[1:] + centres[:-1]) / 2
    return np.concatenate([[2 * centres[0] - middle[0]], middle, [2 * centres[-1] - middle[-1]]])


def _draw_axis(axes: Axes, axis: Axis, which: str) -> None:
    own = axes.xaxis if which == "x" else axes.yaxis
    own.set_label_text(axis.title)
    if axis.ticks:
        long = max(map(len, axis.ticks.values())) * len(axis.ticks) > 60
        turned: Any = {"rotation": 30, "ha": "right"} if long and which == "x" else {}
        own.set_ticks(list(axis.ticks), list(axis.ticks.values()), **turned)
    elif axis.log:
        (axes.set_xscale if which == "x" else axes.set_yscale)("log")
        limits = axis.range or (axes.get_xlim() if which == "x" else axes.get_ylim())
        if axis.range is not None:  # errors: numbers that are read off
            own.set_major_locator(LogLocator(subs=(1, 2, 5)))
            own.set_major_formatter(StrMethodFormatter("{x:g}"))
            own.set_minor_locator(NullLocator())
        elif (
            limits[1] / limits[0] < 30
        ):  # not a power of ten in sight: name the ticks that there are
            own.set_major_formatter(ScalarFormatter())
            own.set_major_locator(MaxNLocator(5))
            own.set_minor_locator(NullLocator())
            own.set_minor_formatter(NullFormatter())
    elif axis.whole:
        own.set_major_locator(MaxNLocator(6, integer=True))
    if axis.range is not None:
        (axes.set_xlim if which == "x" else axes.set_ylim)(*axis.range)
    if axis.reverse:
        (axes.invert_xaxis if which == "x" else axes.invert_yaxis)()


def _error_lengths(mark: LineMark | PointMarks | BarMarks) -> Floats | None:
    if mark.low is None or mark.high is None or np.isnan(mark.low).all():
        return None
    middle = mark.x if isinstance(mark, PointMarks) and mark.horizontal else mark.y
    return np.vstack([middle - mark.low, mark.high - middle])
