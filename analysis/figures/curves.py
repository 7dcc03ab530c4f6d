"""Learning curves (Fig. 5) and importances."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from analysis.figures.model import (
    Axis,
    BarMarks,
    Figure,
    LineMark,
    Panel,
)
from analysis.statistics.summary import summarise_seeds
from analysis.tables.display_names import (
    axis_name,
)
from trainables.metrics import PERCENT, TRAIN_LOSS, VALIDATION_ERROR, description_of

MOST_CURVES = 6
"""More curves than this in one panel are not told apart."""
INTERVAL_NOTE = (
    "Bars and bands: 95% interval of the mean over seeds (t; of errors, on the log-odds), each for "
    "itself"
)


def learning_curves(
    history: pd.DataFrame,
    labels: Mapping[str, str],
    *,
    metrics: Sequence[str] = (VALIDATION_ERROR, TRAIN_LOSS),
) -> Figure | None:
    """Return metrics against epochs, a curve per label: the mean over its runs (Fig. 5).

    Args:
        history: as from `trials.history`.
        labels: from run id to what its curve is called; runs of one label are seeds.
        metrics: a panel each; one that is not on record gets none.
    """
    history = history[history["metric"].isin(metrics) & history["run_id"].isin(labels)]
    history = history.assign(label=history["run_id"].map(dict(labels)))
    order = list(dict.fromkeys(labels.values()))[:MOST_CURVES]
    panels = []
    for metric in metrics:
        of_metric = history[history["metric"] == metric]
        errors = description_of(metric).unit == PERCENT
        marks = [
            _mean_curve(of_metric[of_metric["label"] == label], label, style, errors=errors)
            for style, label in enumerate(order)
        ]
        marks = [mark for mark in marks if len(mark.x)]
        if marks:
            panels.append(Panel(marks, Axis("epoch", whole=True), Axis(axis_name(metric))))
    if not panels:
        return None
    caption = f"By epoch, mean over seeds. {INTERVAL_NOTE}."
    runs = tuple(dict.fromkeys(history["run_id"]))
    return Figure("learning-curves", "Learning curves", caption, panels, len(panels), runs)


def importance_bars(shares: Mapping[str, float], *, caption: str) -> Figure | None:
    """Return a bar per factor, the most important on top."""
    if not shares:
        return None
    order = sorted(shares.items(), key=lambda item: item[1])
    at = np.arange(len(order), dtype=float)
    bars = BarMarks(at, np.array([share for _, share in order]), horizontal=True)
    ticks = {float(i): name for i, (name, _) in enumerate(order)}
    panel = Panel([bars], Axis("importance, as a share of the sum"), Axis("", ticks=ticks))
    return Figure("importance", "Importance of the searched factors", caption, [panel])


def _mean_curve(history: pd.DataFrame, label: str, style: int, *, errors: bool) -> LineMark:
    values = history.pivot(index="epoch", columns="run_id", values="value")
    # An epoch that some seeds never reached would break the curve: the rest had other seeds.
    rows = values.notna().all(axis=1)
    kept = values[rows].to_numpy(dtype=float)
    summaries = [summarise_seeds(row, method="log-odds" if errors else "t") for row in kept]
    single = values.shape[1] < 2
    return LineMark(
        values.index[rows].to_numpy(dtype=float),
        np.array([summary.mean for summary in summaries]),
        label,
        style,
        None if single else np.array([summary.low for summary in summaries]),
        None if single else np.array([summary.high for summary in summaries]),
    )
