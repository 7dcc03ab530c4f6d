"""Which command would give a finished study more seeds."""

from types import SimpleNamespace

import pytest

from analysis.tables.configurations import over_configurations
from study.launching.more_seeds import more_seeds
from tests.analysis.test_race_story import CLOSE, CLOSER, FACTORS, FAR, frame_of

GRID = {"sampler": "grid", "space": {"regularizer.beta": [0.1, 0.2, 0.3]}}


@pytest.fixture
def offered(make):
    """Return the commands that are offered, and what is said."""

    def offered(*errors, command="launch s.yaml", looks=(5,), **options):
        said: list[str] = []
        launch = SimpleNamespace(
            study=make(**{**GRID, **options}), command=command, say=said.append
        )
        frame = frame_of(*errors)
        table = over_configurations(frame, FACTORS)
        return more_seeds(launch, frame, table, FACTORS, looks), said

    return offered


NEAR = [10.0, 10.5, 10.2, 10.4, 10.1], [10.4, 10.4, 10.7, 10.5, 10.5]


def test_seeds_that_are_likely_to_decide_are_offered_in_place_of_those_of_the_command(offered):
    command = "launch s.yaml --set search.seeds=5 --scale quick"
    ((text, purpose),), said = offered(*NEAR, command=command, seeds=5)
    assert text.startswith("launch s.yaml --scale quick --set search.seeds=")
    assert "tells the best from the next with probability 0." in purpose
    assert said == []


def test_no_command_is_offered_where_all_is_told(offered):
    commands, said = offered(CLOSE, [x + 10 for x in CLOSER], seeds=5)
    assert commands == []
    assert said == ["The best is told from the next, and more seeds are not needed for that."]


def test_a_study_that_compares_has_no_best_that_more_seeds_would_tell(offered):
    assert offered(*NEAR, seeds=5, objective="train_loss") == ([], [])


def test_a_list_of_seeds_has_no_next_one(offered):
    assert offered(*NEAR, seeds=[3, 1, 4, 0, 2]) == ([], [])


RACE = {"first": 3, "most": 5, "looks": [3, 5]}


def test_a_race_undecided_at_its_cap_is_offered_a_further_look(offered):
    ((text, purpose),), _ = offered(CLOSE, CLOSER, FAR, seeds=RACE)
    assert text == "launch s.yaml --set search.seeds.most=8 --set search.seeds.looks=[3,5,8]"
    assert purpose.startswith("a look at 8 seeds, 6 trials: decides something with probability 0.")


def test_a_race_that_is_decided_is_offered_none(offered):
    assert offered(CLOSE[:3], FAR, [x + 8 for x in CLOSE[:3]], seeds=RACE) == ([], [])
