"""What a figure of the paper shows, measured and said in a sentence (Figs. 2, 3, 5, 7 and 8)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from analysis.counted import count_text
from analysis.figures.diagnostics import ActivationMaps, EmbeddingRecord, Floats, SoftTargets
from analysis.tables.display_names import number_text
from trainables.metrics import EPOCH, TEST_ERROR, TRAIN_LOSS

OVERFITTING = 0.5
"""From how many points above its lowest value on the test error is said to have risen."""


@dataclass
class DiagnosedTrials:
    """The diagnostics of the trials that a report draws."""

    targets: dict[str, list[SoftTargets]] = field(default_factory=dict)
    """By configuration, one per seed."""
    maps: dict[str, ActivationMaps] = field(default_factory=dict)
    """By configuration, of its first seed."""
    embedding: tuple[str, EmbeddingRecord] | None = None
    """Of which trial, and its embedding."""


def figure_finding(
    figure: str | None, diagnosed: DiagnosedTrials, history: pd.DataFrame, labels: Mapping[str, str]
) -> str:
    """Return what the study's figure shows, or nothing where the record does not hold it.

    Args:
        figure: of the paper: `fig2`, `fig3`, `fig5`, `fig7` or `fig8`; any other has no finding.
        diagnosed: what the trials recorded beside their metrics.
        history: as from `trials.history`, with `train_loss` and `test_error`.
        labels: from run to configuration.
    """
    first = [seeds[0] for seeds in diagnosed.targets.values() if seeds]
    if figure == "fig2":
        return largest_targets(diagnosed.targets)
    if figure == "fig3" and first:
        return evolving_targets(first[0])
    if figure == "fig5":
        return long_training(history, labels)
    if figure == "fig7" and diagnosed.maps:
        return width_of_maps(diagnosed.maps)
    if figure == "fig8" and diagnosed.embedding is not None:
        return class_separation(diagnosed.embedding[1])
    return ""


def largest_targets(targets: Mapping[str, Sequence[SoftTargets]]) -> str:
    """Say the mean largest training targets of each configuration, over epochs and seeds."""
    parts = []
    for label, seeds in targets.items():
        means = np.mean([seed.top_targets_EK.mean(axis=0) for seed in seeds], axis=0)
        listed = ", ".join(_share_text(mean) for mean in means)
        parts.append(f"{listed} with {label} ({count_text(len(seeds), 'seed')})")
    if not parts:
        return ""
    return (
        "The largest entries of the training target are on average over the epochs on record "
        f"{'; '.join(parts)}."
    )


def evolving_targets(targets: SoftTargets) -> str:
    """Say how the largest target and the global labels move from the first epoch to the last."""
    first, last = targets.epochs_E[0], targets.epochs_E[-1]
    tops = targets.top_targets_EK[:, 0]
    said = (
        f"In one trial, from epoch {first} to epoch {last} the mean largest training target goes "
        f"from {_share_text(tops[0])} to {_share_text(tops[-1])}"
    )
    if targets.global_edges is not None and targets.global_counts_EB is not None:
        low, high = (
            _middle_range(targets.global_edges, counts)
            for counts in targets.global_counts_EB[[0, -1]]
        )
        said += (
            f", and nine tenths of the global soft label's entries from [{_share_text(low[0])}, "
            f"{_share_text(low[1])}] to [{_share_text(high[0])}, {_share_text(high[1])}]"
        )
    return f"{said}."


def _middle_range(edges: Floats, counts: Floats) -> tuple[float, float]:
    """Return the ends of the bins between which the middle nine tenths of the entries lie."""
    below = np.cumsum(counts) / max(counts.sum(), 1)
    return float(edges[np.searchsorted(below, 0.05)]), float(
        edges[np.searchsorted(below, 0.95) + 1]
    )


def long_training(history: pd.DataFrame, labels: Mapping[str, str]) -> str:
    """Say each configuration's last training loss, and whether its test error rose again."""
    curves = {
        metric: _mean_curves(history[history["metric"] == metric], labels)
        for metric in (TRAIN_LOSS, TEST_ERROR)
    }
    parts = []
    for label, errors in curves[TEST_ERROR].items():
        losses = curves[TRAIN_LOSS].get(label)
        if losses is None:
            continue
        risen = errors.iloc[-1] - errors.min()
        trend = (
            f"{number_text(risen)} points above its lowest, at epoch {errors.idxmin()}"
            if risen > OVERFITTING
            else "no higher than at its lowest"
            if risen <= 0
            else f"within {number_text(OVERFITTING)} points of its lowest"
        )
        parts.append(
            f"{label} ends with a training loss of {number_text(losses.iloc[-1])} and a test "
            f"error of {number_text(errors.iloc[-1])}%, {trend}"
        )
    if not parts:
        return ""
    last = max(errors.index[-1] for errors in curves[TEST_ERROR].values())
    seeds = history["run_id"].map(dict(labels)).groupby(history["run_id"]).first().value_counts()
    fewest, most = int(seeds.min()), int(seeds.max())
    over = f"{fewest} to {most} seeds" if fewest < most else count_text(most, "seed")
    return f"After {count_text(last, 'epoch')} {'; '.join(parts)} (over {over})."


def _mean_curves(history: pd.DataFrame, labels: Mapping[str, str]) -> dict[str, "pd.Series[float]"]:
    named = history.assign(label=history["run_id"].map(dict(labels)))
    return {
        str(label): rows.groupby(EPOCH)["value"].mean()
        for label, rows in named.groupby("label", sort=False)
    }


def width_of_maps(maps: Mapping[str, ActivationMaps]) -> str:
    """Say what share of the image each configuration's maps take: above half of their maximum."""
    shares = {label: 100 * float((held.cam_NHW > 0.5).mean()) for label, held in maps.items()}
    narrowest, *others = sorted(shares, key=lambda label: shares[label])
    said = "Of one network each, above half of their maximum the activation maps of "
    said += f"{narrowest} cover "
    said += f"{shares[narrowest]:.0f}% of the image"
    listed = ", ".join(f"those of {label} {shares[label]:.0f}%" for label in others)
    return f"{said}, {listed}." if listed else f"{said}."


def class_separation(embedding: EmbeddingRecord) -> str:
    """Say how far apart the classes lie at the first and the last epoch recorded.

    Where the training error is on record, of those epochs that had none. Measured by the mean
    silhouette (Rousseeuw 1987): 1 for tight classes far apart, 0 for classes upon each other.
    """
    scores = silhouettes(embedding)
    if not scores:
        return ""
    errors = embedding.train_error_E
    learned = np.flatnonzero(errors == 0) if errors is not None else np.array([], dtype=int)
    all_learned = len(learned) > 1
    first, last = (learned[0], learned[-1]) if all_learned else (0, len(scores) - 1)
    before, after = f"{scores[first]:.2f}", f"{scores[last]:.2f}"
    trend = "lie as far apart" if before == after else "draw apart"
    drawn = trend if scores[last] >= scores[first] else "do not draw apart"
    when = ", once all training images are learned" if all_learned else ""
    said = (
        f"The classes {drawn} in the 2-D bottleneck of one trial{when}: their mean silhouette goes "
        f"from {before} at epoch {embedding.epochs_E[first]} to {after} at epoch "
        f"{embedding.epochs_E[last]} (1: tight and far apart)."
    )
    if errors is not None and not all_learned:
        said += " Fewer than two epochs on record have all training images learned."
    return said


def silhouettes(embedding: EmbeddingRecord) -> list[float]:
    """Return the mean silhouette at each epoch recorded; nothing of a single class."""
    from sklearn.metrics import silhouette_score  # late: it takes a second to load

    if len(np.unique(embedding.labels_N)) < 2:
        return []
    return [float(silhouette_score(points, embedding.labels_N)) for points in embedding.points_EN2]


def _share_text(value: float) -> str:
    return f"{value:.3f}".lstrip("0")
