"""Whether the conclusion depends on what the paper leaves open, on trials whose truth is known."""

import numpy as np
import pandas as pd
import pytest

from analysis.paper.reading_words import (
    NOTHING_COMMON,
    cases_grid,
    readings_grid,
    readings_sentence,
)
from analysis.paper.readings import READINGS, judge_readings
from analysis.report_page.study_answers import study_answers
from analysis.statistics.averaged_effects import averaged_effects, complete_block
from analysis.statistics.claims import ClaimVerdict
from analysis.tables import rendering
from tests.analysis.readings_trials import (
    SCALED,
    SMALL,
    TINY,
    judged,
    made_up_readings,
    shipped_space,
    with_setting,
)


def value_of(found, text):
    (value,) = [value for value in found.values if value.text == text]
    return value


def test_a_conclusion_that_holds_in_every_reading_depends_on_none():
    text = readings_sentence(judged())
    assert text.startswith(
        "No, it does not: in all of 12 readings LaMix is on par with Mixup and CutMix, or better."
    )
    assert "No alternative is told apart from the base" in text


def test_a_conclusion_that_holds_in_no_reading_depends_on_none_either():
    text = readings_sentence(judged(lambda settings: 3.0))
    assert text.startswith("No, it does not, for the conclusion holds in none: in all of 12 ")


def test_readings_that_contradict_the_conclusion_are_named_by_what_they_share():
    text = readings_sentence(judged(with_setting("training.milestones", SCALED, 3.0)))
    assert text.startswith("Yes, it does: that LaMix is on par")
    assert "is shown in 6 of 12 readings (just those with milestones [100, 150])" in text
    assert "contradicted in 6 (just those with milestones [200, 300]) and undecided in 0." in text
    assert "milestones [200, 300] changes LaMix − CutMix by +3.0" in text
    assert "told apart from none: 2 of 8 changes" in text


def test_a_few_readings_are_named_one_by_one():
    def behind(settings):
        both = settings.get("regularizer.alternation") == "both"
        return 3.0 * (both and settings["training.milestones"] == SCALED)

    text = readings_sentence(judged(behind))
    named = "variant = mixup_cifar10, milestones [200, 300], alternation = both; variant = "
    assert f"contradicted in 2 ({named}" in text


def test_a_data_set_is_no_reading_and_the_conclusion_must_hold_on_all():
    found = judged(with_setting("dataset.name", "cifar100", 3.0))
    assert set(found.readings().values()) == {ClaimVerdict.CONTRADICTED}
    text = readings_sentence(found)
    assert text.startswith(
        "No, it does not: in none of 12 readings does the conclusion hold on all"
    )
    assert "on CIFAR-10 it is shown in all of 12 readings; on CIFAR-100 it fails in all of" in text
    assert value_of(found, "CIFAR-10").counts[ClaimVerdict.SUPPORTED] == 12
    assert value_of(found, "CIFAR-100").counts[ClaimVerdict.CONTRADICTED] == 12


def test_the_change_of_an_alternative_is_that_of_lamix_alone_and_a_settings_that_of_its_lead():
    found = judged(with_setting("regularizer.lam", "half", 2.0))
    (own,) = value_of(found, "lam = half").effects
    assert own.mean == pytest.approx(2.0, abs=0.02) and own.low > 1.9 and own.high < 2.1
    assert (own.settings, own.seeds) == (8, 5)
    for effect in value_of(found, "variant = PuzzleMix").effects:
        assert effect.mean == pytest.approx(0, abs=0.02) and effect.low < 0 < effect.high
        assert effect.settings == 12
    assert [lead.mean for lead in found.leads] == pytest.approx([2 / 3, 2 / 3], abs=0.02)


def test_what_an_average_hides_stands_beside_it():
    def behind(settings):
        half = settings.get("regularizer.lam") == "half"
        return half * (2.0 if settings["dataset.name"] == "cifar10" else -2.0)

    (effect,) = value_of(judged(behind), "lam = half").effects
    assert effect.mean == pytest.approx(0, abs=0.02)
    assert (effect.smallest, effect.largest) == pytest.approx((-2, 2), abs=0.05)


def test_one_seed_decides_nothing_and_says_so():
    found = judged(lambda settings: 9.0, seeds=1)
    assert readings_sentence(found).startswith(
        "Not decided: with one shared seed nothing tells LaMix from a rival, so that none of 12 "
        "readings shows whether LaMix is on par with Mixup and CutMix, or better."
    )
    assert set(found.readings().values()) == {ClaimVerdict.UNDECIDED}
    assert not any(effect.is_told for value in found.values for effect in value.effects)


def test_equal_errors_are_on_par_and_change_nothing():
    text = readings_sentence(judged(noise=0.0, luck=0.0))
    assert text.startswith("No, it does not: in all of 12 readings")
    assert "No alternative is told apart" in text


def test_missing_trials_leave_their_readings_open_and_the_others_judged():
    frame = made_up_readings(SMALL, noise=0.01)
    gone = (frame["regularizer.lam"] == "half") & (frame["dataset.name"] == "cifar10")
    found = judge_readings(frame[~gone], SMALL)
    text = readings_sentence(found)
    assert text.startswith("Not decided: ") and "is shown in 8 of 12 readings" in text
    assert "4 cases have not run yet." in text
    (effect,) = value_of(found, "lam = half").effects
    assert effect.settings == 4
    assert "averages over the settings alone that have all seeds" in readings_grid(found).notes[-1]


def test_half_of_the_trials_are_judged_by_what_they_share():
    frame = made_up_readings(SMALL, with_setting("training.milestones", SCALED, 3.0), noise=0.01)
    kept = np.random.default_rng(3).random(len(frame)) < 0.5
    found = judge_readings(frame[kept], SMALL)
    text = readings_sentence(found)
    assert text.startswith(("Not decided: ", "Yes, it does: "))
    for value in found.values:
        for effect in value.effects:
            truth = 3.0 if value.text == "[200, 300]" else 0.0
            assert not effect.is_told or effect.low <= truth <= effect.high


def test_without_a_rival_no_reading_is_decided():
    frame = made_up_readings(SMALL, noise=0.01)
    found = judge_readings(frame[frame["regularizer.name"] != "cutmix"], SMALL)
    assert set(found.readings().values()) == {ClaimVerdict.UNDECIDED}
    alone = frame[frame["regularizer.name"].isin(["lamix", "vanilla"])]
    assert judge_readings(alone, SMALL) is None
    resolved = {"search": {"space": SMALL}}
    assert study_answers(READINGS, "day", resolved, alone).about_readings == NOTHING_COMMON


def test_seeds_that_no_rival_shares_are_no_pairs():
    frame = made_up_readings(SMALL, noise=0.01)
    lamix = frame["regularizer.name"] == "lamix"
    apart = pd.concat([frame[lamix & (frame["seed"] < 2)], frame[~lamix & (frame["seed"] > 1)]])
    assert readings_sentence(judge_readings(apart, SMALL)).startswith(NOTHING_COMMON)


def test_a_lost_trial_leaves_its_cases_open():
    frame = made_up_readings(SMALL, noise=0.01)
    lost = (frame["regularizer.lam"] == "half") & (frame["seed"] == 0)
    frame.loc[lost, ["outcome", "test_error_last"]] = ["diverged", None]
    found = judge_readings(frame, SMALL)
    assert value_of(found, "lam = half").counts[ClaimVerdict.UNDECIDED] == 8
    text = readings_sentence(found)
    assert "8 trials diverged or failed: cases with such a trial stay undecided" in text


def test_of_several_configurations_in_one_place_none_is_chosen():
    frame = made_up_readings(SMALL, noise=0.01)
    other = frame[frame["configuration"] == "3"].assign(configuration="other", test_error_last=5.0)
    found = judge_readings(pd.concat([frame, other]), SMALL)
    assert found.several == 1
    assert "1 place of the study has several configurations; none of these is taken." in (
        readings_sentence(found)
    )


def test_another_setting_than_the_papers_says_nothing_of_its_claim():
    space = shipped_space("quick")
    text = readings_sentence(judged(space=space, seeds=1))
    assert "none of 64 readings" in text
    assert text.endswith("The setting is not the paper's: this says nothing of its claim or its "
                         "numbers.")  # fmt: skip
    small = {path: options[:2] for path, options in space.items()}
    small["regularizer"] = space["regularizer"][1:4]
    assert readings_sentence(judged(space=small)).startswith("No, it does not here: in all of 8 ")


def test_the_table_has_a_row_for_each_value_and_the_file_all_comparisons():
    space = shipped_space()
    found = judged(space=space, seeds=3)
    grid = readings_grid(found)
    assert len(grid.rows) == 16
    assert {len(row) for row in grid.rows} == {len(grid.header)} == {len(grid.numeric)}
    assert len(cases_grid(found).rows) == 2 * 8 * 2**3 * 2
    rendering.to_html(grid), rendering.to_latex(grid), rendering.to_text(grid)


def test_a_space_that_compares_no_readings_is_not_judged():
    frame = made_up_readings(SMALL)
    assert judge_readings(frame, {}) is None
    assert judge_readings(frame, {"regularizer.beta": {"low": 0.1, "high": 0.9}}) is None
    assert judge_readings(frame.iloc[:0], SMALL) is None


def test_of_a_hundred_null_tables_at_most_five_claim_a_dependence():
    claimed = 0
    for seed in range(100):
        found = judged(space=TINY, noise=0.3, seeds=3, seed=seed)
        told = any(effect.is_told for value in found.values for effect in value.effects)
        claimed += told or readings_sentence(found).startswith("Yes")
    assert claimed <= 5


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("behind", [0.0, 0.52])
def test_of_a_hundred_null_studies_hardly_any_claims_a_dependence(seeds, behind):
    def spread_of(settings):
        return 3.0 if settings["dataset.name"] == "cifar100" else 1.0

    space = shipped_space()
    claimed = 0
    for seed in range(100):
        found = judged(
            lambda settings: behind, space=space, seeds=seeds, seed=seed, noise=0.2,
            spread_of=spread_of,
        )  # fmt: skip
        told = any(effect.is_told for value in found.values for effect in value.effects)
        claimed += told or readings_sentence(found).startswith("Yes")
    assert claimed <= 5 + 4  # 5% of 100, within what chance allows


def test_simultaneous_intervals_of_averages_miss_as_seldom_as_promised():
    rng = np.random.default_rng(0)
    missed = 0
    for _ in range(300):
        luck = rng.normal(0, 0.2, 4)  # what the settings share in a seed
        effects = averaged_effects(
            [rng.normal(0, 0.3, (6, 4)) + luck for _ in range(10)], kinds=["a"] * 5 + ["b"] * 5
        )
        missed += any(effect.is_told for effect in effects)
    assert missed / 300 <= 0.05 + 0.02


def test_an_average_is_over_the_settings_and_seeds_that_miss_nothing():
    gap = np.arange(12.0).reshape(4, 3)
    gap[0, 2] = np.nan
    assert complete_block(gap).tolist() == [[3, 4, 5], [6, 7, 8], [9, 10, 11]]
    gap[1:, 2] = np.nan
    assert complete_block(gap).shape == (4, 2)
    assert complete_block(np.full((2, 3), np.nan)).size == 0
    (none,) = averaged_effects([np.full((2, 3), np.nan)], kinds=["a"])
    assert np.isnan(none.mean) and not none.is_told and (none.settings, none.seeds) == (0, 0)
    (by_hand,) = averaged_effects([np.array([[1.0, 2.0], [3.0, 4.0]])], kinds=["a"])
    assert by_hand.mean == 2.5 and (by_hand.smallest, by_hand.largest) == (1.5, 3.5)
