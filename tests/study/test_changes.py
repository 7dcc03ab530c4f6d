"""What a launch says of a study that has changed since its last launch."""

from types import SimpleNamespace

import pytest

from study.file.changes import MEANING, describe_changes
from study.launching.opening_words import describe_changes_since
from study.launching.study_launch import LaunchRefusedError
from study.record.errors import RecordError

BEFORE = {
    "trial": {"training": {"epochs": 3, "milestones": []}},
    "search": {
        "seeds": [0, 1, 2],
        "configurations": 5,
        "space": {"regularizer.beta": {"low": 0.3, "high": 0.9}},
    },
}


def changed(**parts):
    now = {**BEFORE, "search": {**BEFORE["search"], **parts.pop("search", {})}, **parts}
    return describe_changes(BEFORE, now)


def test_a_value_is_shown_as_a_study_file_holds_it():
    space = {"regularizer.beta": {"low": 0.4, "high": 0.9}}
    (said,) = changed(search={"space": space})
    assert said.startswith(
        "search.space.regularizer.beta: {low: 0.3, high: 0.9} → {low: 0.4, high: 0.9} ("
    )
    (said,) = changed(trial={"training": {"epochs": 3, "milestones": [2]}})
    assert said.startswith("trial.training.milestones: [] → [2] (")
    (said,) = changed(search={"configurations": None})
    assert said.startswith("search.configurations: 5 → null (")


def test_what_is_said_of_a_change_holds_beside_every_other_change():
    """Other epochs make every trial another: nothing that is kept may be promised beside it."""
    said = changed(
        trial={"training": {"epochs": 15, "milestones": []}},
        search={"seeds": [0, 1], "configurations": 6, "space": {"regularizer.beta": [0.3]}},
    )
    assert len(said) == 4
    for sentence in said:
        assert not {"kept", "only", "stay"} & set(sentence.replace(",", "").split())


@pytest.mark.parametrize("path", MEANING)
def test_a_meaning_promises_nothing_of_what_is_on_record(path):
    assert "kept" not in MEANING[path]


def test_a_plan_whose_server_goes_away_is_refused_in_words():
    def away():
        raise RecordError("the server is away")

    launch = SimpleNamespace(record=SimpleNamespace(study_writer=SimpleNamespace()))
    launch.record.study_writer.resolved_before = away
    with pytest.raises(LaunchRefusedError, match="the server is away"):
        describe_changes_since(launch)
