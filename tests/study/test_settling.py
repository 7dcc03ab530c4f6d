"""A search that ends once nothing more is to be gained."""

import math
import random
from pathlib import Path

import pytest
from rich.console import Console

from study.file.problems import StudyFileError
from study.launching.planning import print_plan
from study.scheduling.nodes import StudyPlace, this_machine
from study.scheduling.progress import describe_settled, trial_counts
from study.search.settling import FEWEST
from study.trials import RecordedTrial
from tests.study.test_scheduler import begun_scheduler, finish, run

UNTIL = {"most": 60, "until": "settled"}


def flat(trial):
    """An error that β does not change, with noise over seeds."""
    return 10 + random.Random(f"{trial.number} {trial.seed}").gauss(0, 0.5)


def steep(trial):
    """An error that β decides, with hardly any noise."""
    off = trial.point["regularizer.beta"] - 0.5
    return 10 + 40 * abs(off) + random.Random(f"{trial.number} {trial.seed}").gauss(0, 1e-4)


@pytest.fixture
def begun(make, storage):
    """Begin a study on a storage; its trials are what the record holds."""
    file = storage()

    def begun(recorded=None, **options):
        return begun_scheduler(
            make(**{"seeds": 3, "configurations": UNTIL, "epochs": 1, **options}), file, recorded
        )

    return begun


def on_record(scheduler):
    return {
        key: RecordedTrial(
            f"run-{key}",
            key,
            "FINISHED",
            "completed",
            {"validation_error": trial.values[0], "train_loss": 1.0},
            trial.tags,
        )
        for key, trial in scheduler.trials.items()
        if trial.values
    }


def test_a_search_settles_where_nothing_is_to_be_gained_but_noise(begun):
    scheduler = begun()
    assert scheduler.unasked == 60 and trial_counts(scheduler) == (0, 180)
    order = finish(scheduler, flat)
    settled = scheduler.looks.settled
    assert FEWEST <= settled.configurations == len(scheduler.configurations) < 60
    assert len(order) == 3 * settled.configurations and scheduler.is_finished
    assert trial_counts(scheduler) == (len(order), len(order))
    assert settled.gain < settled.noise == pytest.approx(0.5 / math.sqrt(3), rel=0.35)
    assert describe_settled(scheduler) == (
        f"Settled after {settled.configurations} configurations: validation error may gain at most "
        f"{settled.gain:.3g} points by more of them (by a Gaussian process's bound), less than the "
        f"standard error of a mean over seeds, {settled.noise:.3g} points."
    )


def test_a_search_that_may_gain_more_than_noise_goes_on_to_its_most(begun):
    scheduler = begun(configurations={"most": 26, "until": "settled"})
    finish(scheduler, steep)
    assert scheduler.looks.settled is None and describe_settled(scheduler) == ""
    assert len(scheduler.configurations) == 26 and scheduler.is_finished


def test_a_relaunch_comes_to_the_same_end_from_the_record(begun, storage):
    scheduler = begun()
    finish(scheduler, flat)
    again = begun(on_record(scheduler))
    assert again.looks.settled == scheduler.looks.settled
    assert again.is_finished and again.hand_out_trial() is None
    wider = begun(on_record(scheduler), configurations={"most": 200, "until": "settled"})
    assert wider.looks.settled == scheduler.looks.settled and wider.hand_out_trial() is None
    plain = begun(on_record(scheduler), configurations=60)
    assert plain.looks.settled is None and plain.hand_out_trial() is not None


def test_what_began_side_by_side_is_done_and_changes_no_decision(begun):
    alone = begun()
    finish(alone, flat)
    several = begun({}, name="other")
    active = []
    while True:
        while len(active) < 12 and (trial := several.hand_out_trial()) is not None:
            active.append(trial)
        if not active:
            break
        trial = active.pop()  # the last that began ends first
        run(several, trial, [flat(trial)])
    assert several.looks.settled == alone.looks.settled
    assert len(several.configurations) > several.looks.settled.configurations
    assert all(each.is_judged for each in several.configurations) and several.is_finished
    assert "more had begun by then" in describe_settled(several)


def test_alternatives_that_bring_settings_of_their_own_do_not_settle(make):
    space = {"regularizer": [{"name": "vanilla"}, {"name": "lamix", "beta": [0.1, 0.9]}]}
    with pytest.raises(StudyFileError, match="`until: settled` needs the same paths for all"):
        make(space=space, configurations=UNTIL)
    assert make(space=space, configurations=3).at_most == ""


def test_a_race_follows_a_search_that_has_settled(begun):
    scheduler = begun(seeds={"looks": [3, 5]})
    finish(scheduler, flat)
    assert scheduler.looks.settled is not None and scheduler.is_finished
    assert scheduler.looks.race.decision is not None


def test_a_plan_says_at_most_and_why_nothing_more_is_tried(begun, capsys):
    scheduler = begun()
    finish(scheduler, flat)
    place = StudyPlace([this_machine()], None)
    print_plan(scheduler, {}, Console(width=400), upcoming=[], data=Path("data"), place=place)
    said = capsys.readouterr().out
    count = scheduler.looks.settled.configurations
    assert f"{count} chosen of at most 60; settled after {count} configurations: " in said
    assert f" {3 * count}: {3 * count} done" in said and "Nothing to do" in said
