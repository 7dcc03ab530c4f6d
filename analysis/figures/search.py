"""What a search has found: its course, and the front of several objectives."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from analysis.figures.axes import measured_axis
from analysis.figures.curves import interval_note
from analysis.figures.model import Axis, Figure, LineMark, Mark, Panel, PointMarks
from analysis.record.names import CONFIGURATION
from analysis.tables.display_names import axis_name
from analysis.tables.printed import setting_text
from trainables.metrics import VALIDATION_ERROR

MANY_CONFIGURATIONS = 60
"""From here on the points of a search carry no error bars."""


def search_course(
    table: pd.DataFrame, frame: pd.DataFrame, *, objective: str = VALIDATION_ERROR
) -> Figure | None:
    """Return the objective of each configuration in the order in which they were tried.

    Returns:
        The figure, or None with fewer than five configurations that have a number.
    """
    order = {key: i for i, key in enumerate(dict.fromkeys(frame[CONFIGURATION]))}
    tried = table[table[f"{objective}_n"] > 0]
    tried = tried.sort_values(CONFIGURATION, key=lambda keys: keys.map(order))
    if len(tried) < 5:
        return None
    number = np.arange(1, len(tried) + 1, dtype=float)
    mean = tried[f"{objective}_mean"].to_numpy(dtype=float)
    best = LineMark(number, np.minimum.accumulate(mean), "lowest so far", 1)
    many = len(tried) > MANY_CONFIGURATIONS
    single = PointMarks(
        number,
        mean,
        "configuration",
        0,
        low=None if many else tried[f"{objective}_low"].to_numpy(dtype=float),
        high=None if many else tried[f"{objective}_high"].to_numpy(dtype=float),
    )
    ends = [end for end in (single.low, single.high) if end is not None]
    scale = measured_axis(objective, [mean], ends)
    panel = Panel([single, best], Axis("configurations tried", whole=True), scale)
    bars = "" if many else f" {interval_note(tried['n'])}"
    what = "mean over seeds" if tried["n"].max() > 1 else "value"
    caption = f"The course of the search: each configuration's {what}.{bars}"
    runs = tuple(run for ids in tried["run_ids"] for run in ids)
    return Figure("search-course", "The course of the search", caption, [panel], 1, runs)


def pareto_front(
    table: pd.DataFrame, factors: Sequence[str], objectives: Sequence[str]
) -> Figure | None:
    """Return the configurations by two objectives at a time, those that are best joined.

    Args:
        table: as from `over_configurations` with all the objectives; its best rows are those that
            no other one dominates in all objectives together.
        factors: what names a configuration.
        objectives: a panel for each two of them.

    Returns:
        The figure, or None with one objective, or fewer than two configurations with a number.
    """
    means = table[[f"{name}_mean" for name in objectives]].to_numpy(dtype=float)
    full = table.loc[np.isfinite(means).all(axis=1), :]
    if len(objectives) < 2 or len(full) < 2:
        return None
    panels = [_panel_of(full, factors, *pair) for pair in combinations(objectives, 2)]
    caption = (
        "One point per configuration: its mean over seeds. Orange: no other configuration is "
        "better in one objective without being worse in another."
    )
    runs = tuple(run for ids in full["run_ids"] for run in ids)
    title = "The objectives against each other"
    return Figure("pareto-front", title, caption, panels, min(2, len(panels)), runs)


def _panel_of(table: pd.DataFrame, factors: Sequence[str], across: str, along: str) -> Panel:
    best = table["best"].to_numpy(dtype=bool)
    rest, front = table[~best], table[best].sort_values([f"{across}_mean", f"{along}_mean"])
    marks: list[Mark] = []
    if len(rest):
        marks.append(_points_of(rest, factors, across, along, name="dominated", style=0))
    if len(front) > 1:
        at = [front[f"{name}_mean"].to_numpy(dtype=float) for name in (across, along)]
        marks.append(LineMark(at[0], at[1], "", 1))
    if len(front):
        marks.append(_points_of(front, factors, across, along, name="best", style=1))
    return Panel(marks, Axis(axis_name(across)), Axis(axis_name(along)))


def _points_of(
    table: pd.DataFrame, factors: Sequence[str], across: str, along: str, *, name: str, style: int
) -> PointMarks:
    return PointMarks(
        table[f"{across}_mean"].to_numpy(dtype=float),
        table[f"{along}_mean"].to_numpy(dtype=float),
        name,
        style,
        labels=[setting_text(row, factors) for _, row in table.iterrows()],
    )
