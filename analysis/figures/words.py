"""A figure in words: for who hears a page, and for where no picture is shown."""

from collections.abc import Iterator

import numpy as np

from analysis.counted import count_text
from analysis.figures import model

MOST_POINTS = 20
"""Points that are named one by one."""


def figure_words(figure: model.Figure) -> str:
    """Return what the figure shows: its axes, and where each of its curves or points lies."""
    parts = [part for panel in figure.panels for part in _panel_words(panel)]
    pictures = sum(panel.bare for panel in figure.panels)
    if pictures:
        parts.append(f"{count_text(pictures, 'picture')}.")
    return " ".join([f"{figure.title}.", *parts])


def _panel_words(panel: model.Panel) -> Iterator[str]:
    if panel.bare:
        return
    along = [axis.title for axis in (panel.x, panel.y) if axis.title]
    yield f"{panel.title + ': ' if panel.title else ''}{' against '.join(reversed(along))}."
    for mark in panel.marks:
        match mark:
            case model.LineMark():
                yield f"{mark.name or 'Curve'} from {_value(mark.y, 0)} to {_value(mark.y, -1)}."
            case model.PointMarks(quiet=False) | model.BarMarks():
                yield _points_words(mark, panel)
            case model.HeatmapMark():
                yield f"Cells coloured by the {mark.unit}."
            case model.PointMarks() | model.PictureMark():
                pass


def _points_words(mark: model.PointMarks | model.BarMarks, panel: model.Panel) -> str:
    values, places = (mark.x, mark.y) if mark.horizontal else (mark.y, mark.x)
    ticks = panel.y.ticks if mark.horizontal else panel.x.ticks
    if isinstance(mark, model.BarMarks):  # its x is always the place
        values, places = mark.y, mark.x
    name = mark.name or "Values"
    if ticks and len(values) <= MOST_POINTS:
        nearest = [min(ticks, key=lambda tick: abs(tick - place)) for place in places]
        names = (" ".join(ticks[at].split()) for at in nearest)
        named = (f"{name} {value:.3g}" for name, value in zip(names, values, strict=True))
        return f"{name}: {', '.join(named)}."
    finite = values[np.isfinite(values)]
    if not len(finite):
        return f"{name}: no values."
    return f"{name}: {len(finite)} points from {finite.min():.3g} to {finite.max():.3g}."


def _value(values: model.Floats, index: int) -> str:
    return f"{values[index]:.3g}" if len(values) else "nothing"
