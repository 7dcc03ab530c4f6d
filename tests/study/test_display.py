import io

import pytest
from conftest import epochs_of
from rich.console import Console

from study.agenda import Agenda
from study.display import Display, duration
from study.model import describe
from study.search import Search

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


class NoRecord:
    """Takes everything and keeps nothing."""

    def finished_elsewhere(self, key):
        return None

    def __getattr__(self, name):
        return lambda *args, **named: None


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (40.4, "40 s"),
        (89.4, "89 s"),
        (90, "2 min"),
        (720, "12 min"),
        (89 * 60, "89 min"),
        (90 * 60, "1 h 30 min"),
        (3 * 3600 + 20 * 60, "3 h 20 min"),
        (3 * 3600 + 5 * 60 + 20, "3 h 05 min"),
        (47 * 3600, "47 h 00 min"),
        (48 * 3600, "2.0 days"),
        (60 * 3600, "2.5 days"),
    ],
)
def test_a_duration_is_said_as_people_say_it(seconds, said):
    assert duration(seconds) == said


def test_a_point_is_described_by_the_ends_of_its_paths():
    point = {"regularizer": "lamix", "regularizer.beta": 0.123456, "training.epochs": 3}
    assert describe(point) == "regularizer=lamix beta=0.1235 epochs=3"
    assert describe({}) == ""


def test_without_a_terminal_there_are_plain_lines(make, storage):
    study = make(configurations=2, seeds=2, enqueue=[{"regularizer.beta": 0.5}])
    agenda = Agenda(
        study, Search(study, storage()), NoRecord(), data_of=lambda c: "feed", provenance={}
    )
    written = io.StringIO()
    console = Console(file=written, force_terminal=False, width=40)
    with Display(agenda, console, facts=[("records", "sqlite:///mlflow.db")]) as display:
        for errors in ([9.0, 8.0, 7.0, 4.0], [9.0, 8.0, 7.0, 6.0]):
            trial = agenda.next()
            agenda.begin(trial)
            agenda.epochs(trial, epochs_of(errors), device="cpu")
            agenda.completed(trial)
        agenda.begin(agenda.next())
        display.changed()
        display.changed()  # at once again: no second line
    lines = written.getvalue().splitlines()
    assert lines[0].split() == ["records", "sqlite:///mlflow.db"]
    assert len(lines) == 3  # one by the change, one at the end
    assert "2 of 4 trials done" in lines[1]
    assert "1 running" in lines[1]
    assert "1 to do" in lines[1]
    assert "best so far: beta=0.5, validation_error 5.00 ± 1.41 (2 seeds)" in lines[1]
    assert "\x1b" not in written.getvalue()
