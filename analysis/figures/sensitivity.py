"""The error over a searched number with its band, and Sobol's indices of several numbers."""

from collections.abc import Sequence

import numpy as np

from analysis.counted import count_text
from analysis.figures.axes import measured_axis
from analysis.figures.model import Axis, BarMarks, Figure, LineMark, Mark, Panel, PointMarks
from analysis.statistics.sobol import SobolIndices
from analysis.tables.display_names import axis_name, number_text
from analysis.tables.numeric_factors import FactorCurve


def sensitivity_curves(curves: Sequence[FactorCurve], *, metric: str) -> Figure | None:
    """Return a panel for each curve: the band, the tested values, and those that do as well.

    Args:
        curves: as from `tables.numeric_factors.study_sensitivity`.
        metric: the error that they are of.
    """
    if not curves:
        return None
    panels = [_curve_panel(each, metric) for each in curves]
    level = f"{100 * curves[0].curve.level:.0f}%"
    within = f"within {number_text(curves[0].curve.margin)} points"
    spanned = (
        f"The line below spans the values that do as well as the best, {within}, all at once with "
        f"{level}. "
        if any(each.curve.shown_as_good for each in curves)
        else ""
    )
    caption = (
        "Curves of Gaussian processes through the values tested, with the seeds' own noise. The "
        f"band holds the whole curve with a probability of {level}; it leaves out what the seeds "
        "do to all values alike, which the intervals of the values do not. "
        f"{spanned}Further trials would tell most at the mark on the curve."
    )
    runs = tuple(run for each in curves for ids in each.rows["run_ids"] for run in ids)
    names = ", ".join(dict.fromkeys(each.name for each in curves))
    title = f"Sensitivity to {names}"
    return Figure("sensitivity", title, caption, panels, min(2, len(panels)), runs)


def sobol_bars(indices: SobolIndices | None) -> Figure | None:
    """Return two bars per factor: its share of the variance alone, and with its interactions."""
    if indices is None:
        return None
    order = list(reversed(indices.indices))
    at = np.arange(len(order), dtype=float)
    marks = []
    for style, name in enumerate(("alone", "total")):
        share = np.array([getattr(each, name) for each in order])
        label = "alone" if name == "alone" else "with interactions"
        marks.append(BarMarks(at, share, label, style, horizontal=True))
    ticks = {float(i): each.factor for i, each in enumerate(order)}
    panel = Panel(marks, Axis("share of the variance over the space"), Axis("", ticks=ticks))
    through = "the configurations"
    if indices.sample is not None:
        through = f"a sample of {count_text(indices.sample, 'configuration')}"
    caption = (
        f"Sobol's indices of a Gaussian process through {through}: what moves the error "
        "over the whole space, where PED-ANOVA asks what makes a configuration one of the best. "
        f"Predicted without itself, {100 * indices.explained:.0f}% of the variance between "
        "configurations is explained. They describe this search: few trials, rough shares."
    )
    return Figure("sobol", "Sobol's indices of the searched numbers", caption, [panel])


def _curve_panel(each: FactorCurve, metric: str) -> Panel:
    curve, rows = each.curve, each.rows
    tested = [rows[f"{metric}_{part}"].to_numpy(dtype=float) for part in ("mean", "low", "high")]
    values = rows[each.factor].to_numpy(dtype=float)
    axis = measured_axis(metric, [curve.mean, tested[0]], [curve.low, curve.high, *tested[1:]])
    low, high = axis.range or (float(curve.low.min()), float(curve.high.max()))
    floor = low * (high / low) ** 0.02 if axis.log else low + 0.02 * (high - low)
    marks: list[Mark] = [
        LineMark(curve.grid, curve.mean, "curve", 0, curve.low, curve.high),
        PointMarks(values, tested[0], "values tested", 2, tested[1], tested[2]),
    ]
    for index, (start, end) in enumerate(curve.shown_as_good):
        name = "" if index else "do as well as the best"
        marks.append(LineMark(np.array([start, end]), np.full(2, floor), name, 1))
    at = int(np.abs(curve.grid - curve.next_value).argmin())
    marks.append(PointMarks(curve.grid[[at]], curve.mean[[at]], "tells most next", 3))
    return Panel(marks, Axis(axis_name(each.factor), log=each.log), axis, title=each.case)
