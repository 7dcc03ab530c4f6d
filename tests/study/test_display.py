import io
import time
from types import SimpleNamespace

import pytest
from rich.console import Console

from analysis.counted import duration_text
from study.file.space import describe_point
from study.launching.display import LaunchDisplay
from study.scheduling.progress import describe_left
from study.scheduling.scheduler import StudyScheduler
from study.search.optuna_study import open_optuna_study
from tests.study.sample import epochs_of

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


class NoRecord:
    """Takes everything and keeps nothing."""

    def finished_elsewhere(self, key, accept):
        return None

    def finished_alike(self, trial, accept):
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
    assert duration_text(seconds) == said


def test_a_point_is_described_by_the_ends_of_its_paths():
    point = {"regularizer": "lamix", "regularizer.beta": 0.123456, "training.epochs": 3}
    assert describe_point(point) == "regularizer=lamix beta=0.1235 epochs=3"
    assert describe_point({}) == ""


@pytest.fixture
def begun(make, storage):
    """An scheduler of two configurations with two seeds, of four epochs each."""

    def begun(record, seeds=2):
        study = make(configurations=2, seeds=seeds)
        search = open_optuna_study(study, storage())
        return StudyScheduler(study, search, record, data_of=lambda c: "feed", provenance={})

    return begun


def line_after(scheduler, *, seconds, train):
    """Return the last line of a launch that took so long for what `train` does."""
    written = io.StringIO()
    with LaunchDisplay(scheduler, Console(file=written, force_terminal=False), facts=[]) as display:
        train()
        display.started = time.monotonic() - seconds
    return written.getvalue().splitlines()[-1]


def test_trials_under_way_count_in_part_in_the_pace(begun):
    scheduler = begun(NoRecord())

    def train():
        for count in (4, 4, 2):
            trial = scheduler.hand_out_trial()
            scheduler.note_begun(trial)
            scheduler.note_epochs(trial, epochs_of([9.0] * count), device="cpu")
            if count == trial.epochs:
                scheduler.note_completed(trial)

    # 10 of 16 epochs in an hour: 2.5 trials of 4, and 6 epochs left at 6 minutes each.
    line = line_after(scheduler, seconds=3600, train=train)
    assert "2.5 trials an hour · about 36 min left" in line


def test_what_was_trained_before_does_not_count_in_the_pace(begun):
    scheduler = begun(NoRecord())

    def train():
        resumed = scheduler.hand_out_trial()
        resumed.cut_off = True  # as the record says
        scheduler.note_begun(resumed)
        scheduler.note_epochs(resumed, epochs_of([9.0] * 3), device="cpu")  # two of them found
        scheduler.note_epochs(resumed, epochs_of([9.0] * 4)[3:], device="cpu")
        scheduler.note_completed(resumed)
        trial = scheduler.hand_out_trial()
        scheduler.note_begun(trial)
        scheduler.note_epochs(trial, epochs_of([9.0] * 4), device="cpu")
        scheduler.note_completed(trial)

    # 6 epochs in 36 s: 1.5 trials, 150 an hour.
    assert "150 trials an hour" in line_after(scheduler, seconds=36, train=train)


class TakenOver(NoRecord):
    """Has every trial from another study."""

    def finished_elsewhere(self, key, accept):
        metrics = vars(epochs_of([5.0])[-1])
        return SimpleNamespace(
            run_id="1",
            key=key,
            is_finished=True,
            codes=frozenset(),
            outcome="completed",
            metrics=metrics,
            tags={},
        )


def test_thousands_are_parted_in_each_count(begun):
    scheduler = begun(NoRecord(), seeds=1200)

    def train():
        for _ in range(1001):
            scheduler.active.discard(trial := scheduler.hand_out_trial())
            trial.state, trial.outcome = "done", "completed"

    line = line_after(scheduler, seconds=1, train=train)
    assert "1,001 of 2,400 trials done · 0 running · 1,399 to do" in line
    assert "1,001 of 2,400 trials are done; 1,399 are left." in describe_left(scheduler)


def test_a_trial_that_was_taken_over_has_no_pace(begun):
    scheduler = begun(TakenOver())
    line = line_after(scheduler, seconds=3600, train=scheduler.hand_out_trial)
    assert "4 of 4 trials done" in line
    assert "an hour" not in line and "left" not in line


def test_nothing_is_said_of_the_time_left_when_all_is_done_at_once(begun):
    scheduler = begun(NoRecord())

    def train():
        while (trial := scheduler.hand_out_trial()) is not None:
            scheduler.note_begun(trial)
            scheduler.note_epochs(trial, epochs_of([9.0] * trial.epochs), device="cpu")
            scheduler.note_completed(trial)

    line = line_after(scheduler, seconds=1, train=train)
    assert "4 of 4 trials done" in line and "left" not in line


@pytest.mark.parametrize("ended", [0, 1])
def test_no_pace_is_given_before_two_trials_have_ended(begun, ended):
    scheduler = begun(NoRecord())

    def train():
        for number in range(4):
            trial = scheduler.hand_out_trial()
            scheduler.note_begun(trial)
            count = 4 if number < ended else 3
            scheduler.note_epochs(trial, epochs_of([9.0] * count), device="cpu")
            if count == trial.epochs:
                scheduler.note_completed(trial)

    line = line_after(scheduler, seconds=3600, train=train)
    assert f"{ended} of 4 trials done" in line and "an hour" not in line
    left = "about 20 min left" if not ended else "about 14 min left"  # 4 of 12, 3 of 13 epochs
    assert left in line


def test_without_a_terminal_there_are_plain_lines(make, storage):
    study = make(configurations=2, seeds=2, enqueue=[{"regularizer.beta": 0.5}])
    scheduler = StudyScheduler(
        study,
        open_optuna_study(study, storage()),
        NoRecord(),
        data_of=lambda c: "feed",
        provenance={},
    )
    written = io.StringIO()
    console = Console(file=written, force_terminal=False, width=40)
    with LaunchDisplay(scheduler, console, facts=[("records", "sqlite:///mlflow.db")]) as display:
        for errors in ([9.0, 8.0, 7.0, 4.0], [9.0, 8.0, 7.0, 6.0]):
            trial = scheduler.hand_out_trial()
            scheduler.note_begun(trial)
            scheduler.note_epochs(trial, epochs_of(errors), device="cpu")
            scheduler.note_completed(trial)
        scheduler.note_begun(scheduler.hand_out_trial())
        display.note_change()
        display.note_change()  # at once again: no second line
    lines = written.getvalue().splitlines()
    assert lines[0].split() == ["records", "sqlite:///mlflow.db"]
    assert len(lines) == 3  # one by the change, one at the end
    assert "2 of 4 trials done" in lines[1]
    assert "1 running" in lines[1]
    assert "1 to do" in lines[1]
    assert "best so far: beta=0.5, validation_error 5.00 ± 1.41 (2 seeds)" in lines[1]
    assert "\x1b" not in written.getvalue()


def test_configurations_that_are_best_alike_are_counted(begun):
    scheduler = begun(NoRecord())
    display = LaunchDisplay(scheduler, Console(file=io.StringIO()), facts=[])
    for _ in range(4):
        trial = scheduler.hand_out_trial()
        scheduler.note_begun(trial)
        scheduler.note_epochs(trial, epochs_of([9.0, 8.0, 7.0, 5.0]), device="cpu")
        scheduler.note_completed(trial)
    assert " and 1 more as low, validation_error 5.00" in display._best_text()


def test_a_picture_that_takes_long_is_drawn_less_often(begun):
    drawn = []

    def occupancy():
        time.sleep(0.1)
        drawn.append(time.monotonic())
        return ""

    with LaunchDisplay(
        begun(NoRecord()), Console(file=io.StringIO(), force_terminal=True), facts=[]
    ) as display:
        display.occupancy = occupancy
        time.sleep(2.2)  # it is asked for a picture twice a second
        assert len(drawn) == 1
