"""Errors, or other objectives, against what was searched (Figs. 4 and 6)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from analysis.counted import count_text
from analysis.figures.axes import measured_axis
from analysis.figures.curves import MOST_CURVES, interval_note
from analysis.figures.model import (
    Axis,
    Figure,
    Floats,
    LineMark,
    Mark,
    Panel,
    PointMarks,
)
from analysis.record.names import CONFIGURATION, DATASET_NAME, SEED
from analysis.tables.configurations import hashable_value
from analysis.tables.display_names import (
    axis_name,
    display_name,
    setting_value_text,
    with_capital,
)
from analysis.tables.numeric_factors import is_logarithmic, is_numeric
from analysis.tables.printed import setting_text
from analysis.tables.seed_values import completed_trials
from trainables.metrics import PERCENT, TEST_ERROR_LAST, VALIDATION_ERROR, description_of

DODGE = 0.12
"""Points of one category stand this far apart."""


def error_by_factor(
    table: pd.DataFrame,
    frame: pd.DataFrame,
    factors: Sequence[str],
    *,
    objective: str = VALIDATION_ERROR,
    test: str = TEST_ERROR_LAST,
    space: Mapping[str, Any] | None = None,
    name: str = "error-by-factor",
) -> Figure | None:
    """Return error against each searched factor, with its interval over seeds (Figs. 4, 6).

    One factor: the objective and the test error against it, the single seeds behind. Two to six
    curves' worth of further factors: one curve each. More: one panel per factor, one point per
    configuration.

    Args:
        table: as from `tables.over_configurations`.
        frame: the trials that it was made from.
        factors: the factors that it shows, the first one first.
        objective: the metric that selects.
        test: the metric that is reported.
        space: the searched paths; a logarithmic range gets a logarithmic axis.
        name: of the figure's files.

    Returns:
        The figure, or None where no configuration has a number or nothing varies.
    """
    table = table[table[f"{objective}_n"] > 0]
    factors = [factor for factor in factors if table[factor].map(hashable_value).nunique() > 1]
    if table.empty or not factors:
        return None
    runs = tuple(run for ids in table["run_ids"] for run in ids)
    subject = "Error" if _is_error(objective) else with_capital(display_name(objective))
    if DATASET_NAME in factors:
        return _by_data_set(table, frame, factors, test, space, name, runs)
    if len(factors) == 1:
        panels = [
            _against_one(table, frame, factors[0], metrics, space)
            for metrics in _by_unit([objective, test])
            if any(table.get(f"{metric}_n", pd.Series([0])).sum() for metric in metrics)
        ]
        several = table["n"].max() > 1
        caption = interval_note(table["n"]) + (" Small points: single seeds." if several else "")
        title = f"{subject} against {display_name(factors[0])}"
        return Figure(name, title, caption, panels, len(panels), runs)
    by = _curve_factor(table, factors)
    if by is not None:
        others = [factor for factor in factors if factor != by]
        metrics = [metric for metric in dict.fromkeys([objective, test]) if f"{metric}_n" in table]
        panels = [_curves_by_factor(table, by, others, metric, space) for metric in metrics]
        each = " and ".join(map(display_name, others))
        caption = f"One curve for each {each}. {interval_note(table['n'])}"
        title = f"{subject} against {display_name(by)}"
        return Figure(name, title, caption, panels, len(panels), runs)
    panels = [_factor_panel(table, factor, objective, space) for factor in factors]
    caption = (
        f"{with_capital(display_name(objective))}, one point per configuration: its mean over "
        "seeds; the best is an orange square. All other factors vary along."
    )
    return Figure(
        name, f"{subject} against each factor", caption, panels, min(2, len(panels)), runs
    )


def _by_data_set(
    table: pd.DataFrame,
    frame: pd.DataFrame,
    factors: Sequence[str],
    test: str,
    space: Mapping[str, Any] | None,
    name: str,
    runs: tuple[str, ...],
) -> Figure | None:
    """Return a panel of test errors per data set, or None where the rest makes too many curves."""
    rest = [factor for factor in factors if factor != DATASET_NAME]
    by = _curve_factor(table, rest, within=[DATASET_NAME]) if rest else None
    if by is None:
        return None
    others = [factor for factor in rest if factor != by]
    panels = []
    for data in table[DATASET_NAME].unique():
        panel = _curves_by_factor(table[table[DATASET_NAME] == data], by, others, test, space)
        panels.append(replace(panel, title=display_name(str(data))))
    caption = (
        f"{with_capital(display_name(test))}, one panel per data set. {interval_note(table['n'])}"
    )
    return Figure(
        name, f"Error against {display_name(by)}", caption, panels, min(2, len(panels)), runs
    )


def _against_one(
    table: pd.DataFrame,
    frame: pd.DataFrame,
    factor: str,
    metrics: Sequence[str],
    space: Mapping[str, Any] | None,
) -> Panel:
    """Return the panel of a single factor: one curve per metric, the seeds behind."""
    table, at, x_axis = _axis_positions(table, factor, space)
    place = dict(zip(table[CONFIGURATION], at, strict=True))
    trials = completed_trials(frame)
    marks: list[Mark] = []
    for style, metric in enumerate(dict.fromkeys(metrics)):
        if f"{metric}_n" not in table or not table[f"{metric}_n"].sum():
            continue
        seeds = trials[trials[CONFIGURATION].isin(place) & trials[metric].notna()]
        aside = DODGE * (style - 0.5) if x_axis.ticks else 0.0
        marks.append(PointMarks(
            seeds[CONFIGURATION].map(place).to_numpy(dtype=float) + aside,
            seeds[metric].to_numpy(dtype=float),
            quiet=True,
            labels=[f"seed {seed}" for seed in seeds[SEED]],
        ))  # fmt: skip
        marks.append(_with_interval(table, at + aside, metric, display_name(metric), style, x_axis))
    title = _shared_axis_name(list(dict.fromkeys(metrics)))
    return Panel(marks, x_axis, _value_axis(metrics[0], marks, title=title))


def _value_axis(metric: str, marks: Sequence[Mark], *, title: str = "") -> Axis:
    """Return the axis of the values of lines and points, with the ends of their intervals."""
    held = [mark for mark in marks if isinstance(mark, LineMark | PointMarks)]
    ends = [end for mark in held for end in (mark.low, mark.high) if end is not None]
    return measured_axis(metric, [mark.y for mark in held], ends, title=title)


def _shared_axis_name(metrics: Sequence[str]) -> str:
    """Return what stands along an axis that several metrics share."""
    errors = all(map(_is_error, metrics))
    return f"error ({PERCENT})" if len(metrics) > 1 and errors else axis_name(metrics[0])


def _is_error(metric: str) -> bool:
    return description_of(metric).unit == PERCENT


def _by_unit(metrics: Sequence[str]) -> list[list[str]]:
    """Return the metrics in groups that share an axis: all errors, and each other by itself."""
    groups: dict[str, list[str]] = {}
    for metric in dict.fromkeys(metrics):
        groups.setdefault(PERCENT if _is_error(metric) else metric, []).append(metric)
    return list(groups.values())


def _curves_by_factor(
    table: pd.DataFrame,
    by: str,
    others: Sequence[str],
    metric: str,
    space: Mapping[str, Any] | None,
) -> Panel:
    table, at, x_axis = _axis_positions(table, by, space)
    keys = _combination_texts(table, others)
    order = list(dict.fromkeys(sorted(keys)))
    marks: list[Mark] = []
    for style, key in enumerate(order):
        aside = DODGE * (style - (len(order) - 1) / 2) if x_axis.ticks else 0.0
        chosen = (keys == key).to_numpy()
        marks.append(_with_interval(table[chosen], at[chosen] + aside, metric, key, style, x_axis))
    return Panel(marks, x_axis, _value_axis(metric, marks))


def _factor_panel(
    table: pd.DataFrame, factor: str, objective: str, space: Mapping[str, Any] | None
) -> Panel:
    table, at, x_axis = _axis_positions(table[table[factor].notna()], factor, space)
    mean = table[f"{objective}_mean"].to_numpy(dtype=float)
    best = table["best"].to_numpy(dtype=bool)
    labels = [_seeds_label(n) for n in table["n"]]
    marks = [
        PointMarks(at[~best], mean[~best], "configuration", 0,
               labels=[text for text, b in zip(labels, best, strict=True) if not b]),
        PointMarks(at[best], mean[best], "best", 1,
               labels=[text for text, b in zip(labels, best, strict=True) if b]),
    ]  # fmt: skip
    shown: list[Mark] = [mark for mark in marks if len(mark.x)]
    return Panel(shown, x_axis, _value_axis(objective, shown))


def _seeds_label(n: int) -> str:
    return f"mean of {count_text(int(n), 'seed')}"


def _with_interval(
    table: pd.DataFrame, at: Floats, metric: str, name: str, style: int, x_axis: Axis
) -> Mark:
    order = np.argsort(at, kind="stable")
    values = {
        part: table[f"{metric}_{part}"].to_numpy(dtype=float)[order]
        for part in ("mean", "low", "high")
    }
    if x_axis.ticks:  # categories have no order to connect
        return PointMarks(at[order], values["mean"], name, style, values["low"], values["high"])
    return LineMark(at[order], values["mean"], name, style, values["low"], values["high"],
                markers=True, band=False)  # fmt: skip


def _axis_positions(
    table: pd.DataFrame, factor: str, space: Mapping[str, Any] | None
) -> tuple[pd.DataFrame, Floats, Axis]:
    """Return the table, where each row stands along the factor's axis, and the axis."""
    values = table[factor]
    if is_numeric(values):
        at = values.to_numpy(dtype=float)
        return table, at, Axis(axis_name(factor), log=is_logarithmic(factor, at, space))
    texts = [setting_value_text(value) for value in values]
    place = {text: float(i) for i, text in enumerate(sorted(set(texts)))}
    ticks = {i: text for text, i in place.items()}
    return table, np.array([place[text] for text in texts]), Axis(axis_name(factor), ticks=ticks)


def _curve_factor(
    table: pd.DataFrame, factors: Sequence[str], within: Sequence[str] = ()
) -> str | None:
    """Return the factor to stand along the axis if the others leave few curves, else None."""
    for factor in sorted(factors, key=lambda name: not is_numeric(table.loc[:, name])):
        others = [name for name in factors if name != factor]
        curves = _combination_texts(table, others)
        groups = [table[name] for name in within]
        levels = table.groupby([curves, *groups])[factor].agg(
            lambda v: v.map(hashable_value).nunique()
        )
        repeats = table.groupby([curves, *groups, table[factor].map(hashable_value)]).size()
        if curves.nunique() <= MOST_CURVES and (levels >= 2).all() and (repeats == 1).all():
            return factor
    return None


def _combination_texts(table: pd.DataFrame, factors: Sequence[str]) -> "pd.Series[Any]":
    """Return for each row what its other factors are, as one text."""
    texts = [setting_text(row, factors) for _, row in table.iterrows()]
    return pd.Series(texts, index=table.index, dtype=object)
