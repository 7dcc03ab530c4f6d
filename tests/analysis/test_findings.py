"""What a figure of the paper shows, by hand-made diagnostics whose answer is known."""

import numpy as np
import pandas as pd
import pytest

from analysis.figures.diagnostics import ActivationMaps, EmbeddingRecord, SoftTargets
from analysis.paper.findings import DiagnosedTrials, figure_finding


def soft_targets(*tops, global_counts=None):
    epochs = np.arange(1, len(tops) + 1)
    return SoftTargets(
        epochs_E=epochs,
        top_targets_EK=np.array(tops),
        target_edges=np.linspace(0, 1, 11),
        target_counts_EB=np.ones((len(tops), 10)),
        global_edges=None if global_counts is None else np.linspace(0, 0.2, 21),
        global_counts_EB=global_counts,
    )


def said(figure, history=None, labels=None, **diagnosed):
    return figure_finding(
        figure, DiagnosedTrials(**diagnosed), pd.DataFrame(history or []), labels or {}
    )


def test_the_largest_targets_are_means_over_epochs_and_seeds():
    seeds = [soft_targets([0.4, 0.2], [0.6, 0.2]), soft_targets([0.7, 0.1], [0.7, 0.1])]
    text = said("fig2", targets={"LaMix": seeds})
    assert ".600, .150 with LaMix (2 seeds)" in text


def test_the_global_labels_range_is_that_of_their_middle_nine_tenths():
    counts = np.zeros((2, 21))[:, :20]
    counts[0, 10] = 100  # all in [.10, .11]
    counts[1, 5], counts[1, 15] = 50, 50  # in [.05, .06] and [.15, .16]
    text = said("fig3", targets={"LaMix": [soft_targets([0.5], [0.6], global_counts=counts)]})
    assert "from .500 to .600" in text
    assert "from [.100, .110] to [.050, .160]" in text


def test_a_test_error_that_rises_again_is_said():
    def rows(run, metric, *values):
        return [
            {"run_id": run, "metric": metric, "epoch": epoch, "value": value}
            for epoch, value in enumerate(values, start=1)
        ]

    history = [
        *rows("a", "test_error", 9.0, 4.0, 6.0),
        *rows("b", "test_error", 9.0, 6.0, 4.0),  # the second seed; the means are 9, 5, 5
        *rows("a", "train_loss", 2.0, 1.0, 0.5),
        *rows("b", "train_loss", 2.0, 1.0, 0.7),
        *rows("c", "test_error", 9.0, 4.0, 6.0),
        *rows("c", "train_loss", 2.0, 1.0, 0.1),
    ]
    text = said("fig5", history, {"a": "LaMix", "b": "LaMix", "c": "Mixup"})
    assert text.startswith("After 3 epochs LaMix ends with a training loss of 0.60")
    assert "test error of 5.00%, no higher than at its lowest; Mixup" in text
    assert "6.00%, 2.00 points above its lowest, at epoch 2 (over 1 to 2 seeds)." in text


def test_the_narrowest_maps_come_first():
    def maps(share):
        cam = np.zeros((2, 10, 10))
        cam[:, : round(10 * share)] = 1.0
        zeros = np.zeros(2, dtype=int)
        return ActivationMaps(np.zeros((2, 10, 10, 3), np.uint8), cam, zeros, zeros, ["x"])

    text = said("fig7", maps={"Mixup": maps(0.5), "LaMix": maps(0.2)})
    assert "maps of LaMix cover 20% of the image, those of Mixup 50%" in text


@pytest.mark.parametrize(("distance", "verb"), [(9.0, "draw apart"), (0.0, "do not draw apart")])
def test_the_separation_of_classes_is_their_silhouette(distance, verb):
    points = np.random.default_rng(0).normal(size=(2, 60, 2))
    labels = np.repeat([0, 1], 30)
    points[0, labels == 1] += 1.0
    points[1, labels == 1] += distance
    embedding = EmbeddingRecord(np.array([1, 5]), points, labels, ["a", "b"], None)
    text = said("fig8", embedding=("LaMix, seed 0", embedding))
    assert f"The classes {verb}" in text and "at epoch 1 to" in text


@pytest.mark.parametrize(
    ("errors", "said_of"),
    [
        ([5.0, 0.0, 0.0], "do not draw apart in the 2-D bottleneck of one trial, once all"),
        ([5.0, 2.0, 0.0], "draw apart in the 2-D bottleneck of one trial: "),
    ],
)
def test_classes_are_said_to_draw_apart_once_all_is_learned_where_that_is_on_record(
    errors, said_of
):
    labels = np.repeat([0, 1], 30)
    points = np.random.default_rng(0).normal(size=(3, 60, 2))
    for place, distance in enumerate([0.0, 9.0, 4.0]):
        points[place, labels == 1] += distance
    embedding = EmbeddingRecord(np.array([1, 5, 9]), points, labels, ["a", "b"], np.array(errors))
    text = said("fig8", embedding=("LaMix, seed 0", embedding))
    assert said_of in text
    few = "Fewer than two epochs on record have all training images learned." in text
    assert few == (errors[1] > 0)


def test_nothing_is_said_of_what_is_not_on_record():
    for figure in ("fig2", "fig3", "fig5", "fig7", "fig8"):
        assert said(figure, [{"run_id": "a", "metric": "x", "epoch": 1, "value": 0.0}]) == ""
    assert said("fig4") == said(None) == ""
