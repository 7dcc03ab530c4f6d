"""Where an axis of measured values begins and ends, and when it counts by orders of magnitude."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from analysis.figures.model import Axis, Floats
from analysis.tables.display_names import axis_name
from trainables.metrics import PERCENT, description_of

MARGIN = 0.05
"""Of the values' range, left free at either end."""
FLATTENING = 5.0
"""So many times the range of the lower three quarters of the values, and the rest hides them."""
DEPTH = 10.0
"""So many times below the lowest mean a logarithmic axis ends; an interval may come close to 0."""
FEWEST = 4
"""Fewer values than this hide nothing."""


def measured_axis(
    metric: str, means: Iterable[Floats], ends: Iterable[Floats] = (), *, title: str = ""
) -> Axis:
    """Return the axis of a metric.

    Errors stay within 0 to 100. Where a few values flatten the rest the axis is logarithmic.

    Args:
        metric: whose values.
        means: the values that are to be told apart.
        ends: of their intervals.
        title: along the axis; empty takes the metric's.
    """
    axis = Axis(title or axis_name(metric))
    values = _finite(means)
    if description_of(metric).unit != PERCENT or not len(values):
        return axis
    every = np.concatenate([values, _finite(ends)])
    if _is_flattened(values):
        lowest = max(float(every.min()), float(values.min()) / DEPTH)
        return replace(axis, log=True, range=(lowest / 1.1, min(100.0, float(every.max()) * 1.1)))
    free = max(MARGIN * float(np.ptp(every)), 0.05)
    return replace(
        axis, range=(max(0.0, float(every.min()) - free), min(100.0, float(every.max()) + free))
    )


def _is_flattened(values: Floats) -> bool:
    lowest = float(values.min())
    if len(values) < FEWEST or lowest <= 0:
        return False
    upper = float(np.quantile(values, 0.75, method="lower"))
    return bool(values.max() - lowest > FLATTENING * (upper - lowest) and values.max() > 3 * lowest)


def _finite(parts: Iterable[Floats]) -> Floats:
    together = np.concatenate([np.array([], dtype=float), *(np.ravel(part) for part in parts)])
    finite: Floats = together[np.isfinite(together)]
    return finite
