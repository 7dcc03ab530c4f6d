"""The race over seeds: decisions, replayed looks, bad rules, and its level by simulation."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtri

from analysis.statistics.race_batch import run_races
from analysis.statistics.racing import RaceRule, RaceRuleError, decide_race
from analysis.statistics.spending import nominal_levels, spent_level

RULE = RaceRule()


def draw(means, spreads, *, seeds=15, races=1, rho=0.3, seed=0):
    rng = np.random.default_rng(seed)
    shared = np.sqrt(rho) * rng.normal(size=(races, 1, seeds))
    own = np.sqrt(1 - rho) * rng.normal(size=(races, len(means), seeds))
    return np.asarray(means)[:, None] + (shared + own) * np.asarray(spreads)[:, None]


def test_a_clear_winner_is_best_at_the_first_look():
    errors = draw([5.0, 20.0, 30.0], [0.1, 0.1, 0.1])[0]
    errors[:, 3:] = np.nan
    decision = decide_race(errors, RULE)
    assert (decision.verdict, decision.best, decision.beaten) == ("best", 0, (1, 2))
    assert decision.next_look is None and decision.looks_taken == 1
    assert decision.seeds_wanted == (3, 3, 3)


def test_nothing_is_said_before_the_first_look_is_complete():
    errors = np.array([[1.0, 1.1, 1.2], [9.0, 9.1, np.nan]])
    decision = decide_race(errors, RULE)
    assert decision.verdict == "going on" and decision.looks_taken == 0
    assert decision.next_look == 3 and decision.beaten == ()
    assert decision.going_on == (0, 1) and decision.seeds_wanted == (3, 3)


def test_only_those_not_beaten_get_seeds_of_the_next_look():
    errors = draw([5.0, 5.0, 30.0], [0.1, 0.1, 0.1], seed=3)[0]
    errors[:, 3:] = np.nan
    decision = decide_race(errors, RULE)
    assert decision.verdict == "going on" and decision.beaten == (2,)
    assert decision.seeds_wanted == (5, 5, 3) and decision.going_on == (0, 1)


def test_two_of_a_kind_are_undecided_at_the_cap_and_equivalent_by_a_margin():
    errors = draw([5.0, 5.0, 30.0], [0.1, 0.1, 0.1], seed=3)[0]
    assert decide_race(errors, RULE).verdict == "undecided"
    decision = decide_race(errors, replace(RULE, margin=0.5))
    assert decision.verdict == "equivalent" and decision.equivalent == (0, 1)
    assert decision.going_on == () and decision.best is None and decision.leader in (0, 1)


def test_a_decision_does_not_depend_on_seeds_of_later_looks():
    errors = draw([5.0, 5.3, 6.0, 5.05], [0.2, 0.3, 0.1, 0.2], seed=5)[0]
    whole = decide_race(errors, RULE)
    cut = errors.copy()
    for row, wanted in enumerate(whole.seeds_wanted):
        cut[row, wanted:] = np.nan
    assert decide_race(cut, RULE) == whole


def test_a_race_replayed_from_any_point_takes_the_same_course():
    errors = draw([5.0, 5.2, 6.0, 5.05], [0.2, 0.3, 0.1, 0.2], seed=6)[0]
    whole = decide_race(errors, RULE)
    known = np.full_like(errors, np.nan)
    beaten = []
    for _ in range(10):
        decision = decide_race(known, RULE)
        assert set(beaten) <= set(decision.beaten)  # what is decided stays decided
        beaten = decision.beaten
        if decision.next_look is None:
            break
        for row, wanted in enumerate(decision.seeds_wanted):
            known[row, :wanted] = errors[row, :wanted]
    assert decision == whole


def test_a_later_look_added_changes_no_decision_taken():
    errors = draw([5.0, 5.1, 6.0, 5.05], [0.2, 0.3, 0.1, 0.2], seeds=40, seed=7)[0]
    short = decide_race(errors, RULE)
    longer = decide_race(errors, replace(RULE, looks=(3, 5, 8, 11, 15, 25, 40)))
    assert set(short.beaten) <= set(longer.beaten)
    assert longer.looks_taken >= short.looks_taken


def test_a_diverged_trial_counts_as_an_error_of_100_percent():
    errors = np.array([[5.0, 5.1, 5.2], [np.inf, np.inf, np.inf], [5.1, 5.0, 5.2]])
    assert decide_race(errors, RULE).beaten == (1,)


def test_three_differences_of_one_image_prove_nothing():
    one_image = 100 / 360
    errors = np.array([[3, 5, 4], [4, 6, 5]]) * one_image
    assert decide_race(errors, RaceRule(looks=(3,), resolution=one_image)).verdict == "undecided"
    apart = np.array([[3, 5, 4], [240, 242, 241]]) * one_image
    assert decide_race(apart, RaceRule(looks=(3,), resolution=one_image)).verdict == "best"


def test_against_a_reference_each_is_better_worse_equivalent_or_open():
    errors = draw([5.0, 4.0, 6.0, 5.0], [0.1, 0.1, 0.1, 0.1], seed=8)[0]
    decision = decide_race(errors, replace(RULE, against=0, margin=0.4))
    assert decision.verdict == "decided" and decision.leader == 1
    assert (decision.better, decision.beaten, decision.equivalent) == ((1,), (2,), (3,))
    open_race = decide_race(errors, replace(RULE, against=0))
    assert open_race.verdict == "undecided" and 3 in open_race.going_on


def test_a_configuration_still_to_come_keeps_the_race_open():
    errors = draw([5.0, 20.0], [0.1, 0.1])[0]
    assert decide_race(errors, RULE).verdict == "best"
    waiting = decide_race(errors, replace(RULE, configurations=20))
    assert waiting.verdict != "best" and waiting.best is None


def test_resting_only_orders_the_trials():
    races = draw([5.0, 5.15, 5.3, 5.05], [0.2, 0.3, 0.2, 0.2], races=200, seed=9)
    plain = run_races(races, RULE)
    named = run_races(races, replace(RULE, rest=0.05, until="named"))
    assert named.seeds_RK.sum() < 0.8 * plain.seeds_RK.sum()
    assert (named.seeds_RK <= 15).all() and named.over_R.all()
    assert (named.leader_R == plain.leader_R).mean() > 0.9


@pytest.mark.parametrize("spreads", [(1, 1, 1, 1), (5, 1, 6, 4), (1, 1, 8, 8)])
def test_with_no_difference_hardly_any_configuration_is_called_beaten(spreads):
    races = draw([5.0] * 4, 0.1 * np.array(spreads), races=1500, seed=10)
    wrong = run_races(races, RULE).beaten_RK.any(-1).mean()
    assert wrong < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1500)


def test_beyond_the_margin_hardly_any_configuration_is_called_equivalent():
    races = draw([5.0, 5.21, 5.21], [0.2, 0.2, 0.2], races=1500, seed=11)
    outcome = run_races(races, replace(RULE, margin=0.2))
    wrong = outcome.equivalent_RK[:, 1:].any(-1) | outcome.beaten_RK[:, 0]
    assert wrong.mean() < 0.05


def test_against_a_reference_with_no_difference_hardly_any_is_better_or_worse():
    races = draw([5.0] * 4, [0.2, 0.1, 0.3, 0.2], races=1500, seed=12)
    outcome = run_races(races, replace(RULE, against=0))
    assert (outcome.beaten_RK | outcome.better_RK).any(-1).mean() < 0.05


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"looks": (3, 5, 4)}, r"looks must rise .* but are \(3, 5, 4\)"),
        ({"looks": (1, 2)}, "rise from 2 seeds"),
        ({"looks": ()}, "looks must rise"),
        ({"margin": -0.1}, "at least 0 points, but is -0.1"),
        ({"level": 1.0}, "level must lie between 0 and 1"),
        ({"rest": 1.0}, r"rest must lie in \[0, 1\)"),
    ],
)
def test_a_rule_that_no_race_can_follow_is_refused(setting, message):
    with pytest.raises(RaceRuleError, match=message):
        RaceRule(**setting)


def test_a_reference_that_is_not_there_is_refused():
    with pytest.raises(RaceRuleError, match="row 7, but there are 2"):
        decide_race(np.zeros((2, 3)), RaceRule(against=7))


def test_more_than_the_level_is_never_spent():
    spent = spent_level([3, 5, 8, 11, 15, 99, 10**6])
    assert (np.diff(spent) > 0).all() and spent[0] > 0 and spent[-1] < 0.05


@pytest.mark.parametrize(("looks", "nominal"), [(2, 0.0294), (3, 0.0221), (5, 0.0158)])
def test_the_levels_of_even_looks_are_those_of_pocock(looks, nominal):
    """Pocock 1977, doi:10.1093/biomet/64.2.191: two-sided levels at which all looks err in 5%."""
    ends = tuple(range(1, looks + 1))
    rng = np.random.default_rng(0)
    sums = rng.normal(size=(400_000, looks)).cumsum(-1) / np.sqrt(ends)
    reached = np.maximum.accumulate(sums, -1) > -ndtri(nominal / 2)
    spent = tuple(map(float, reached.mean(0)))
    assert spent[-1] == pytest.approx(0.025, abs=0.001)
    assert nominal_levels(ends, spent) == pytest.approx([nominal / 2] * looks, rel=0.05)


@pytest.mark.parametrize("tests", [2, 210, 10**6])
def test_a_looks_level_lies_between_its_part_and_all_that_is_spent(tests):
    looks = (3, 5, 8, 11, 15)
    spent = spent_level(looks, level=0.05 / tests)
    levels = np.array(nominal_levels(looks, tuple(spent)))
    assert (levels >= np.diff(spent, prepend=0.0) * (1 - 1e-9)).all() and (levels <= spent).all()


def test_a_later_look_leaves_the_levels_of_earlier_ones_as_they_are():
    few, many = RaceRule(looks=(3, 5, 8)), RaceRule(looks=(3, 5, 8, 11, 15))
    assert (few.levels_among(12) == many.levels_among(12)[:3]).all()
