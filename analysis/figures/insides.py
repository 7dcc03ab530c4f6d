"""Figures of a trial's diagnostics: targets, activation maps, the 2-D embedding.

The paper's Figs. 2, 3, 7 and 8.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from analysis.figures.curves import MOST_CURVES, interval_note
from analysis.figures.diagnostics import ActivationMaps, EmbeddingRecord, SoftTargets
from analysis.figures.model import (
    Axis,
    BarMarks,
    Figure,
    Floats,
    HeatmapMark,
    Mark,
    Panel,
    PictureMark,
    PointMarks,
)
from analysis.statistics.summary import summarise_seeds
from analysis.tables.display_names import (
    axis_name,
    with_capital,
)
from trainables.metrics import EPOCH


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
        summaries = [summarise_seeds(means[:, rank]) for rank in range(ranks)]
        marks.append(BarMarks(
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
        f"mixes, over mixed inputs. {interval_note(map(len, targets.values()))}"
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
        _distribution_panel(
            "training targets", targets.epochs_E, targets.target_edges, held, skip=1
        )
    ]
    if targets.global_edges is not None and targets.global_counts_EB is not None:
        panels.append(
            _distribution_panel(
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
        panels.append(Panel([PictureMark(image)], title=name))
        for label, held in same.items():
            wrong = held.predictions_N[n] != held.labels_N[n]
            heading = f"{label if n == 0 else ''} {'(wrong)' if wrong else ''}"
            panels.append(
                Panel([PictureMark(overlay_map(image, held.cam_NHW[n]))], title=heading.strip())
            )
    caption = (
        "Class activation maps (Zhou et al. 2016) of the true class on test images: yellow counts "
        "most. “(wrong)”: the network predicts another class."
    )
    return Figure("activation-maps", "What the networks look at", caption, panels, 1 + len(same))


def embedding_panels(embedding: EmbeddingRecord, *, of: str, most: int = 4) -> Figure:
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
            marks.append(PointMarks(points[:, 0], points[:, 1], name, style))
        heading = f"epoch {embedding.epochs_E[i]}"
        if embedding.train_error_E is not None:
            heading += f" (training error {embedding.train_error_E[i]:.1f}%)"
        axes = Axis("first unit", range=ends), Axis("second unit", range=ends)
        panels.append(Panel(marks, *axes, heading))
    caption = f"Outputs of the 2-unit bottleneck for original training samples, of {of}."
    return Figure("embedding", "The embedding over training", caption, panels, min(2, len(panels)))


def overlay_map(image_HWC: NDArray[np.uint8], cam_HW: Floats) -> NDArray[np.uint8]:
    """Return an image, greyed, under its activation map: dark blue is 0, yellow is 1."""
    low, middle, high = np.array([[0, 32, 77], [124, 123, 120], [255, 234, 70]], dtype=float)
    cam = np.clip(cam_HW, 0, 1)[..., None]
    ends = np.where(
        cam < 0.5, low + 2 * cam * (middle - low), middle + (2 * cam - 1) * (high - middle)
    )
    grey = image_HWC.astype(float).mean(axis=2, keepdims=True)
    overlaid: NDArray[np.uint8] = (0.5 * grey + 0.5 * ends).round().astype(np.uint8)
    return overlaid


def _distribution_panel(
    what: str, epochs_E: NDArray[np.int64], edges: Floats, counts_EB: Floats, *, skip: int = 0
) -> Panel:
    """Return a heatmap of a histogram by epoch, without its first `skip` bins."""
    share_EB = counts_EB / np.maximum(counts_EB.sum(axis=1, keepdims=True), 1)
    heat = HeatmapMark(
        edges[skip:], epochs_E.astype(float), share_EB[:, skip:], "share of the entries"
    )
    return Panel(
        [heat],
        Axis(f"value of the {what}"),
        Axis(axis_name(EPOCH), reverse=True, whole=True),
        with_capital(what),
    )
