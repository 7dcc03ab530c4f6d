"""What a figure shows, apart from how it is drawn: panels of marks, with their axes in words.

`draw_static` makes PNG and PDF for print from it, `draw_interactive` a chart for the browser. All
arrays are plain; a mark's `style` picks colour, marker and dash together, so that a figure reads
without colour too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#8A6D00", "#4B4B4B", "#56B4E9", "#882255")
"""Okabe & Ito 2008, told apart with every common colour blindness; its yellow, which white paper
swallows, is darkened. By style, round about."""
QUIET = "#9AA3AD"
"""For what is context."""
COLOUR_SCALE = "cividis"
"""Of heatmaps: even in lightness, the same to colour-blind eyes."""


@dataclass(frozen=True, eq=False)
class LineMark:
    """A curve, with a band if `low` and `high` are given."""

    x: Floats
    y: Floats
    name: str = ""
    style: int = 0
    low: Floats | None = None
    high: Floats | None = None
    markers: bool = False
    band: bool = True
    """Whether low and high are drawn as a band, else as error bars."""


@dataclass(frozen=True, eq=False)
class PointMarks:
    """Single points, with error bars if `low` and `high` are given."""

    x: Floats
    y: Floats
    name: str = ""
    style: int = 0
    low: Floats | None = None
    high: Floats | None = None
    quiet: bool = False
    """Small and grey: context such as the single seeds."""
    labels: Sequence[str] = ()
    """For each point what is shown on hovering."""
    horizontal: bool = False
    """Whether low and high are ends along x rather than along y."""


@dataclass(frozen=True, eq=False)
class BarMarks:
    """Bars from zero, side by side with the other bars of the panel."""

    x: Floats
    y: Floats
    name: str = ""
    style: int = 0
    low: Floats | None = None
    high: Floats | None = None
    horizontal: bool = False


@dataclass(frozen=True, eq=False)
class HeatmapMark:
    """Cells coloured by the square root of their value, so that small ones are seen too.

    Row i of `z` belongs to `y[i]`.
    """

    x_edges: Floats
    y: Floats
    z: Floats
    unit: str


@dataclass(frozen=True, eq=False)
class PictureMark:
    """An image, uint8, of shape (height, width, 3)."""

    rgb_HWC: NDArray[np.uint8]


Mark = LineMark | PointMarks | BarMarks | HeatmapMark | PictureMark


@dataclass(frozen=True)
class Axis:
    """An axis: its name with the unit, and what stands along it."""

    title: str = ""
    ticks: dict[float, str] = field(default_factory=dict)
    """Named positions, for categories; empty means numbers. A name may have several lines."""
    log: bool = False
    reverse: bool = False
    range: tuple[float, float] | None = None
    """Its ends, where panels are to be compared; None takes those of the data."""
    whole: bool = False
    """Whether only whole numbers make sense (epochs, ranks)."""

    @property
    def further_lines(self) -> int:
        """How many lines the longest name of a position has beyond its first."""
        return max((name.count("\n") for name in self.ticks.values()), default=0)


@dataclass(frozen=True)
class Panel:
    """One pair of axes; a panel of pictures has none."""

    marks: Sequence[Mark]
    x: Axis = field(default_factory=Axis)
    y: Axis = field(default_factory=Axis)
    title: str = ""

    @property
    def bare(self) -> bool:
        """Whether it is a picture, drawn without axes."""
        return any(isinstance(mark, PictureMark) for mark in self.marks)


@dataclass(frozen=True)
class Figure:
    """Some panels in rows of `columns`."""

    name: str
    """Of its files."""
    title: str
    caption: str
    """What is drawn, over which seeds, and what the bars or bands are."""
    panels: Sequence[Panel]
    columns: int = 1
    runs: tuple[str, ...] = ()
    """The MLflow runs that it rests on."""

    @property
    def rows(self) -> int:
        """How many rows of panels there are."""
        return -(-len(self.panels) // self.columns)


def named_marks(figure: Figure) -> dict[str, int]:
    """Return the named marks of a figure and their styles, for one legend."""
    return {
        mark.name: mark.style
        for panel in figure.panels
        for mark in panel.marks
        if isinstance(mark, LineMark | PointMarks | BarMarks) and mark.name
    }
