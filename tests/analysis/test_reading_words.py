"""What the sentence on the readings says of what is missing, and over how much it averages."""

import re

import pytest

from analysis.paper.reading_words import readings_sentence
from analysis.paper.readings import judge_readings
from tests.analysis.readings_trials import ONE, SMALL, judged, made_up_readings, with_setting


def test_alternatives_without_a_number_are_named_and_bounded_by_none():
    frame = made_up_readings(SMALL, noise=0.01)
    half, both = frame["regularizer.lam"] == "half", frame["regularizer.alternation"] == "both"
    text = readings_sentence(judge_readings(frame[~half], SMALL))
    assert "Of 5 alternatives 4 are measured, and none is told apart from the base: on" in text
    assert "all at once). There is no number for lam = half." in text
    base = (frame["regularizer.name"] == "lamix") & ~half & ~both
    text = readings_sentence(judge_readings(frame[~base], SMALL))
    assert "Of 5 alternatives 3 are measured" in text
    assert "There is no number for alternation = both; lam = half." in text
    behind = made_up_readings(SMALL, with_setting("regularizer.alternation", "both", 3.0))
    text = readings_sentence(judge_readings(behind[~half], SMALL))
    assert "Against the base, on average over those of the other settings that have all" in text
    assert "Of 5 alternatives 4 are measured, and there is no number for lam = half." in text


def test_an_average_says_over_how_many_cases_and_seeds_it_is():
    frame = made_up_readings(SMALL)
    one = readings_sentence(
        judge_readings(frame[frame["configuration"].isin(["1", "2", "3"])], SMALL)
    )
    assert "On average over 1 of 24 cases and 5 seeds it is LaMix − Mixup +0.12 points [" in one
    assert "] (95%, all at once). Of 5 alternatives none is measured" in one
    assert "On average over all 24 cases and 5 seeds it is" in readings_sentence(judged())
    lost = (frame["configuration"] == "2") & (frame["seed"] > 0)  # CutMix in one setting
    text = readings_sentence(judge_readings(frame[~lost], SMALL))
    assert "] over all 24 cases and 5 seeds; LaMix − CutMix " in text
    assert "] over 21 of 24 cases and 5 seeds (95%, all at once)." in text


def test_the_seeds_of_the_comparisons_are_said():
    assert "Each comparison of a case is over 5 seeds." in readings_sentence(judged())
    frame = made_up_readings(SMALL, noise=0.01)
    fewer = (frame["dataset.name"] == "cifar10") & (frame["seed"] > 2)
    assert "is over 3 to 5 seeds." in readings_sentence(judge_readings(frame[~fewer], SMALL))


def test_what_an_average_leaves_out_for_a_lost_trial_is_said():
    frame = made_up_readings(SMALL)
    lost = frame["regularizer.lam"] == "half"
    for name, value in [
        ("dataset.name", "cifar10"), ("network.variant", "puzzlemix"), ("seed", 0),
    ]:  # fmt: skip
        lost &= frame[name] == value
    frame.loc[lost, ["outcome", "test_error_last"]] = ["diverged", None]
    found = judge_readings(frame, SMALL)
    assert [(lead.settings, lead.seeds) for lead in found.leads] == [(22, 5)] * 2
    text = readings_sentence(found)
    assert "no change counts its seed" not in text
    assert "the averages leave those cases out, or the seed in all cases" in text


def test_a_data_set_that_upholds_the_conclusion_or_has_not_run_is_named():
    frame = made_up_readings(SMALL, with_setting("dataset.name", "cifar10", 5.0), noise=0.01)
    text = readings_sentence(judge_readings(frame, SMALL))
    assert "holds in none" not in text
    assert "on CIFAR-10 it fails in all of 12 readings; on CIFAR-100 it is shown in all of" in text
    alone = frame[frame["dataset.name"] == "cifar10"]
    text = readings_sentence(judge_readings(alone, SMALL))
    assert "on CIFAR-10 it fails in all of 12 readings; CIFAR-100 has not run." in text
    shown = made_up_readings(SMALL, noise=0.01)
    text = readings_sentence(judge_readings(shown[shown["dataset.name"] == "cifar100"], SMALL))
    assert "data set: CIFAR-10 has not run; on CIFAR-100 it is shown in all of 12 readings." in text
    assert "by data set" not in readings_sentence(judged())


@pytest.mark.parametrize(
    ("points", "verdict"),
    [
        (0.0, "in it LaMix is on par with Mixup and CutMix, or better."),
        (5.0, "in it LaMix errs more than a rival, by more than the margin."),
        (0.64, "it is not decided whether LaMix is on par with Mixup and CutMix, or better."),
    ],
)
def test_on_a_single_reading_nothing_depends(points, verdict):
    text = readings_sentence(judged(lambda settings: points, space=ONE))
    assert text.startswith(f"There is one reading, so that nothing can depend on it: {verdict}")


def test_a_single_reading_is_judged_over_all_data_sets():
    space = {**ONE, "dataset": SMALL["dataset"]}
    text = readings_sentence(judged(with_setting("dataset.name", "cifar10", 5.0), space=space))
    assert (
        "in it the conclusion does not hold on all data sets. The conclusion by data set: " in text
    )
    assert "on CIFAR-10 it fails; on CIFAR-100 it is shown. " in text
    assert "On average over both cases and 5 seeds" in text
    once = readings_sentence(judged(space=ONE, seeds=1))
    assert "so that the one reading does not show whether" in once


@pytest.mark.parametrize("noise", [0.0, 0.01, 0.03, 0.1])
def test_an_upper_bound_is_never_below_what_it_bounds(noise):
    found = judged(noise=noise, luck=0.0)
    ends = [
        end
        for value in found.values
        for effect in value.effects
        for end in (-effect.low, effect.high)
    ]
    said = re.search(r"each changes .+ by less than ([\d.]+) points", readings_sentence(found))
    assert said and max(ends) < float(said[1]) <= max(ends) + 0.01


def test_one_shared_seed_of_several_is_said_and_bounds_nothing():
    frame = made_up_readings(SMALL)
    lamix = frame["regularizer.name"] == "lamix"
    apart = frame[(lamix & (frame["seed"] < 3)) | (~lamix & (frame["seed"] >= 2))]
    text = readings_sentence(judge_readings(apart, SMALL))
    assert text.startswith("Not decided: with one shared seed nothing tells LaMix from a rival")
    assert "less than" not in text


def test_a_rival_without_a_trial_is_named_and_has_no_average():
    frame = made_up_readings(SMALL)
    text = readings_sentence(judge_readings(frame[frame["regularizer.name"] != "cutmix"], SMALL))
    assert "LaMix − CutMix" not in text and "–" not in text
    assert "No trial of CutMix has finished: without it no reading is shown to uphold" in text
    assert "each changes LaMix − Mixup by less than" in text
    one = (frame["regularizer.name"] != "cutmix") | (frame["seed"] == 0)
    text = readings_sentence(judge_readings(frame[one], SMALL))
    assert "LaMix − CutMix has no average, for want of a second shared seed." in text
