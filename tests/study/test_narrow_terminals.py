"""What a launch shows on narrow terminals, and before and after its trials run."""

import dataclasses
import io
import re
import time

import pandas as pd
import pytest
from rich.console import Console

from analysis.tables import configurations, printed
from analysis.tables.fitting import fit_text
from study.launching import estimate_words, trial_costs
from study.launching.display import LaunchDisplay
from study.launching.estimate import estimate_study
from study.launching.trial_lines import trial_lines
from study.scheduling.nodes import ClusterNode, StudyPlace
from study.scheduling.scheduler import StudyScheduler
from study.search.optuna_study import open_optuna_study
from study.trials import cost_class
from tests.analysis.test_tables import trial as trial_row
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


@pytest.fixture
def scheduler(make, storage):
    study = make(configurations=2, seeds=2)
    search = open_optuna_study(study, storage())
    return StudyScheduler(study, search, NoRecord(), data_of=lambda c: "feed", provenance={})


def begin(scheduler, epochs):
    trial = scheduler.hand_out_trial()
    scheduler.note_begun(trial)
    scheduler.note_epochs(trial, epochs_of([9.0] * epochs), device="cpu")
    return trial


def the_grid():
    settings = {"regularizer__name": "mixup_cutmix", "regularizer__online_smoothing": 0.123}
    rows = [trial_row(str(i), s, 5.0 + i + s, **settings, regularizer__beta=i / 10)
            for i in range(3) for s in range(3)]  # fmt: skip
    factors = ["regularizer.name", "regularizer.online_smoothing", "regularizer.beta"]
    table = configurations.over_configurations(pd.DataFrame(rows), factors)
    return printed.configuration_grid(table, factors)


@pytest.mark.parametrize("width", [50, 80, 120])
def test_the_table_fits_the_terminal_and_keeps_every_configuration_and_its_error(width):
    text = fit_text(the_grid(), width)
    lines = re.split("Each 95%|May be best:|[*] best", text)[0].splitlines()  # notes are prose
    assert max(map(len, lines)) <= width
    assert len(lines) == 6  # two headings, a rule, three configurations
    assert "mean ± sd" in lines[1] and "beta" in lines[1]
    assert all("6.00" in lines[3] or "7.00" in line or "8.00" in line for line in lines[3:])


def test_what_the_table_leaves_out_is_said_and_intervals_go_first():
    wide, narrow = fit_text(the_grid(), 200), fit_text(the_grid(), 80)
    assert "Left out" not in wide and wide.partition("Each 95%")[0].count("95% interval") == 2
    assert "Left out for want of room" in narrow
    assert "95% interval" in narrow.partition("Left out")[2]


@pytest.mark.parametrize("width", [50, 80])
def test_a_note_goes_with_the_column_that_it_explains(width):
    grid, text = the_grid(), fit_text(the_grid(), width)
    assert "Each 95% interval stands alone." in fit_text(grid, 200)
    assert "Each 95%" not in text
    narrow = fit_text(grid, 30)
    assert "may be best" in narrow.partition("Left out")[2]
    assert "May be best:" not in narrow


def test_one_seed_has_no_interval_and_no_note_on_it():
    rows = [trial_row(str(i), 0, 5.0 + i, regularizer__beta=i / 10) for i in range(3)]
    table = configurations.over_configurations(pd.DataFrame(rows), ["regularizer.beta"])
    text = fit_text(printed.configuration_grid(table, ["regularizer.beta"]), None)
    assert "Each 95%" not in text and "Bold" not in text


@pytest.mark.parametrize("width", [50, 80])
def test_the_sentences_below_a_table_are_no_wider_than_the_terminal(width):
    lines = fit_text(the_grid(), width).splitlines()
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize("width", [50, 80])
def test_the_lines_of_trials_are_whole_words_within_the_width(scheduler, width):
    trials = [begin(scheduler, 2), begin(scheduler, 3)]
    for trial in trials:
        trial.point = {"regularizer.name": "online_label_smoothing", "regularizer.beta": 0.5}
    lines = trial_lines(trials, width)
    assert all(len(line) <= width for line in lines)
    assert "seed=0" in lines[0] and "seed=1" in lines[1]
    assert lines[0].endswith("error 9.00%" if width == 50 else "images/s")


@pytest.mark.parametrize("width", [50, 80])
def test_the_live_picture_is_no_wider_than_the_terminal(scheduler, width):
    begin(scheduler, 2)
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=width)
    display = LaunchDisplay(scheduler, console, facts=[])
    console.print(display._draw())
    assert "0 of 4 trials done · 1 running · 3 to do" in written.getvalue()


def last_line(scheduler, *, stopping):
    written = io.StringIO()
    with LaunchDisplay(scheduler, Console(file=written, force_terminal=False), facts=[]) as display:
        begin(scheduler, 3)
        display.started = time.monotonic() - 3600
        scheduler.stopping = stopping
    return written.getvalue().splitlines()[-1]


def test_no_time_is_left_after_an_interrupt(scheduler):
    assert "left" not in last_line(scheduler, stopping=True)


def test_time_is_left_before_one(scheduler):
    assert "left" in last_line(scheduler, stopping=False)


@pytest.mark.parametrize(("epochs", "known"), [(0, False), (1, False), (2, True)])
def test_no_time_is_estimated_before_all_that_run_have_more_than_their_first_epoch(
    scheduler, epochs, known
):
    written = io.StringIO()
    with LaunchDisplay(scheduler, Console(file=written, force_terminal=False), facts=[]) as display:
        begin(scheduler, 3)
        begin(scheduler, epochs)
        display.started = time.monotonic() - 3600
    line = written.getvalue().splitlines()[-1]
    assert ("no estimate of the time left yet" in line) is not known
    assert ("about" in line) is known


def test_the_time_in_which_no_trial_ran_is_no_part_of_the_pace(scheduler):
    written = io.StringIO()
    with LaunchDisplay(scheduler, Console(file=written, force_terminal=False), facts=[]) as display:
        display.started = time.monotonic() - 3600  # Ray takes an hour to start
        display.note_change()
        begin(scheduler, 3)
        display.note_change()
        assert time.monotonic() - display.started < 60
        before = display.started
        display.note_change()
        assert display.started == before


def test_a_plan_where_nothing_has_room_names_no_time_and_no_trials_side_by_side(scheduler):
    configuration = scheduler.study.configuration({"regularizer.beta": 0.5})
    cost = trial_costs.TrialCost(1.0, 0.0, 100.0, "a probe")
    place = StudyPlace([ClusterNode("", "here", cpus=0, gpus=0)])
    kinds = {cost_class(configuration): cost}
    found = estimate_study(scheduler, [], [configuration], kinds, place)
    lines = dict(estimate_words.estimate_lines(found, scheduler, [configuration]))
    assert lines["wall time"] == estimate_words.NO_ROOM
    assert "side by side" not in " ".join(lines.values())


def test_a_probe_is_announced_before_it_begins(scheduler, monkeypatch, tmp_path):
    said = []

    def probe(*arguments, **named):
        assert said == ["Measuring lamix with lenet on digits for some seconds …"]
        return [trial_costs.probe.TrialProbe(1.0, 0.5, 300.0, 300.0, "a CPU")]

    monkeypatch.setattr(trial_costs.probe, "side_by_side", probe)
    configuration = scheduler.study.configuration({"regularizer.beta": 0.5})
    trial_costs.costs_by_class([configuration], {}, scheduler, tmp_path, say=said.append)
    assert said


def test_kinds_of_one_name_are_announced_once(scheduler, monkeypatch, tmp_path):
    said = []
    probes = [trial_costs.probe.TrialProbe(1.0, 0.5, 300.0, 300.0, "a CPU")]
    monkeypatch.setattr(trial_costs.probe, "side_by_side", lambda *arguments, **named: probes)
    one = scheduler.study.configuration({"regularizer.beta": 0.5})
    training = dataclasses.replace(one.training, batch_size=one.training.batch_size + 1)
    kinds = [one, dataclasses.replace(one, training=training)]
    costs = trial_costs.costs_by_class(kinds, {}, scheduler, tmp_path, say=said.append)
    assert len(costs) == 2
    assert said == ["Measuring lamix with lenet on digits for some seconds …"]
