"""Learning curves (Fig. 5) and importances."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from analysis.figures.axes import measured_axis
from analysis.figures.model import (
    Axis,
    BarMarks,
    Figure,
    LineMark,
    Panel,
)
from analysis.statistics.summary import summarise_seeds
from analysis.tables.display_names import axis_name
from trainables.metrics import EPOCH, PERCENT, TRAIN_LOSS, VALIDATION_ERROR, description_of

MOST_CURVES = 6
"""More curves than this in one panel are not told apart with their intervals."""
MOST_BARE_CURVES = 10
"""More curves than this are not told apart without intervals either."""
INTERVAL_NOTE = (
    "Bars and bands: 95% interval of the mean over seeds (t; of errors, on the log-odds), each for "
    "itself; none where all seeds are equal"
)
NAMED = 20
"""Curves that are not drawn and yet named."""
ONE_SEED_NOTE = "One seed each: no interval can be given."


def interval_note(seeds: Iterable[int]) -> str:
    """Return what the bars and bands are, a sentence; with one seed each there are none.

    Args:
        seeds: how many each mean is over.
    """
    return f"{INTERVAL_NOTE}." if max(seeds, default=0) > 1 else ONE_SEED_NOTE


def learning_curves(
    history: pd.DataFrame,
    labels: Mapping[str, str],
    *,
    metrics: Sequence[str] = (VALIDATION_ERROR, TRAIN_LOSS),
    left_out: Sequence[str] = (),
) -> Figure | None:
    """Return metrics against epochs, a curve per label: the mean over its runs (Fig. 5).

    More than six curves have no bands, which would hide each other; more than ten are not drawn,
    and the caption names those that are left out.

    Args:
        history: as from `trials.history`.
        labels: from run id to what its curve is called; runs of one label are seeds.
        metrics: a panel each; one that is not on record gets none.
        left_out: what else has curves that are not to be drawn, for the caption.
    """
    history = history[history["metric"].isin(metrics) & history["run_id"].isin(labels)]
    history = history.assign(label=history["run_id"].map(dict(labels)))
    named = list(dict.fromkeys(labels.values()))
    order = named[:MOST_BARE_CURVES]
    bare = len(order) > MOST_CURVES
    panels = []
    for metric in metrics:
        of_metric = history[history["metric"] == metric]
        errors = description_of(metric).unit == PERCENT
        marks = [
            _mean_curve(of_metric[of_metric["label"] == label], label, style, errors=errors)
            for style, label in enumerate(order)
        ]
        marks = [mark for mark in marks if len(mark.x)]
        if bare:
            marks = [replace(mark, low=None, high=None) for mark in marks]
        if marks:
            ends = [end for mark in marks for end in (mark.low, mark.high) if end is not None]
            scale = measured_axis(metric, [mark.y for mark in marks], ends)
            panels.append(Panel(marks, Axis(axis_name(EPOCH), whole=True), scale))
    if not panels:
        return None
    seeds = history.groupby("label")["run_id"].nunique()
    note = (
        "Intervals are left out: so many would hide each other." if bare else interval_note(seeds)
    )
    mean = "mean over seeds" if seeds.max() > 1 else "a single seed"
    caption = f"By epoch, {mean}. {note}{_left_out_words([*named[len(order) :], *left_out])}"
    runs = tuple(dict.fromkeys(history["run_id"]))
    return Figure("learning-curves", "Learning curves", caption, panels, len(panels), runs)


def _left_out_words(names: Sequence[str]) -> str:
    """Return the sentence, after a space, that says which curves are not drawn; or nothing."""
    if not names:
        return ""
    listed = "; ".join(names[:NAMED])
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f" Not drawn: {listed}{more}."


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
    values = history.pivot(index=EPOCH, columns="run_id", values="value")
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
