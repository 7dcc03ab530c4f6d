"""The figures of a study, as descriptions to be drawn for print or for the browser.

What each is made from: error against a searched factor (the paper's Figs. 4 and 6), the course of a
search, learning curves (Fig. 5), importances, and from the diagnostics of trials the largest
targets (Fig. 2), the targets' distribution (Fig. 3), activation maps (Fig. 7) and the 2-D embedding
(Fig. 8).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.diagnostics import ActivationMaps, Embedding, SoftTargets
from analysis.drawing import (
    Axis,
    Bars,
    Figure,
    Floats,
    Heatmap,
    Line,
    Mark,
    Panel,
    Picture,
    Points,
)
from analysis.statistics import summarise
from analysis.tables import DATA, TEST, completed, hashable, setting_text
from analysis.words import axis, counted, plain_setting, title, word

MOST_CURVES = 6
"""More curves than this in one panel are not told apart."""
DODGE = 0.12
"""Points of one category stand this far apart."""
MANY_CONFIGURATIONS = 60
"""From here on the points of a search carry no error bars."""
INTERVAL = "Bars and bands: 95% interval of the mean over seeds (Student's t)"


def error_by_factor(
    table: pd.DataFrame,
    frame: pd.DataFrame,
    factors: Sequence[str],
    *,
    objective: str = "validation_error",
    test: str = TEST,
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
    factors = [factor for factor in factors if table[factor].map(hashable).nunique() > 1]
    if table.empty or not factors:
        return None
    runs = tuple(run for ids in table["run_ids"] for run in ids)
    if DATA in factors:
        return _by_data_set(table, frame, factors, test, space, name, runs)
    if len(factors) == 1:
        panel = _against_one(table, frame, factors[0], [objective, test], space)
        caption = f"{INTERVAL}; small points: single seeds."
        return Figure(name, f"Error against {word(factors[0])}", caption, [panel], 1, runs)
    by = _curve_factor(table, factors)
    if by is not None:
        others = [factor for factor in factors if factor != by]
        metrics = [metric for metric in dict.fromkeys([objective, test]) if f"{metric}_n" in table]
        panels = [_curves_by_factor(table, by, others, metric, space) for metric in metrics]
        caption = f"One curve for each {' and '.join(map(word, others))}. {INTERVAL}."
        return Figure(name, f"Error against {word(by)}", caption, panels, len(panels), runs)
    panels = [_slice(table, factor, objective, space) for factor in factors]
    caption = (
        f"{title(word(objective))}, one point per configuration: its mean over seeds; the best is "
        "an orange square. All other factors vary along."
    )
    return Figure(name, "Error against each factor", caption, panels, min(2, len(panels)), runs)


def search_course(
    table: pd.DataFrame, frame: pd.DataFrame, *, objective: str = "validation_error"
) -> Figure | None:
    """Return the objective of each configuration in the order in which they were tried.

    Returns:
        The figure, or None with fewer than five configurations that have a number.
    """
    order = {key: i for i, key in enumerate(dict.fromkeys(frame["configuration"]))}
    tried = table[table[f"{objective}_n"] > 0]
    tried = tried.sort_values("configuration", key=lambda keys: keys.map(order))
    if len(tried) < 5:
        return None
    number = np.arange(1, len(tried) + 1, dtype=float)
    mean = tried[f"{objective}_mean"].to_numpy(dtype=float)
    best = Line(number, np.minimum.accumulate(mean), "lowest so far", 1)
    many = len(tried) > MANY_CONFIGURATIONS
    single = Points(
        number,
        mean,
        "configuration",
        0,
        low=None if many else tried[f"{objective}_low"].to_numpy(dtype=float),
        high=None if many else tried[f"{objective}_high"].to_numpy(dtype=float),
    )
    panel = Panel([single, best], Axis("configurations tried", whole=True), Axis(axis(objective)))
    bars = "" if many else f" {INTERVAL}."
    caption = f"The course of the search: each configuration's mean over seeds.{bars}"
    runs = tuple(run for ids in tried["run_ids"] for run in ids)
    return Figure("search-course", "The course of the search", caption, [panel], 1, runs)


def learning_curves(
    history: pd.DataFrame,
    labels: Mapping[str, str],
    *,
    metrics: Sequence[str] = ("validation_error", "train_loss"),
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
        marks = [
            _curve(of_metric[of_metric["label"] == label], label, style)
            for style, label in enumerate(order)
        ]
        marks = [mark for mark in marks if len(mark.x)]
        if marks:
            panels.append(Panel(marks, Axis("epoch", whole=True), Axis(axis(metric))))
    if not panels:
        return None
    caption = f"By epoch, mean over seeds. {INTERVAL}."
    runs = tuple(dict.fromkeys(history["run_id"]))
    return Figure("learning-curves", "Learning curves", caption, panels, len(panels), runs)


def importances(shares: Mapping[str, float], *, caption: str) -> Figure | None:
    """Return a bar per factor, the most important on top."""
    if not shares:
        return None
    order = sorted(shares.items(), key=lambda item: item[1])
    at = np.arange(len(order), dtype=float)
    bars = Bars(at, np.array([share for _, share in order]), horizontal=True)
    ticks = {float(i): name for i, (name, _) in enumerate(order)}
    panel = Panel([bars], Axis("importance, as a share of the sum"), Axis("", ticks=ticks))
    return Figure("importance", "Importance of the searched factors", caption, [panel])


def top_targets(targets: Mapping[str, Sequence[SoftTargets]]) -> Figure | None:
    """Return the mean of the largest training targets, averaged over the epochs (Fig. 2).

    Args:
        targets: for each configuration its seeds' diagnostics.
    """
    marks: list[Mark] = []
    for style, (label, seeds) in enumerate(list(targets.items())[:MOST_CURVES]):
        if not seeds:
            continue
        ranks = min(seed.top_targets_EK.shape[1] for seed in seeds)
        means = np.array([seed.top_targets_EK[:, :ranks].mean(axis=0) for seed in seeds])
        summaries = [summarise(means[:, rank]) for rank in range(ranks)]
        marks.append(Bars(
            np.arange(1, ranks + 1, dtype=float),
            np.array([summary.mean for summary in summaries]),
            label,
            style,
            np.array([summary.low for summary in summaries]),
            np.array([summary.high for summary in summaries]),
        ))  # fmt: skip
    if not marks:
        return None
    panel = Panel(
        marks, Axis("rank of the target, largest first", whole=True), Axis("mean training target")
    )
    caption = (
        "The largest entries of the training target, averaged over epochs and, where the method "
        f"mixes, over mixed inputs. {INTERVAL}."
    )
    return Figure("top-targets", "The largest training targets", caption, [panel])


def target_distributions(targets: SoftTargets, *, of: str) -> Figure:
    """Return how training targets and global labels spread over [0, 1], by epoch (Fig. 3).

    Args:
        targets: one trial's diagnostics.
        of: which trial, for the caption.
    """
    held = targets.target_counts_EB
    # The first bin holds the many classes with next to no target and would hide all others.
    panels = [
        _distribution("training targets", targets.epochs_E, targets.target_edges, held, skip=1)
    ]
    if targets.global_edges is not None and targets.global_counts_EB is not None:
        panels.append(
            _distribution(
                "global soft labels",
                targets.epochs_E,
                targets.global_edges,
                targets.global_counts_EB,
            )
        )
    caption = (
        "One batch of training samples, originals and mixtures, after each epoch, from top to "
        f"bottom: the share of its entries in each bin, of {of}. The lowest bin of the training "
        "targets, the many classes with next to no target, is left out."
    )
    name = "target-distributions"
    return Figure(name, "Targets over the epochs", caption, panels, len(panels))


def activation_maps(maps: Mapping[str, ActivationMaps], *, most: int = 6) -> Figure | None:
    """Return test images and beside them what each method looks at (Fig. 7).

    Args:
        maps: for each method one trial's maps; those of other images than the first's are left out.
        most: the number of images.
    """
    if not maps:
        return None
    first = next(iter(maps.values()))
    same = {
        label: held
        for label, held in maps.items()
        if np.array_equal(held.images_NHWC, first.images_NHWC)
    }
    panels = []
    for n in range(min(most, len(first.images_NHWC))):
        image = first.images_NHWC[n]
        name = first.class_names_C[int(first.labels_N[n])]
        panels.append(Panel([Picture(image)], title=name))
        for label, held in same.items():
            wrong = held.predictions_N[n] != held.labels_N[n]
            heading = f"{label if n == 0 else ''} {'(wrong)' if wrong else ''}"
            panels.append(Panel([Picture(overlay(image, held.cam_NHW[n]))], title=heading.strip()))
    caption = (
        "Class activation maps (Zhou et al. 2016) of the true class on test images: yellow counts "
        "most. “(wrong)”: the network predicts another class."
    )
    return Figure("activation-maps", "What the networks look at", caption, panels, 1 + len(same))


def embeddings(embedding: Embedding, *, of: str, most: int = 4) -> Figure:
    """Return the 2-D bottleneck of the training samples at several epochs (Fig. 8).

    Args:
        embedding: one trial's diagnostics.
        of: which trial, for the caption.
        most: the number of epochs, spread evenly over those recorded.
    """
    chosen = np.unique(np.linspace(0, len(embedding.epochs_E) - 1, most).round().astype(int))
    farthest = 1.08 * float(np.abs(embedding.points_EN2).max(initial=0.1))
    ends = (-farthest, farthest)  # the same for all epochs: distances are the point
    panels = []
    for i in chosen:
        marks: list[Mark] = []
        for style, label in enumerate(np.unique(embedding.labels_N)):
            points = embedding.points_EN2[i][embedding.labels_N == label]
            name = embedding.class_names_C[int(label)]
            marks.append(Points(points[:, 0], points[:, 1], name, style))
        heading = f"epoch {embedding.epochs_E[i]}"
        if embedding.train_error_E is not None:
            heading += f" (training error {embedding.train_error_E[i]:.1f}%)"
        axes = Axis("first unit", range=ends), Axis("second unit", range=ends)
        panels.append(Panel(marks, *axes, heading))
    caption = f"Outputs of the 2-unit bottleneck for original training samples, of {of}."
    return Figure("embedding", "The embedding over training", caption, panels, min(2, len(panels)))


def overlay(image_HWC: NDArray[np.uint8], cam_HW: Floats) -> NDArray[np.uint8]:
    """Return an image, greyed, under its activation map: dark blue is 0, yellow is 1."""
    low, middle, high = np.array([[0, 32, 77], [124, 123, 120], [255, 234, 70]], dtype=float)
    cam = np.clip(cam_HW, 0, 1)[..., None]
    ends = np.where(
        cam < 0.5, low + 2 * cam * (middle - low), middle + (2 * cam - 1) * (high - middle)
    )
    grey = image_HWC.astype(float).mean(axis=2, keepdims=True)
    return (0.5 * grey + 0.5 * ends).round().astype(np.uint8)


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
    rest = [factor for factor in factors if factor != DATA]
    by = _curve_factor(table, rest, within=[DATA]) if rest else None
    if by is None:
        return None
    others = [factor for factor in rest if factor != by]
    panels = []
    for data in table[DATA].unique():
        panel = _curves_by_factor(table[table[DATA] == data], by, others, test, space)
        panels.append(replace(panel, title=word(str(data))))
    caption = f"{title(word(test))}, one panel per data set. {INTERVAL}."
    return Figure(name, f"Error against {word(by)}", caption, panels, min(2, len(panels)), runs)


def _against_one(
    table: pd.DataFrame,
    frame: pd.DataFrame,
    factor: str,
    metrics: Sequence[str],
    space: Mapping[str, Any] | None,
) -> Panel:
    """Return the panel of a single factor: one curve per metric, the seeds behind."""
    table, at, x_axis = _positions(table, factor, space)
    place = dict(zip(table["configuration"], at, strict=True))
    trials = completed(frame)
    marks: list[Mark] = []
    for style, metric in enumerate(dict.fromkeys(metrics)):
        if f"{metric}_n" not in table or not table[f"{metric}_n"].sum():
            continue
        seeds = trials[trials["configuration"].isin(place) & trials[metric].notna()]
        aside = DODGE * (style - 0.5) if x_axis.ticks else 0.0
        marks.append(Points(
            seeds["configuration"].map(place).to_numpy(dtype=float) + aside,
            seeds[metric].to_numpy(dtype=float),
            quiet=True,
            labels=[f"seed {seed}" for seed in seeds["seed"]],
        ))  # fmt: skip
        marks.append(_with_interval(table, at + aside, metric, word(metric), style, x_axis))
    drawn = list(dict.fromkeys(metrics))
    y_title = "error (%)" if len(drawn) > 1 and all("error" in m for m in drawn) else axis(drawn[0])
    return Panel(marks, x_axis, Axis(y_title))


def _curves_by_factor(
    table: pd.DataFrame,
    by: str,
    others: Sequence[str],
    metric: str,
    space: Mapping[str, Any] | None,
) -> Panel:
    table, at, x_axis = _positions(table, by, space)
    keys = _combination(table, others)
    order = list(dict.fromkeys(sorted(keys)))
    marks: list[Mark] = []
    for style, key in enumerate(order):
        aside = DODGE * (style - (len(order) - 1) / 2) if x_axis.ticks else 0.0
        chosen = (keys == key).to_numpy()
        marks.append(_with_interval(table[chosen], at[chosen] + aside, metric, key, style, x_axis))
    return Panel(marks, x_axis, Axis(axis(metric)))


def _slice(
    table: pd.DataFrame, factor: str, objective: str, space: Mapping[str, Any] | None
) -> Panel:
    table, at, x_axis = _positions(table[table[factor].notna()], factor, space)
    mean = table[f"{objective}_mean"].to_numpy(dtype=float)
    best = table["best"].to_numpy(dtype=bool)
    labels = [_seeds_label(n) for n in table["n"]]
    marks: list[Mark] = [
        Points(at[~best], mean[~best], "configuration", 0,
               labels=[text for text, b in zip(labels, best, strict=True) if not b]),
        Points(at[best], mean[best], "best", 1,
               labels=[text for text, b in zip(labels, best, strict=True) if b]),
    ]  # fmt: skip
    return Panel([m for m in marks if len(m.x)], x_axis, Axis(axis(objective)))  # type: ignore[union-attr]


def _seeds_label(n: int) -> str:
    return f"mean of {counted(int(n), 'seed')}"


def _with_interval(
    table: pd.DataFrame, at: Floats, metric: str, name: str, style: int, x_axis: Axis
) -> Mark:
    order = np.argsort(at, kind="stable")
    values = {
        part: table[f"{metric}_{part}"].to_numpy(dtype=float)[order]
        for part in ("mean", "low", "high")
    }
    if x_axis.ticks:  # categories have no order to connect
        return Points(at[order], values["mean"], name, style, values["low"], values["high"])
    return Line(at[order], values["mean"], name, style, values["low"], values["high"],
                markers=True, band=False)  # fmt: skip


def _positions(
    table: pd.DataFrame, factor: str, space: Mapping[str, Any] | None
) -> tuple[pd.DataFrame, Floats, Axis]:
    """Return the table, where each row stands along the factor's axis, and the axis."""
    values = table[factor]
    if _numeric(values):
        at = values.to_numpy(dtype=float)
        return table, at, Axis(axis(factor), log=_logarithmic(factor, at, space))
    texts = [plain_setting(value) for value in values]
    place = {text: float(i) for i, text in enumerate(sorted(set(texts)))}
    ticks = {i: text for text, i in place.items()}
    return table, np.array([place[text] for text in texts]), Axis(axis(factor), ticks=ticks)


def _numeric(values: "pd.Series[Any]") -> bool:
    flags = isinstance(values.dtype, np.dtype) and values.dtype == bool
    return not flags and all(
        isinstance(value, int | float | np.number)
        and not isinstance(value, bool)
        and value == value
        for value in values
    )


def _logarithmic(factor: str, at: Floats, space: Mapping[str, Any] | None) -> bool:
    spec = (space or {}).get(factor)
    if isinstance(spec, Mapping) and spec.get("log"):
        return True
    return bool(at.min() > 0 and at.max() / at.min() >= 100)


def _curve_factor(
    table: pd.DataFrame, factors: Sequence[str], within: Sequence[str] = ()
) -> str | None:
    """Return the factor to stand along the axis if the others leave few curves, else None."""
    for factor in sorted(factors, key=lambda name: not _numeric(table.loc[:, name])):
        others = [name for name in factors if name != factor]
        curves = _combination(table, others)
        groups = [table[name] for name in within]
        levels = table.groupby([curves, *groups])[factor].agg(lambda v: v.map(hashable).nunique())
        repeats = table.groupby([curves, *groups, table[factor].map(hashable)]).size()
        if curves.nunique() <= MOST_CURVES and (levels >= 2).all() and (repeats == 1).all():
            return factor
    return None


def _combination(table: pd.DataFrame, factors: Sequence[str]) -> "pd.Series[Any]":
    """Return for each row what its other factors are, as one text."""
    texts = [setting_text(row, factors) for _, row in table.iterrows()]
    return pd.Series(texts, index=table.index, dtype=object)


def _curve(history: pd.DataFrame, label: str, style: int) -> Line:
    values = history.pivot(index="epoch", columns="run_id", values="value")
    # An epoch that some seeds never reached would break the curve: the rest had other seeds.
    rows = values.notna().all(axis=1)
    kept = values[rows].to_numpy(dtype=float)
    summaries = [summarise(row) for row in kept]
    single = values.shape[1] < 2
    return Line(
        values.index[rows].to_numpy(dtype=float),
        np.array([summary.mean for summary in summaries]),
        label,
        style,
        None if single else np.array([summary.low for summary in summaries]),
        None if single else np.array([summary.high for summary in summaries]),
    )


def _distribution(
    what: str, epochs_E: NDArray[np.int64], edges: Floats, counts_EB: Floats, *, skip: int = 0
) -> Panel:
    """Return a heatmap of a histogram by epoch, without its first `skip` bins."""
    share_EB = counts_EB / np.maximum(counts_EB.sum(axis=1, keepdims=True), 1)
    heat = Heatmap(edges[skip:], epochs_E.astype(float), share_EB[:, skip:], "share of the entries")
    return Panel(
        [heat],
        Axis(f"value of the {what}"),
        Axis("epoch", reverse=True, whole=True),
        title(what),
    )
