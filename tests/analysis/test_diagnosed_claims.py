"""Verdicts on Figs. 2, 3, 5, 7 and 8, by diagnostics whose answer is known."""

import numpy as np
import pandas as pd
import pytest

from analysis.figures.diagnostics import ActivationMaps, EmbeddingRecord, SoftTargets
from analysis.paper.diagnosed_claims import diagnosed_sentence
from analysis.paper.findings import DiagnosedTrials
from study.file.resolved import load_study
from tests.analysis.paper_trials import frame_of, paper_trial, with_seeds
from tests.source_tree import ROOT
from trainables.configuration import as_dict, flatten_settings

NETWORK = "preact_resnet18"


def trials(data, *methods, seeds=3, **changes):
    frame = frame_of(
        *(
            with_seeds(
                paper_trial("table1", data, NETWORK, method, **changes),
                [20.0] * seeds,
                configuration=method,
            )
            for method in methods
        )
    )
    return frame, {run: run.rpartition("-")[0] for run in frame["run_id"]}


def said(figure, frame, labels, history=None, **diagnosed):
    rows = pd.DataFrame(history or [], columns=["run_id", "metric", "epoch", "value"])
    return diagnosed_sentence(figure, DiagnosedTrials(**diagnosed), rows, frame, labels)


def targets(second, *, entry=0.6):
    edges = np.linspace(0, 1, 101)
    counts = np.zeros((1, 100))
    counts[0, np.searchsorted(edges, entry) - 1] = 10
    return SoftTargets(np.array([1]), np.array([[0.6, second]]), edges, counts, None, None)


@pytest.mark.parametrize(
    ("seconds", "verdict"),
    [
        ([0.139, 0.140, 0.141], "supported"),
        ([0.170, 0.171, 0.172], "contradicted"),
        ([0.10, 0.14, 0.18], "undecided"),
        ([0.14], "undecided"),
    ],
)
def test_the_second_target_is_the_printed_one_or_not(seconds, verdict):
    frame, labels = trials("cifar100", "lamix")
    text = said("fig2", frame, labels, targets={"lamix": [targets(s) for s in seconds]})
    assert f"that the second largest target with lamix is 0.14 is {verdict}" in text


@pytest.mark.parametrize(("entry", "verdict"), [(0.6, "supported"), (0.9, "contradicted")])
def test_the_largest_targets_lie_where_the_paper_says_or_not(entry, verdict):
    frame, labels = trials("cifar10", "lamix", seeds=1)
    text = said("fig3", frame, labels, targets={"lamix": [targets(0.2, entry=entry)]})
    assert f"is {verdict} for this batch of one trial" in text


def curves(run, losses, errors):
    return [
        (run, metric, epoch, value)
        for metric, values in (("train_loss", losses), ("test_error", errors))
        for epoch, value in enumerate(values, start=1)
    ]


def long_study(seeds, *, own=2.0, risen=0.0):
    frame, labels = trials(
        "cifar100", "lamix", "mixup", "cutmix", seeds=seeds,
        **{"training__epochs": 2000, "dataset__validation": 0.1},
    )  # fmt: skip
    history = []
    for seed in range(seeds):
        history += curves(f"lamix-{seed}", [3.0, own + 0.01 * seed], [20.0, 20.0 + risen])
        history += curves(f"mixup-{seed}", [3.0, 1.0 + 0.011 * seed], [20.0, 25.0])
        history += curves(f"cutmix-{seed}", [3.0, 1.5 + 0.012 * seed], [20.0, 25.0])
    return frame, labels, history


def test_a_higher_training_loss_is_shown_by_several_seeds_and_not_by_one():
    text = said("fig5", *long_study(3))
    assert text.count("training loss than") == text.count("is supported (+") == 2
    assert "that LaMix does not overfit is supported for these 3 trials" in text
    assert "than CutMix is supported" in text
    assert "does not overfit is supported for this trial" in said("fig5", *long_study(1))
    assert said("fig5", *long_study(1)).count("is undecided (+") == 2
    low = said("fig5", *long_study(3, own=0.2, risen=2.0))
    assert low.count("is contradicted (−") + low.count("is contradicted (-") == 2
    assert "is contradicted for these 3 trials (its test error ends at most 2.00 points" in low


def maps(share):
    rng = np.random.default_rng(1)
    cam = (rng.random((40, 10, 10)) < share).astype(float)
    zeros = np.zeros(40, dtype=int)
    return ActivationMaps(np.zeros((40, 10, 10, 3), np.uint8), cam, zeros, zeros, ["x"])


def test_narrower_maps_are_said_of_the_networks_that_were_looked_at_alone():
    frame, labels = trials("cifar10", "lamix", "mixup", "cutmix", seeds=1)
    text = said(
        "fig7", frame, labels, maps={"lamix": maps(0.2), "mixup": maps(0.5), "cutmix": maps(0.1)}
    )
    assert "than those of Mixup is supported for these two networks" in text
    assert "than those of CutMix is contradicted for these two networks" in text


@pytest.mark.parametrize(
    ("errors", "distances", "verdict"),
    [
        ([5.0, 0.0, 0.0], [1, 2, 9], "supported for this trial"),
        ([5.0, 0.0, 0.0], [1, 9, 2], "contradicted for this trial"),
        ([5.0, 2.0, 0.0], [1, 2, 9], "undecided: fewer than two epochs on record have none"),
    ],
)
def test_classes_draw_apart_once_all_is_learned_or_not(errors, distances, verdict):
    frame, labels = trials(
        "cifar10", "lamix", seeds=1, network__name="preact_resnet18_bottleneck2d"
    )
    labels_N = np.repeat([0, 1], 30)
    points = np.random.default_rng(0).normal(size=(3, 60, 2))
    for place, distance in enumerate(distances):
        points[place, labels_N == 1] += distance
    held = EmbeddingRecord(
        np.array([100, 400, 1000]), points, labels_N, ["a", "b"], np.array(errors)
    )
    assert verdict in said("fig8", frame, labels, embedding=("lamix", held))


def test_another_setting_is_not_compared_and_named():
    frame, labels = trials("cifar10", "lamix", seeds=1, training__epochs=8)
    text = said("fig2", frame, labels, targets={"lamix": [targets(0.25)]})
    assert text == "The paper's Fig. 2 is not compared: epochs 8, the paper's 400."
    digits = frame.assign(**{"dataset.name": "digits"})
    assert "has no LaMix on digits" in said("fig7", digits, labels)


def test_what_is_not_on_record_is_not_compared():
    frame, labels = trials("cifar10", "lamix", seeds=1)
    assert said("fig3", frame, labels).endswith("not compared: what it shows is not on record.")
    assert said("fig4", frame, labels) == said(None, frame, labels) == ""


@pytest.mark.parametrize(
    "name",
    ["fig2_soft_targets", "fig3_evolving_targets", "fig5_long_training", "fig7_cam",
     "fig8_embedding"],
)  # fmt: skip
def test_the_shipped_study_of_a_figure_has_the_papers_setting_at_scale_paper(name):
    study = load_study(ROOT / "search_spaces" / "paper" / f"{name}.yaml", scale="paper")
    rows = [
        {**flatten_settings(as_dict(corner)), "configuration": str(i), "seed": 0, "run_id": str(i)}
        for i, corner in enumerate(study.extremes())
    ]
    text = said(name.partition("_")[0], pd.DataFrame(rows), {})
    assert text.endswith("is not compared: what it shows is not on record.")
