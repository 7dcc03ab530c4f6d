"""A race over seeds, as the scheduler runs it: who gets further seeds, and when it is over."""

import random

import pytest

from study.launching.planning import print_plan
from study.scheduling.failed_attempts import RETRIES
from study.scheduling.progress import trial_counts
from tests.study.sample import epochs_of
from tests.study.test_reconcile import Lab

RACE = {"first": 3, "most": 8, "looks": [3, 5, 8]}
BETAS = [0.1, 0.3, 0.5, 0.7]
GRID = {"sampler": "grid", "space": {"regularizer.beta": BETAS}, "seeds": RACE}


@pytest.fixture
def lab(make, storage):
    return Lab(make, storage)


def error_of(trial):
    """Two configurations that are close, one that is far, one between; seeds shift all alike."""
    mean = {0.1: 30.0, 0.3: 10.0, 0.5: 10.1, 0.7: 14.0}.get(trial.point["regularizer.beta"], 12.0)
    noise = random.Random(f"{trial.point} {trial.seed}").gauss(0, 0.4)
    return round(mean + 0.5 * (trial.seed % 3) + noise, 2)


def seeds_by_number(scheduler):
    """How many trials of each configuration are done, by its number."""
    return [sum(t.state == "done" for t in c.trials) for c in scheduler.configurations]


def decision_of(scheduler):
    return scheduler.looks.race.decision


def test_all_get_their_first_seeds_and_then_those_that_are_not_beaten(lab):
    scheduler = lab.launch(**GRID)
    order = lab.finish(error_of)
    first, later = order[:12], order[12:]
    assert first == [(n, seed) for n in range(4) for seed in range(3)]
    assert {number for number, _ in later} == {1, 2}
    assert seeds_by_number(scheduler) == [3, 8, 8, 3]
    assert scheduler.is_finished
    assert decision_of(scheduler).verdict == "undecided"
    assert decision_of(scheduler).beaten == (0, 3)


def test_further_seeds_go_seed_by_seed_over_those_that_go_on(lab):
    lab.launch(**GRID)
    later = lab.finish(error_of)[12:]
    assert later == [(n, seed) for seed in range(3, 8) for n in (1, 2)]


def test_a_clear_winner_ends_the_race_at_its_first_look(lab):
    scheduler = lab.launch(**GRID)
    lab.finish(lambda t: 10.0 * t.number + 0.1 * t.seed + 0.01 * ((t.number + t.seed) % 2))
    assert seeds_by_number(scheduler) == [3] * 4
    assert (decision_of(scheduler).verdict, decision_of(scheduler).best) == ("best", 0)


def test_what_is_within_the_margin_is_equivalent_and_gets_no_more(lab):
    scheduler = lab.launch(**{**GRID, "seeds": {**RACE, "margin": 3.0}})
    lab.finish(error_of)
    assert decision_of(scheduler).verdict == "equivalent"
    assert decision_of(scheduler).equivalent == (1, 2)
    assert max(seeds_by_number(scheduler)) < 8


def test_against_a_reference_all_others_are_compared_with_it(lab):
    against = {"against": {"regularizer.beta": 0.7}}
    scheduler = lab.launch(**{**GRID, "seeds": {**RACE, "decide": against}})
    lab.finish(error_of)
    decision = decision_of(scheduler)
    assert (decision.verdict, decision.better, decision.beaten) == ("decided", (1, 2), (0,))


def test_a_sampled_search_tries_the_reference_first(lab):
    against = {"against": {"regularizer.beta": 0.45}}
    scheduler = lab.launch(configurations=3, seeds={**RACE, "decide": against})
    lab.finish(lambda t: 10.0 + 5 * t.number + 0.1 * t.seed + 0.01 * (t.number * t.seed % 3))
    assert scheduler.configurations[0].point == {"regularizer.beta": 0.45}
    assert decision_of(scheduler).beaten == (1, 2)


def test_the_search_is_told_means_over_the_first_seeds_alone(lab):
    lab.launch(**GRID)
    lab.finish(error_of)
    told = [judgement.values[0] for judgement in lab.judgements()]
    for each, value in zip(lab.scheduler.configurations, told, strict=True):
        assert value == pytest.approx(sum(error_of(t) for t in each.trials[:3]) / 3)


@pytest.mark.parametrize("sampler", ["tpe", "qmc"])
def test_every_sampler_chooses_as_it_would_with_the_first_seeds_alone(make, storage, sampler):
    chosen = []
    for seeds in (RACE, 3):
        lab = Lab(make, storage)
        lab.launch(sampler=sampler, configurations=6, seeds=seeds)
        lab.finish(error_of)
        chosen.append(lab.points())
    assert chosen[0] == chosen[1]


def test_a_second_launch_has_nothing_to_do(lab):
    lab.launch(**GRID)
    lab.finish(error_of)
    before = decision_of(lab.scheduler)
    scheduler = lab.launch(**GRID)
    assert scheduler.is_finished
    assert decision_of(scheduler) == before
    assert lab.finish(error_of) == []
    assert not lab.found.retired


@pytest.mark.parametrize("seed", range(10))
def test_killed_at_random_points_it_ends_with_the_same_decisions(make, storage, seed):
    whole = Lab(make, storage)
    whole.launch(**GRID)
    order = whole.finish(error_of)
    killed, trained, chance = Lab(make, storage), [], random.Random(seed)
    while True:
        scheduler = killed.launch(**GRID)
        trained += killed.finish(error_of, most=chance.randrange(1, 6))
        if scheduler.is_finished:
            break
        left = scheduler.hand_out_trial()  # it dies amid its first epochs
        if left is not None:
            scheduler.note_begun(left)
            scheduler.note_epochs(left, epochs_of([error_of(left)] * 4)[:2], device="cpu")
    assert trained == order
    assert decision_of(scheduler) == decision_of(whole.scheduler)
    assert killed.record.runs.keys() == whole.record.runs.keys()
    assert killed.judgements() == whole.judgements()


def test_a_later_look_is_the_next_look(lab):
    lab.launch(**GRID)
    lab.finish(error_of)
    longer = {"looks": [3, 5, 8, 12]}
    scheduler = lab.launch(**{**GRID, "seeds": longer})
    assert not lab.found.retired
    later = lab.finish(error_of)
    assert later == [(n, seed) for seed in range(8, 12) for n in (1, 2)]
    assert decision_of(scheduler).looks_taken == 4


def test_more_configurations_get_their_first_seeds_before_the_race_goes_on(lab):
    options = {"configurations": 3, "seeds": RACE}
    lab.launch(**options)
    lab.finish(error_of)
    lab.launch(**{**options, "configurations": 4})
    order = lab.finish(error_of)
    assert order[:3] == [(3, 0), (3, 1), (3, 2)]
    assert not lab.found.retired


def test_a_race_takes_over_the_seeds_of_a_plain_study(lab):
    lab.launch(**{**GRID, "seeds": 5})
    lab.finish(error_of)
    scheduler = lab.launch(**GRID)
    assert not lab.found.retired
    order = lab.finish(error_of)
    assert order == [(n, seed) for seed in range(5, 8) for n in (1, 2)]
    assert decision_of(scheduler).beaten == (0, 3)


def fail_for_good(scheduler, trial):
    for _ in range(RETRIES + 1):
        scheduler.note_begun(trial)
        if scheduler.note_failed(trial, "ValueError: no"):
            assert scheduler.hand_out_trial() is trial


def test_a_configuration_of_which_a_trial_fails_is_out_and_the_others_go_on(lab):
    scheduler = lab.launch(**GRID)
    while (trial := scheduler.hand_out_trial()) is not None:
        if (trial.number, trial.seed) == (1, 4):
            fail_for_good(scheduler, trial)
        else:
            lab.begin(trial, [error_of(trial)] * 4)
            scheduler.note_completed(trial)
    assert scheduler.is_finished
    assert decision_of(scheduler).verdict == "best"
    assert scheduler.looks.race.leader.number == 2
    assert len(scheduler.failures) == 1
    again = lab.launch(**GRID)  # tries it again, and has it back in the race
    assert lab.finish(error_of)[0] == (1, 4)
    assert seeds_by_number(again) == [3, 8, 8, 3]


def test_a_trial_that_diverges_counts_with_the_worst_value(lab):
    scheduler = lab.launch(**GRID)
    while (trial := scheduler.hand_out_trial()) is not None:
        scheduler.note_begun(trial)
        losses = [float("nan")] if trial.number == 3 else [1.0] * 4
        scheduler.note_epochs(
            trial, epochs_of([error_of(trial)] * len(losses), losses=losses), device="cpu"
        )
        scheduler.note_completed(trial)
    assert scheduler.configurations[3].judgement.values == (100.0,)
    assert 3 in decision_of(scheduler).beaten


def test_a_configuration_stopped_early_is_out_of_the_race(lab):
    median = {"name": "median", "startup_configurations": 1}
    scheduler = lab.launch(**GRID, early_stopping=median)
    lab.finish(error_of)
    assert scheduler.is_finished
    states = [each.judgement.state for each in scheduler.configurations]
    assert "pruned" in states
    assert len(scheduler.looks.race.racing) == states.count("complete")
    pruned = scheduler.configurations[states.index("pruned")]
    assert not any(trial.is_finished for trial in pruned.trials)


def test_equal_configurations_race_once(lab):
    same = [{"name": "lamix"}, {"name": "lamix", "mixing": "average"}, {"name": "vanilla"}]
    options = {"sampler": "grid", "space": {"regularizer": same}, "seeds": RACE}
    scheduler = lab.launch(**options)
    lab.finish(lambda t: 10.0 + 5 * (t.number == 2) + 0.1 * t.seed + 0.01 * (t.seed * t.number % 3))
    assert len(scheduler.looks.race.racing) == 2
    assert decision_of(scheduler).verdict == "best"


def test_the_counts_are_of_what_is_wanted_so_far(lab):
    scheduler = lab.launch(**GRID)
    assert trial_counts(scheduler) == (0, 12)
    lab.finish(error_of, most=12)
    assert trial_counts(scheduler) == (12, 16)
    assert scheduler.looks.race.describe_state() == "race: 2 of 4 go on to 5 seeds"
    lab.finish(error_of)
    assert scheduler.looks.race.describe_state() == "race over: undecided"


def test_a_plan_says_between_which_numbers_its_trials_lie(lab, capsys):
    from pathlib import Path

    from rich.console import Console

    from study.scheduling.nodes import StudyPlace, this_machine

    scheduler = lab.launch(**GRID)
    lab.finish(error_of)
    place = StudyPlace([this_machine()], None)
    print_plan(scheduler, {}, Console(), upcoming=[], data=Path("data"), place=place)
    said = capsys.readouterr().out
    assert "3 to 8, looks at 3, 5, 8" in said
    assert "12 to 32 trials in all; race over: undecided" in said
    assert "Nothing to do" in said
