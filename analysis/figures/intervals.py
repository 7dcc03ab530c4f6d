"""The configurations of a study one below the other, each with its interval."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.counted import count_text
from analysis.figures.axes import measured_axis
from analysis.figures.curves import interval_note
from analysis.figures.model import Axis, Figure, Panel, PointMarks
from analysis.tables.display_names import display_name
from analysis.tables.printed import setting_text
from analysis.terminal import wrapped
from trainables.metrics import PERCENT, TEST_ERROR_LAST, VALIDATION_ERROR, description_of

MOST_ROWS = 40
"""Configurations in the plot: more rows than a page has."""
MOST_LINES = 60
"""Lines that the names of all rows may take together."""
NAME_WIDTH = 46
"""Characters in a line of a name: nearly half of the page's width."""
ASIDE = 0.14
"""Two metrics of a row stand this far above and below its middle."""


def interval_rows(
    table: pd.DataFrame,
    factors: Sequence[str],
    *,
    objective: str = VALIDATION_ERROR,
    test: str = TEST_ERROR_LAST,
) -> Figure | None:
    """Return a row per configuration, the best on top: means over seeds and their intervals.

    Args:
        table: as from `tables.over_configurations`.
        factors: what names a configuration.
        objective: the metric that selects.
        test: the metric that is reported.

    Returns:
        The figure, or None with fewer than two configurations that have a number.
    """
    metrics = [
        name
        for name in dict.fromkeys([objective, test])
        if f"{name}_n" in table and table[f"{name}_n"].sum()
    ]
    # Only errors share an axis.
    metrics = [name for name in metrics if description_of(name).unit == PERCENT] or metrics[:1]
    ran = table[table["n"] > 0]
    if len(ran) < 2 or not metrics:
        return None
    shown, names = _rows_that_fit(ran, factors)
    at = np.arange(len(shown), dtype=float)
    marks = []
    for style, metric in enumerate(metrics):
        aside = ASIDE * (2 * style - 1) if len(metrics) > 1 else 0.0
        mean, low, high = (
            shown[f"{metric}_{part}"].to_numpy(dtype=float) for part in ("mean", "low", "high")
        )
        marks.append(
            PointMarks(mean, at + aside, display_name(metric), style, low, high, horizontal=True)
        )
    ticks = {float(i): name for i, name in enumerate(names)}
    title = f"error ({PERCENT})" if len(metrics) > 1 else ""
    ends = [end for mark in marks for end in (mark.low, mark.high) if end is not None]
    axis = measured_axis(metrics[0], [mark.x for mark in marks], ends, title=title)
    rows = Axis("", ticks=ticks, reverse=True, range=(-0.6, len(shown) - 0.4))
    caption = f"A row per configuration. {interval_note(shown['n'])}"
    if len(shown) < len(ran):
        caption += f" {count_text(len(ran) - len(shown), 'configuration')} below are left out."
    runs = tuple(run for ids in shown["run_ids"] for run in ids)
    return Figure("intervals", "All configurations", caption, [Panel(marks, axis, rows)], 1, runs)


def _rows_that_fit(ran: pd.DataFrame, factors: Sequence[str]) -> tuple[pd.DataFrame, Sequence[str]]:
    """Return the first rows that a page has room for, and their names in lines."""
    shown = ran.head(MOST_ROWS)
    names = [_name_in_lines(setting_text(row, factors)) for _, row in shown.iterrows()]
    highest = max(name.count("\n") + 1 for name in names)
    fit = max(2, MOST_LINES // highest)
    return shown.head(fit), names[:fit]


def _name_in_lines(name: str) -> str:
    """Return a name whose lines break between settings, not within one."""
    return wrapped(name.replace(" = ", "\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}"), NAME_WIDTH)
