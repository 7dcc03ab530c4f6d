"""The answer of an ablation: what its parts do, and no more than its seeds carry."""

import numpy as np
import pandas as pd
import pytest

from analysis.report_page.headline import headline_of
from analysis.report_page.study_answers import study_answers
from analysis.tables.configurations import factors_of, over_configurations
from analysis.tables.part_effects import effect_grid, effects_of
from analysis.tables.part_words import bound_text, parts_sentence

BATCHES, LABEL, BETA = (
    "regularizer.original_batches",
    "regularizer.global_label",
    "regularizer.beta",
)
WITH = {BATCHES: True, LABEL: "learned"}
WITHOUT = {BATCHES: False, LABEL: "none"}


def resolved_of(design, *, start=WITHOUT, to=WITH, space=None):
    ablate = {"from": start, "to": to, "parts": list(to), "design": design}
    return {"ablate": ablate, "search": {"space": {**(space or {}), **to}}}


def frame_of(error, settings, *, seeds=5, noise=0.002):
    """Trials of settings, whose error is a function of them."""
    rng = np.random.default_rng(4)
    return pd.DataFrame(
        [
            {
                **setting,
                "configuration": str(number),
                "seed": seed,
                "run_id": f"{number}-{seed}",
                "outcome": "completed",
                "test_error_last": error(setting) + 0.2 * seed + rng.normal(0, noise),
            }
            for number, setting in enumerate(settings)
            for seed in range(seeds)
        ]
    )


def lose(frame, settings, count, outcome="diverged"):
    """The trials, of which the first few of some settings have no number."""
    chosen = frame[(frame[list(settings)] == pd.Series(settings)).all(axis=1)].index[:count]
    frame.loc[chosen, ["outcome", "test_error_last"]] = [outcome, None]
    return frame


FACTORIAL = [
    {BATCHES: batches, LABEL: label} for batches in (True, False) for label in ("learned", "none")
]
ONE_OUT = [WITH, {**WITH, BATCHES: False}, {**WITH, LABEL: "none"}]


def label_helps(setting):
    return 20.0 + 0.8 * (setting[LABEL] == "none")


def test_the_effect_of_a_part_is_told_with_its_interval_and_of_another_that_it_is_not_told_apart():
    text = parts_sentence(frame_of(label_helps, ONE_OUT), resolved_of("one_out"))
    assert text.startswith("Without the global label the test error (last epoch) rises by 0.8")
    assert "(95%, all at once; each part against all parts)." in text
    assert text.endswith("No effect is told apart from none of: batches of original images.")
    low, high = text.partition("[")[2].partition("]")[0].split(", ")
    assert float(low) < 0.8 < float(high)


@pytest.mark.parametrize(("start", "to"), [(WITHOUT, WITH), (WITH, WITHOUT)])
def test_what_is_without_a_part_does_not_depend_on_which_side_it_is_written(start, to):
    frame = frame_of(label_helps, FACTORIAL)
    text = parts_sentence(frame, resolved_of("factorial", start=start, to=to))
    assert text.startswith("Without the global label the test error (last epoch) rises by 0.8")
    assert "each averaged over the other parts" in text


def test_a_part_that_harms_is_said_to():
    text = parts_sentence(
        frame_of(lambda s: 20 - label_helps(s) + 20, ONE_OUT), resolved_of("one_out")
    )
    assert "Without the global label the test error (last epoch) falls by 0.8" in text


def test_values_that_take_no_part_away_are_told_as_they_are():
    start, to = {BETA: 1.0}, {BETA: 0.5}
    frame = frame_of(lambda s: 20 + 2 * s[BETA], [start, to])
    text = parts_sentence(frame, resolved_of("one_out", start=start, to=to))
    assert text.startswith(
        "With regularizer.beta = 0.5 in place of 1 the test error (last epoch) falls by 1.0"
    )
    assert "(95%; each part against all parts)" in text


def test_an_interaction_is_told_as_one():
    def both(setting):
        return 20.0 + 2 * (setting[LABEL] == "none" and not setting[BATCHES])

    text = parts_sentence(frame_of(both, FACTORIAL), resolved_of("factorial"))
    assert "the interaction of batches of original images and the global label is " in text.lower()


def test_where_no_part_does_anything_the_reach_of_the_effects_is_told():
    text = parts_sentence(frame_of(lambda s: 20.0, FACTORIAL), resolved_of("factorial"))
    assert text.startswith(
        "No effect of a part on the test error (last epoch) is told apart from none: each of the 3 "
        "is smaller than 0."
    )


def test_effects_whose_intervals_are_as_wide_as_can_be_are_not_called_bounded():
    # "Smaller than 100.00 points" was said, as any difference of two errors is.
    frame = frame_of(lambda s: 50.0, ONE_OUT, seeds=2, noise=20.0)
    text = parts_sentence(frame, resolved_of("one_out"))
    assert "each of the 2 may still be of any size (95%" in text


def test_one_seed_tells_no_effect_from_chance():
    frame = frame_of(label_helps, FACTORIAL, seeds=1)
    assert parts_sentence(frame, resolved_of("factorial")) == (
        "With fewer than two seeds in common no effect of a part is told from chance."
    )
    assert parts_sentence(frame.assign(outcome="failed"), resolved_of("factorial")) == ""


def test_in_several_settings_each_effect_says_where():
    settings = [{**s, "dataset.name": name} for name in ("cifar10", "cifar100") for s in ONE_OUT]

    def error(setting):
        return label_helps(setting) + (setting["dataset.name"] == "cifar100") * (
            5 + 2 * (not setting[BATCHES])
        )

    space = {"dataset": [{"name": "cifar10"}, {"name": "cifar100"}]}
    text = parts_sentence(frame_of(error, settings), resolved_of("one_out", space=space))
    assert text.startswith("Without batches of original images the test error (last epoch) rises")
    assert "(CIFAR-100); without the global label" in text
    assert text.endswith("of: batches of original images (CIFAR-10).")


def test_equal_differences_prove_no_more_than_whole_images_do():
    frame = frame_of(lambda s: 20 + 0.01 * (s[LABEL] == "none"), ONE_OUT, seeds=2, noise=0.0)
    (found,) = effects_of(frame, resolved_of("one_out"))
    assert all(effect.low < 0 < effect.high for effect in found.effects)
    assert min(effect.holm_p for effect in found.effects) > 0.05


def test_an_ablation_that_was_looked_at_before_pays_for_it():
    frame, resolved = frame_of(label_helps, ONE_OUT), resolved_of("one_out")
    once, often = effects_of(frame, resolved), effects_of(frame, resolved, looks=[3, 4])
    for first, later in zip(once[0].effects, often[0].effects, strict=True):
        assert later.p >= first.p
        assert later.high - later.low > first.high - first.low


def test_of_a_hundred_ablations_without_an_effect_hardly_any_tells_one():
    rng = np.random.default_rng(7)
    told = 0
    for _ in range(100):
        frame = frame_of(lambda s: 20 + rng.normal(0, 1e-9), FACTORIAL, seeds=4)
        frame["test_error_last"] += rng.normal(0, 0.3, len(frame))
        told += parts_sentence(frame, resolved_of("factorial")).startswith(("With", "The", "Batch"))
    assert told <= 5 + 4  # 5% of 100, within what chance allows


def test_the_answer_of_an_ablation_is_its_effects_not_its_lowest_configuration():
    resolved = resolved_of("one_out")
    frame = lose(frame_of(label_helps, ONE_OUT), {BATCHES: False}, 1)
    factors = factors_of(frame)
    table = over_configurations(frame, factors, "test_error_last", selects=False)
    answered = study_answers("parts", "quick", resolved, frame)
    text = headline_of(
        table, factors, [], answered=answered, objective="test_error_last", selects=False
    )
    assert text.startswith("Without the global label the test error (last epoch) rises by 0.8")
    assert "lowest" not in text.partition("no mean")[0]
    assert "1 trial diverged or failed" in text


# What has no number


def test_a_part_that_was_not_measured_is_named():
    text = parts_sentence(frame_of(lambda s: 20.0, ONE_OUT[:2]), resolved_of("one_out"))
    assert "none: that of batches of original images is smaller than 0.01 points" in text
    assert text.endswith("For the global label there are no two seeds in common to measure by.")


def test_an_effect_names_its_data_set_where_another_was_asked_for_and_has_not_run():
    frame = frame_of(label_helps, [{**s, "dataset.name": "cifar10"} for s in ONE_OUT])
    space = {"dataset": [{"name": "cifar10"}, {"name": "cifar100"}]}
    resolved = resolved_of("one_out", space=space)
    assert "] (CIFAR-10) (95%" in parts_sentence(frame, resolved)
    assert effect_grid(frame, resolved).rows[0][0].text == "CIFAR-10"


def test_a_data_set_whose_trials_all_failed_is_undecided():
    settings = [{**s, "dataset.name": name} for name in ("cifar10", "cifar100") for s in ONE_OUT]
    frame = lose(frame_of(label_helps, settings), {"dataset.name": "cifar100"}, 15, "failed")
    space = {"dataset": [{"name": "cifar10"}, {"name": "cifar100"}]}
    text = parts_sentence(frame, resolved_of("one_out", space=space))
    assert "10 of 10 seeds of 2 configurations failed (CIFAR-100): these effects are unde" in text


def test_an_effect_of_survivors_is_undecided():
    frame = lose(frame_of(label_helps, ONE_OUT), {LABEL: "none"}, 3)
    text = parts_sentence(frame, resolved_of("one_out"))
    assert "rises" not in text
    assert text.endswith(
        "3 of 5 seeds without the global label diverged: the effect of the global label is "
        "undecided."
    )
    grid = effect_grid(frame, resolved_of("one_out"))
    assert [row[-1].text for row in grid.rows] == ["", "3"]
    assert "the survivors: they flatter their side" in grid.notes[-1]


def test_a_seed_that_a_factorial_lost_leaves_all_effects_undecided():
    frame = lose(frame_of(label_helps, FACTORIAL), {BATCHES: False, LABEL: "learned"}, 1, "failed")
    assert parts_sentence(frame, resolved_of("factorial")) == (
        "1 of 5 seeds without batches of original images and with the global label failed: these "
        "effects are undecided: batches of original images; the global label; the interaction of "
        "batches of original images and the global label."
    )


def test_a_seed_that_was_made_up_for_is_not_lost():
    frame = frame_of(label_helps, ONE_OUT)
    again = frame.assign(outcome="failed", test_error_last=None).iloc[-1:]
    text = parts_sentence(pd.concat([frame, again]), resolved_of("one_out"))
    assert text == parts_sentence(frame, resolved_of("one_out"))


# How it is written


@pytest.mark.parametrize(
    ("value", "said"), [(0.2525, "0.26"), (0.25, "0.25"), (0.0, "0.01"), (0.29, "0.29")]
)
def test_what_effects_are_smaller_than_is_rounded_up(value, said):
    assert bound_text(value) == said


def test_an_effect_that_is_told_is_not_written_as_none():
    frame = frame_of(lambda s: 20 + 0.003 * (s[LABEL] == "none"), ONE_OUT, seeds=9, noise=0.0)
    frame["dataset.test_images"] = 1_000_000
    text = parts_sentence(frame, resolved_of("one_out"))
    assert "rises by 0.003 points [0.003, 0.003]" in text


def test_settings_without_a_name_of_their_own_are_named():
    space = {"network.width": [4, 8], "training.epochs": [4, 8]}
    settings = [
        {**setting, "network.width": width, "training.epochs": epochs}
        for width in (4, 8)
        for epochs in (4, 8)
        for setting in ONE_OUT
    ]
    frame = frame_of(lambda s: label_helps(s) + 0.1 * s["network.width"], settings)
    text = parts_sentence(frame, resolved_of("one_out", space=space))
    assert "(width 8, epochs 4)" in text
