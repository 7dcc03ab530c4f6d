import copy
import itertools
import json
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from study.file.points import is_point_of
from study.scheduling.reconcile import reconcile_study
from study.scheduling.scheduler import StudyScheduler
from study.search.optuna_study import open_optuna_study
from study.trials import ConfigurationResult, RecordedTrial
from tests.study.sample import epochs_of
from trainables.metrics import summarise_trial
from trainables.trial_key import hash_configuration

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
MEDIAN = {"name": "median", "startup_configurations": 1}


@dataclass
class KeptRecord:
    """Keeps what MLflow would keep, for the launches after."""

    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    epochs: dict[str, dict[int, Any]] = field(default_factory=dict)

    def begin(self, key, *, name, params, tags):
        run = self.runs.setdefault(key, {"metrics": {}, "tags": {}})
        run |= {"status": "RUNNING", "outcome": None, "tags": {**run["tags"], **tags}}

    def add_epochs(self, key, epochs, *, device, precision, compiled):
        self.runs[key]["metrics"] |= vars(epochs[-1])
        self.epochs.setdefault(key, {}).update({epoch.epoch: epoch for epoch in epochs})

    def end(self, key, outcome, summary, *, failure=""):
        metrics = vars(summary) if summary else {}
        self.runs[key]["metrics"] |= metrics
        self.runs[key] |= {"outcome": outcome, "status": "FAILED" if failure else "FINISHED"}

    def interrupt(self, key):
        self.runs[key]["status"] = "KILLED"

    def add_diagnostics(self, key, names, *, location):
        self.runs[key]["diagnostics"] = list(names)

    def note_missing(self, key, names):
        self.runs[key]["missing"] = list(names)

    def course(self, trial, metric):
        return {e.epoch: getattr(e, metric) for e in self.epochs.get(trial.key, {}).values()}

    def finished_elsewhere(self, key, accept):
        return None

    def finished_alike(self, trial, accept):
        return None

    def adopt(self, key, source, *, name, settings, tags, diagnostics):
        raise AssertionError

    def trials(self):
        return {
            key: RecordedTrial(
                f"run of {key}",
                key,
                run["status"],
                run["outcome"],
                run["metrics"],
                {**run["tags"], **({"outcome": run["outcome"]} if run["outcome"] else {})},
            )
            for key, run in self.runs.items()
        }

    def retire(self, keys):
        for key in keys:
            self.runs[key]["tags"]["retired"] = "true"

    def restore(self, keys):
        for key in keys:
            self.runs[key]["tags"]["retired"] = "false"

    def tag_trials(self, tags):
        for key, own in tags.items():
            self.runs[key]["tags"] |= own


class Lab:
    """One study through many launches, its file changed between them."""

    def __init__(self, make, storage):
        self.make = make
        self.path = storage()
        self.record = KeptRecord()

    def launch(self, **options):
        """Look up what is on record, and keep the scheduler, the search and what was found."""
        study = self.make(**options)
        self.search = open_optuna_study(study, self.path)
        self.scheduler = StudyScheduler(
            study, self.search, self.record, data_of=lambda c: "feed", provenance={}
        )
        self.found = reconcile_study(self.scheduler, self.search, self.record.trials())
        self.record.retire(self.found.retired)
        self.record.restore(self.found.restored)
        self.record.tag_trials(self.found.renumbered)
        return self.scheduler

    def finish(self, error_of=lambda trial: 10.0 + trial.seed, *, most=10**9):
        """Train what is left, at most so many trials; return their numbers and seeds."""
        trained = []
        while len(trained) < most and (trial := self.scheduler.hand_out_trial()) is not None:
            trained.append((trial.number, trial.seed))
            self.begin(trial, [error_of(trial)] * trial.epochs)
            if trial.state == "running":
                self.scheduler.note_completed(trial)
        return trained

    def begin(self, trial, errors):
        """Train a trial until it is stopped, has to wait at a rung, or has no further error."""
        self.scheduler.note_begun(trial)
        for epoch in epochs_of(errors):
            if self.scheduler.note_epochs(trial, [epoch], device="cpu"):
                break
            if self.scheduler.is_to_wait(trial):
                self.scheduler.note_waiting(trial)
                break

    def points(self):
        return [asked.point for asked in self.search.asked()]

    def judgements(self):
        return [asked.judgement for asked in self.search.asked()]

    def states(self):
        return [judgement.state for judgement in self.judgements()]

    def agrees(self):
        """Whether the scheduler and Optuna hold the same."""
        held = [(each.point, each.judgement.state) for each in self.scheduler.configurations]
        return held == list(zip(self.points(), self.states(), strict=True))


@pytest.fixture
def lab(make, storage):
    return Lab(make, storage)


def test_nothing_is_known_at_first(lab):
    scheduler = lab.launch(configurations=3, seeds=2)
    assert (lab.found.done, lab.found.cut_off, lab.found.failed) == (0, 0, 0)
    assert (lab.found.retired, lab.found.restored) == ((), ())
    assert scheduler.configurations == []
    assert not scheduler.is_finished
    assert len(lab.finish()) == 6
    assert scheduler.is_finished


def test_a_finished_study_has_nothing_to_do(lab):
    lab.launch(configurations=3, seeds=2)
    lab.finish()
    before = lab.judgements()
    scheduler = lab.launch(configurations=3, seeds=2)
    assert scheduler.is_finished
    assert scheduler.hand_out_trial() is None
    assert lab.found.done == 6
    assert lab.judgements() == before == [ConfigurationResult("complete", (10.5,))] * 3
    assert lab.agrees()


def test_what_was_left_goes_on_and_what_is_done_stays(lab):
    lab.launch(configurations=3, seeds=2)
    lab.finish(most=3)
    cut_off = lab.scheduler.hand_out_trial()
    lab.begin(cut_off, [20.0, 19.0])  # and the process is killed
    scheduler = lab.launch(configurations=3, seeds=2)
    assert (lab.found.done, lab.found.cut_off) == (3, 1)
    assert lab.finish() == [(1, 1), (2, 0), (2, 1)]
    assert scheduler.is_finished
    assert lab.states() == ["complete"] * 3


def test_a_judgement_that_optuna_missed_is_told(lab):
    lab.launch(configurations=1, seeds=1)
    trial = lab.scheduler.hand_out_trial()
    lab.scheduler.note_begun(trial)
    epochs = epochs_of([9.0, 8.0, 7.0, 6.0])
    lab.record.add_epochs(trial.key, epochs, device="cpu", precision="fp32", compiled=None)
    lab.record.end(trial.key, "completed", summarise_trial(epochs))  # killed before Optuna is told
    assert lab.states() == ["running"]
    assert lab.launch(configurations=1, seeds=1).is_finished
    assert lab.judgements() == [ConfigurationResult("complete", (6.0,))]


def test_more_seeds_train_the_new_ones_alone_and_judge_anew(lab):
    lab.launch(configurations=2, seeds=2)
    lab.finish()
    points = lab.points()
    scheduler = lab.launch(configurations=2, seeds=5)
    assert not scheduler.is_finished
    assert lab.found.done == 4
    assert lab.states() == ["running", "running"]
    assert lab.points() == points
    assert lab.finish() == [(0, 2), (0, 3), (0, 4), (1, 2), (1, 3), (1, 4)]
    assert lab.judgements() == [ConfigurationResult("complete", (12.0,))] * 2


def test_fewer_seeds_retire_the_others_and_judge_by_those_left(lab):
    lab.launch(configurations=2, seeds=3)
    lab.finish()
    assert lab.launch(configurations=2, seeds=1).is_finished
    assert len(lab.found.retired) == 4
    assert lab.judgements() == [ConfigurationResult("complete", (10.0,))] * 2
    assert lab.launch(configurations=2, seeds=3).is_finished
    assert len(lab.found.restored) == 4
    assert lab.found.retired == ()


@pytest.mark.parametrize("sampler", ["qmc", "tpe"])
def test_more_configurations_keep_the_first_ones(lab, sampler):
    lab.launch(configurations=4, seeds=1, sampler=sampler)
    lab.finish()
    points = lab.points()
    scheduler = lab.launch(configurations=8, seeds=1, sampler=sampler)
    assert lab.found.done == 4
    assert lab.finish() == [(number, 0) for number in range(4, 8)]
    assert scheduler.is_finished
    assert lab.points()[:4] == points
    assert len({str(point) for point in lab.points()}) == 8


def test_fewer_configurations_retire_the_last_and_more_restore_them(lab):
    lab.launch(configurations=4, seeds=1)
    lab.finish()
    points = lab.points()
    assert lab.launch(configurations=2, seeds=1).is_finished
    assert lab.points() == points[:2]
    assert len(lab.found.retired) == 2
    assert lab.launch(configurations=2, seeds=1).is_finished
    assert lab.found.retired == ()  # they are retired already
    assert lab.launch(configurations=4, seeds=1).is_finished
    assert lab.points() == points
    assert len(lab.found.restored) == 2


def test_a_wider_range_keeps_every_trial(lab):
    lab.launch(configurations=3, seeds=1)
    lab.finish()
    points = lab.points()
    wider = {"regularizer.beta": {"low": 0.05, "high": 0.95}}
    scheduler = lab.launch(configurations=5, seeds=1, space=wider)
    assert lab.found.done == 3
    assert lab.points() == points
    assert len(lab.finish()) == 2
    assert scheduler.is_finished and lab.agrees()
    assert not lab.search.outdated


def test_a_point_that_an_older_storage_holds_twice_is_one_configuration(lab):
    options = {"sampler": "tpe", "seeds": 1, "configurations": 8}
    lab.launch(**options, space={"regularizer.beta": [0.3, 0.7]})
    assert len(lab.finish()) == 2
    told = [(asked.point, asked.judgement) for asked in lab.search.asked()]
    lab.search.rebuild([*told, *told, *told])
    lab.launch(**options, space={"regularizer.beta": [0.3, 0.7, 0.5]})
    assert lab.finish() == [(2, 0)]
    assert lab.scheduler.is_finished
    assert lab.points()[2] == {"regularizer.beta": 0.5}
    assert lab.agrees()


def test_a_narrower_range_leaves_every_number_to_one_configuration(lab):
    lab.launch(configurations=6)
    lab.finish()
    narrow = {"regularizer.beta": {"low": 0.5, "high": 0.9}}
    for _ in range(2):
        lab.launch(configurations=6, space=narrow)
        lab.finish()
        own = {trial.key for trial in lab.scheduler.trials.values()}
        tags = [run["tags"] for key, run in lab.record.runs.items() if key in own]
        numbered = {(tag["configuration_number"], tag["configuration"]) for tag in tags}
        assert sorted(number for number, _ in numbered) == [str(number) for number in range(6)]
    assert lab.found.renumbered == {}


def test_a_longer_grid_runs_what_it_has_more(lab):
    lab.launch(sampler="grid", seeds=1, space={"regularizer.beta": [0.3, 0.7]})
    lab.finish()
    longer = {"regularizer.beta": [0.1, 0.3, 0.5, 0.7]}
    lab.launch(sampler="grid", seeds=1, space=longer)
    assert len(lab.finish()) == 2
    assert [point["regularizer.beta"] for point in lab.points()] == [0.3, 0.7, 0.1, 0.5]


def test_a_removed_choice_is_retired_and_comes_back_with_it(lab):
    both = {"regularizer": [{"name": "vanilla"}, {"name": "lamix", "beta": [0.3, 0.7]}]}
    one = {"regularizer": [{"name": "lamix", "beta": [0.3, 0.7]}]}
    lab.launch(sampler="grid", seeds=2, space=both)
    lab.finish()
    assert lab.launch(sampler="grid", seeds=2, space=one).is_finished
    assert len(lab.found.retired) == 2
    assert [point["regularizer"] for point in lab.points()] == ["lamix", "lamix"]
    assert lab.agrees()
    assert lab.launch(sampler="grid", seeds=2, space=both).is_finished
    assert len(lab.found.restored) == 2
    assert len(lab.points()) == 3


def test_another_shared_setting_makes_every_trial_another(lab):
    lab.launch(configurations=2, seeds=1, epochs=4)
    lab.finish()
    lab.launch(configurations=2, seeds=1, epochs=3)
    assert lab.found.done == 0
    assert len(lab.found.retired) == 2
    assert lab.finish() == [(0, 0), (1, 0)]


def test_other_objectives_judge_the_same_trials(lab):
    lab.launch(configurations=2, seeds=1)
    lab.finish()
    both = ["best_validation_error", "epoch_seconds"]
    assert lab.launch(configurations=2, seeds=1, sampler="nsga2", objective=both).is_finished
    assert [judgement.values for judgement in lab.judgements()] == [(10.0, 1.5)] * 2


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_deleted_storage_of_optunas_is_rebuilt_from_the_records(lab, sampler):
    options = {"configurations": 4, "seeds": 2, "sampler": sampler}
    lab.launch(**options)
    lab.finish(lambda trial: 10.0 * trial.number + trial.seed)
    points, judgements = lab.points(), lab.judgements()
    lab.path.unlink()
    assert lab.launch(**options).is_finished
    assert (lab.points(), lab.judgements()) == (points, judgements)
    assert lab.launch(**options).is_finished and lab.agrees()


def test_deleted_records_are_made_again(lab):
    lab.launch(configurations=2, seeds=1, early_stopping=MEDIAN)
    lab.finish(lambda trial: 10.0 + 40 * trial.number)
    assert lab.states() == ["complete", "pruned"]
    lab.record.runs.clear()
    lab.launch(configurations=2, seeds=1, early_stopping=MEDIAN)
    assert lab.found.done == 0
    assert lab.finish(lambda trial: 10.0 + 40 * trial.number) == [(0, 0), (1, 0)]


def test_trials_that_failed_are_tried_again(lab):
    lab.launch(configurations=2, seeds=2)
    while (trial := lab.scheduler.hand_out_trial()) is not None:
        lab.begin(trial, [10.0] * 4)
        if (trial.number, trial.seed) == (1, 1):
            lab.scheduler.note_failed(trial, "ValueError: no")
        else:
            lab.scheduler.note_completed(trial)
    assert lab.states() == ["complete", "failed"]
    scheduler = lab.launch(configurations=2, seeds=2)
    assert lab.found.failed == 1
    assert lab.found.cut_off == 0
    assert lab.states() == ["complete", "running"]
    assert lab.finish() == [(1, 1)]
    assert scheduler.is_finished
    assert lab.states() == ["complete", "complete"]
    lab.launch(configurations=2, seeds=2)
    assert lab.found.failed == 0


# Early stopping


def stop_the_second(lab, **options):
    lab.launch(configurations=2, seeds=2, early_stopping=MEDIAN, **options)
    lab.finish(lambda trial: 10.0 + 40 * trial.number)
    assert lab.states() == ["complete", "pruned"]


def test_what_was_stopped_early_stays_so(lab):
    stop_the_second(lab)
    assert lab.launch(configurations=2, seeds=2, early_stopping=MEDIAN).is_finished
    assert lab.states() == ["complete", "pruned"]
    assert lab.found.done == 2


def test_another_rule_of_early_stopping_considers_it_again(lab):
    stop_the_second(lab)
    later = {**MEDIAN, "grace_period": 3}
    assert not lab.launch(configurations=2, seeds=2, early_stopping=later).is_finished
    assert lab.states() == ["complete", "running"]
    lab.launch(configurations=2, seeds=2)
    assert lab.finish(lambda trial: 50.0) == [(1, 0), (1, 1)]
    assert lab.states() == ["complete", "complete"]


def test_a_stop_that_the_record_missed_is_made_good(lab):
    lab.launch(configurations=2, seeds=1, early_stopping=MEDIAN)
    lab.finish(most=1)
    trial = lab.scheduler.hand_out_trial()
    lab.begin(trial, [50.0, 50.0])  # killed after Optuna was told, before the record was
    assert lab.record.runs[trial.key]["status"] == "RUNNING"
    assert lab.launch(configurations=2, seeds=1, early_stopping=MEDIAN).is_finished
    assert lab.found.cut_off == 0
    assert lab.record.runs[trial.key]["outcome"] == "stopped_early"
    assert lab.record.runs[trial.key]["status"] == "FINISHED"


def test_means_told_before_are_not_told_again(lab, recwarn):
    lab.launch(configurations=1, seeds=1, early_stopping=MEDIAN)
    lab.begin(lab.scheduler.hand_out_trial(), [9.0, 8.0])
    lab.launch(configurations=1, seeds=1, early_stopping=MEDIAN)
    lab.finish(lambda trial: 7.0)
    assert lab.judgements() == [ConfigurationResult("complete", (7.0,), {1: 9.0, 2: 8.0, 3: 7.0})]
    assert not [w for w in recwarn if "already reported" in str(w.message)]


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_study_interrupted_at_every_trial_holds_the_same(lab, make, storage, sampler):
    def error_of(trial):
        return 5 + 20 * (trial.point["regularizer.beta"] - 0.5) ** 2 + trial.seed

    options = {"configurations": 3, "seeds": 2, "sampler": sampler}
    other = Lab(make, storage)
    other.launch(**options)
    other.finish(error_of)
    for _ in range(6):
        lab.launch(**options)
        lab.finish(error_of, most=1)
    assert lab.launch(**options).is_finished
    assert lab.points() == other.points()
    assert lab.judgements() == other.judgements()
    assert set(lab.record.runs) == set(other.record.runs)


# Any record, any storage, any change of the file

SPACES = (
    {"regularizer.beta": {"low": 0.1, "high": 0.9}},
    {"regularizer.beta": {"low": 0.3, "high": 0.7}},
    {"regularizer.beta": [0.3, 0.7]},
    {"regularizer": [{"name": "vanilla"}, {"name": "lamix", "beta": [0.3, 0.7]}]},
)
BETAS = (0.2, 0.3, 0.5, 0.7)
LEFT = ("complete", "diverged", "cut off", "killed", "failed", "stopped early", "no objective")
files = st.fixed_dictionaries(
    {
        "configurations": st.integers(1, 3),
        "seeds": st.sampled_from([1, 2, [1], [2, 0]]),
        "sampler": st.sampled_from(["random", "tpe"]),
        "space": st.sampled_from(SPACES),
        "epochs": st.sampled_from([4, 3]),
        "early_stopping": st.sampled_from([None, MEDIAN, {**MEDIAN, "grace_period": 2}]),
    }
)


def run_as_left(study, point, seed, left, *, number, retired):
    """Return the key and the run of a trial that an earlier launch left in this way."""
    configuration = study.configuration(point)
    key = hash_configuration(configuration, data="feed", seed=seed)
    metrics = vars(epochs_of([10.0 + seed])[0])
    if left == "no objective":
        metrics = {name: value for name, value in metrics.items() if "validation" not in name}
    statuses = {"cut off": "RUNNING", "killed": "KILLED", "failed": "FAILED"}
    outcomes = {
        "complete": "completed",
        "no objective": "completed",
        "stopped early": "stopped_early",
        "cut off": None,
        "killed": None,
    }
    tags = {
        "configuration": hash_configuration(configuration, data="feed"),
        "point": json.dumps(point),
        "configuration_number": str(number),
        "retired": str(retired).lower(),
    }
    return key, {
        "status": statuses.get(left, "FINISHED"),
        "outcome": outcomes.get(left, left),
        "metrics": metrics,
        "tags": tags,
    }


def leave(lab, data, options):
    """Leave a storage in any state, and a record of trials that need not agree with it."""
    study = lab.make(**options)
    search = open_optuna_study(study, lab.path)
    states = st.sampled_from(["running", "complete", "pruned", "failed"])
    for state in data.draw(st.lists(states, max_size=options["configurations"])):
        asked = search.ask()
        if state != "running":
            values = (50.0,) if state == "complete" else ()
            search.tell(asked.number, ConfigurationResult(state, values))
    points = [asked.point for asked in search.asked()]
    foreign = [{"regularizer.beta": beta} for beta in data.draw(st.lists(st.sampled_from(BETAS)))]
    points += [point for point in foreign if is_point_of(point, study.space)]
    for number, point in enumerate(points):
        seeds = data.draw(st.sets(st.integers(0, 2)))
        for seed in sorted(seeds):
            left, retired = data.draw(st.sampled_from(LEFT)), data.draw(st.booleans())
            key, run = run_as_left(study, point, seed, left, number=number, retired=retired)
            lab.record.runs.setdefault(key, run)
    search._storage.remove_session()


@pytest.fixture
def memory(empty):
    """Return the path of a new storage at each call, in memory where the system has such a folder:
    each of Optuna's writes would wait for a disk."""
    in_memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=in_memory if in_memory.is_dir() else None) as folder:
        numbers = itertools.count()
        yield lambda: Path(shutil.copy(empty, Path(folder, f"optuna{next(numbers)}.db")))


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data(), before=files, after=files, storage_is_lost=st.booleans())
def test_reconciling_loses_no_trial_and_the_second_time_changes_nothing(
    make, memory, data, before, after, storage_is_lost
):
    lab = Lab(make, memory)
    leave(lab, data, before)
    if storage_is_lost:
        lab.path.unlink()
    runs = copy.deepcopy(lab.record.runs)
    scheduler = lab.launch(**after)
    found, asked = lab.found, lab.search.asked()

    # Keys are unique, and every configuration has each of its seeds once.
    numbers = [each.number for each in scheduler.configurations]
    assert numbers == list(range(len(numbers))) == [each.number for each in asked]
    seeds = list(lab.search.study.search.seed_list)
    for each in scheduler.configurations:
        assert [trial.seed for trial in each.trials] == seeds
        assert all(scheduler.trials[trial.key] is trial for trial in each.trials)
    assert all(count == 1 for count in Counter(map(id, scheduler.trials.values())).values())

    # No trial is lost: it belongs to the study or is retired, and what is finished is not trained.
    assert lab.record.runs.keys() == runs.keys()
    for key, run in runs.items():
        is_own = key in scheduler.trials
        assert (lab.record.runs[key]["tags"]["retired"] == "true") == (not is_own)
        if is_own and run["outcome"] in ("completed", "diverged"):
            has_objective = "validation_error" in run["metrics"]
            assert (scheduler.trials[key].state == "done") == has_objective
    assert lab.agrees() and not lab.search.outdated

    # The second time changes nothing.
    settled = copy.deepcopy(lab.record.runs)
    lab.search._storage.remove_session()
    again = lab.launch(**after)
    assert (lab.found.retired, lab.found.restored) == ((), ())
    assert lab.found.done == found.done
    assert list(again.trials) == list(scheduler.trials)
    assert list(again.queue.waiting) == [
        again.trials[trial.key] for trial in scheduler.queue.waiting
    ]
    assert lab.search.asked() == asked
    assert lab.record.runs == settled
    lab.search._storage.remove_session()
