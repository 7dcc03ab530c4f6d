from dataclasses import dataclass, field
from typing import Any

import pytest

from study.scheduling.reconcile import reconcile_study
from study.scheduling.scheduler import StudyScheduler
from study.search.optuna_study import OptunaStudy
from study.trials import ConfigurationResult, RecordedTrial
from tests.study.sample import epochs_of
from trainables.metrics import summarise_trial

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
MEDIAN = {"name": "median", "startup_configurations": 1}


@dataclass
class KeptRecord:
    """Keeps what MLflow would keep, for the launches after."""

    runs: dict[str, dict[str, Any]] = field(default_factory=dict)

    def begin(self, key, *, name, params, tags):
        run = self.runs.setdefault(key, {"metrics": {}, "tags": {}})
        run |= {"status": "RUNNING", "outcome": None, "tags": {**run["tags"], **tags}}

    def epochs(self, key, epochs, *, device, precision):
        self.runs[key]["metrics"] |= vars(epochs[-1])

    def end(self, key, outcome, summary, *, failure=""):
        metrics = vars(summary) if summary else {}
        self.runs[key]["metrics"] |= metrics
        self.runs[key] |= {"outcome": outcome, "status": "FAILED" if failure else "FINISHED"}

    def interrupt(self, key):
        self.runs[key]["status"] = "KILLED"

    def finished_elsewhere(self, key):
        return None

    def adopt(self, key, source, *, name, tags):
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

    def retire(self, keys, retired):
        for key in keys:
            self.runs[key]["tags"]["retired"] = str(retired).lower()


class Lab:
    """One study through many launches, its file changed between them."""

    def __init__(self, make, storage):
        self.make = make
        self.path = storage()
        self.record = KeptRecord()

    def launch(self, **options):
        """Look up what is on record, and keep the agenda, the search and what was found."""
        study = self.make(**options)
        self.search = OptunaStudy(study, self.path)
        self.agenda = StudyScheduler(
            study, self.search, self.record, data_of=lambda c: "feed", provenance={}
        )
        self.found = reconcile_study(self.agenda, self.search, self.record.trials())
        self.record.retire(self.found.retired, True)
        self.record.retire(self.found.restored, False)
        return self.agenda

    def finish(self, error_of=lambda trial: 10.0 + trial.seed, *, most=10**9):
        """Train what is left, at most so many trials; return their numbers and seeds."""
        trained = []
        while len(trained) < most and (trial := self.agenda.next()) is not None:
            trained.append((trial.number, trial.seed))
            self.begin(trial, [error_of(trial)] * trial.epochs)
            self.agenda.completed(trial)
        return trained

    def begin(self, trial, errors):
        self.agenda.begin(trial)
        for epoch in epochs_of(errors):
            if self.agenda.epochs(trial, [epoch], device="cpu"):
                break

    def points(self):
        return [asked.point for asked in self.search.asked()]

    def judgements(self):
        return [asked.judgement for asked in self.search.asked()]

    def states(self):
        return [judgement.state for judgement in self.judgements()]

    def agrees(self):
        """Whether the agenda and Optuna hold the same."""
        plans = [(plan.point, plan.judgement.state) for plan in self.agenda.plans]
        return plans == list(zip(self.points(), self.states(), strict=True))


@pytest.fixture
def lab(make, storage):
    return Lab(make, storage)


def test_nothing_is_known_at_first(lab):
    agenda = lab.launch(configurations=3, seeds=2)
    assert (lab.found.done, lab.found.cut_off, lab.found.failed) == (0, 0, 0)
    assert (lab.found.retired, lab.found.restored) == ((), ())
    assert agenda.plans == []
    assert not agenda.finished
    assert len(lab.finish()) == 6
    assert agenda.finished


def test_a_finished_study_has_nothing_to_do(lab):
    lab.launch(configurations=3, seeds=2)
    lab.finish()
    before = lab.judgements()
    agenda = lab.launch(configurations=3, seeds=2)
    assert agenda.finished
    assert agenda.next() is None
    assert lab.found.done == 6
    assert lab.judgements() == before == [ConfigurationResult("complete", (10.5,))] * 3
    assert lab.agrees()


def test_what_was_left_goes_on_and_what_is_done_stays(lab):
    lab.launch(configurations=3, seeds=2)
    lab.finish(most=3)
    cut_off = lab.agenda.next()
    lab.begin(cut_off, [20.0, 19.0])  # and the process is killed
    agenda = lab.launch(configurations=3, seeds=2)
    assert (lab.found.done, lab.found.cut_off) == (3, 1)
    assert lab.finish() == [(1, 1), (2, 0), (2, 1)]
    assert agenda.finished
    assert lab.states() == ["complete"] * 3


def test_a_judgement_that_optuna_missed_is_told(lab):
    lab.launch(configurations=1, seeds=1)
    trial = lab.agenda.next()
    lab.agenda.begin(trial)
    epochs = epochs_of([9.0, 8.0, 7.0, 6.0])
    lab.record.epochs(trial.key, epochs, device="cpu", precision="fp32")
    lab.record.end(trial.key, "completed", summarise_trial(epochs))  # killed before Optuna is told
    assert lab.states() == ["running"]
    assert lab.launch(configurations=1, seeds=1).finished
    assert lab.judgements() == [ConfigurationResult("complete", (6.0,))]


def test_more_seeds_train_the_new_ones_alone_and_judge_anew(lab):
    lab.launch(configurations=2, seeds=2)
    lab.finish()
    points = lab.points()
    agenda = lab.launch(configurations=2, seeds=5)
    assert not agenda.finished
    assert lab.found.done == 4
    assert lab.states() == ["running", "running"]
    assert lab.points() == points
    assert lab.finish() == [(0, 2), (0, 3), (0, 4), (1, 2), (1, 3), (1, 4)]
    assert lab.judgements() == [ConfigurationResult("complete", (12.0,))] * 2


def test_fewer_seeds_retire_the_others_and_judge_by_those_left(lab):
    lab.launch(configurations=2, seeds=3)
    lab.finish()
    assert lab.launch(configurations=2, seeds=1).finished
    assert len(lab.found.retired) == 4
    assert lab.judgements() == [ConfigurationResult("complete", (10.0,))] * 2
    assert lab.launch(configurations=2, seeds=3).finished
    assert len(lab.found.restored) == 4
    assert lab.found.retired == ()


@pytest.mark.parametrize("sampler", ["qmc", "tpe"])
def test_more_configurations_keep_the_first_ones(lab, sampler):
    lab.launch(configurations=4, seeds=1, sampler=sampler)
    lab.finish()
    points = lab.points()
    agenda = lab.launch(configurations=8, seeds=1, sampler=sampler)
    assert lab.found.done == 4
    assert lab.finish() == [(number, 0) for number in range(4, 8)]
    assert agenda.finished
    assert lab.points()[:4] == points
    assert len({str(point) for point in lab.points()}) == 8


def test_fewer_configurations_retire_the_last_and_more_restore_them(lab):
    lab.launch(configurations=4, seeds=1)
    lab.finish()
    points = lab.points()
    assert lab.launch(configurations=2, seeds=1).finished
    assert lab.points() == points[:2]
    assert len(lab.found.retired) == 2
    assert lab.launch(configurations=2, seeds=1).finished
    assert lab.found.retired == ()  # they are retired already
    assert lab.launch(configurations=4, seeds=1).finished
    assert lab.points() == points
    assert len(lab.found.restored) == 2


def test_a_wider_range_keeps_every_trial(lab):
    lab.launch(configurations=3, seeds=1)
    lab.finish()
    points = lab.points()
    wider = {"regularizer.beta": {"low": 0.05, "high": 0.95}}
    agenda = lab.launch(configurations=5, seeds=1, space=wider)
    assert lab.found.done == 3
    assert lab.points() == points
    assert len(lab.finish()) == 2
    assert agenda.finished and lab.agrees()
    assert not lab.search.outdated


def test_a_point_that_an_older_storage_holds_twice_is_one_configuration(lab):
    options = {"sampler": "tpe", "seeds": 1, "configurations": 8}
    lab.launch(**options, space={"regularizer.beta": [0.3, 0.7]})
    assert len(lab.finish()) == 2
    told = [(asked.point, asked.judgement) for asked in lab.search.asked()]
    lab.search.rebuild([*told, *told, *told])
    lab.launch(**options, space={"regularizer.beta": [0.3, 0.7, 0.5]})
    assert lab.finish() == [(2, 0)]
    assert lab.agenda.finished
    assert lab.points()[2] == {"regularizer.beta": 0.5}
    assert lab.agrees()


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
    assert lab.launch(sampler="grid", seeds=2, space=one).finished
    assert len(lab.found.retired) == 2
    assert [point["regularizer"] for point in lab.points()] == ["lamix", "lamix"]
    assert lab.agrees()
    assert lab.launch(sampler="grid", seeds=2, space=both).finished
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
    assert lab.launch(configurations=2, seeds=1, sampler="nsga2", objective=both).finished
    assert [judgement.values for judgement in lab.judgements()] == [(10.0, 1.5)] * 2


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_deleted_storage_of_optunas_is_rebuilt_from_the_records(lab, sampler):
    options = {"configurations": 4, "seeds": 2, "sampler": sampler}
    lab.launch(**options)
    lab.finish(lambda trial: 10.0 * trial.number + trial.seed)
    points, judgements = lab.points(), lab.judgements()
    lab.path.unlink()
    assert lab.launch(**options).finished
    assert (lab.points(), lab.judgements()) == (points, judgements)
    assert lab.launch(**options).finished and lab.agrees()


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
    while (trial := lab.agenda.next()) is not None:
        lab.begin(trial, [10.0] * 4)
        if (trial.number, trial.seed) == (1, 1):
            lab.agenda.failed(trial, "ValueError: no")
        else:
            lab.agenda.completed(trial)
    assert lab.states() == ["complete", "failed"]
    agenda = lab.launch(configurations=2, seeds=2)
    assert lab.found.failed == 1
    assert lab.found.cut_off == 0
    assert lab.states() == ["complete", "running"]
    assert lab.finish() == [(1, 1)]
    assert agenda.finished
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
    assert lab.launch(configurations=2, seeds=2, early_stopping=MEDIAN).finished
    assert lab.states() == ["complete", "pruned"]
    assert lab.found.done == 2


def test_another_rule_of_early_stopping_considers_it_again(lab):
    stop_the_second(lab)
    later = {**MEDIAN, "grace_period": 3}
    assert not lab.launch(configurations=2, seeds=2, early_stopping=later).finished
    assert lab.states() == ["complete", "running"]
    lab.launch(configurations=2, seeds=2)
    assert lab.finish(lambda trial: 50.0) == [(1, 0), (1, 1)]
    assert lab.states() == ["complete", "complete"]


def test_a_stop_that_the_record_missed_is_made_good(lab):
    lab.launch(configurations=2, seeds=1, early_stopping=MEDIAN)
    lab.finish(most=1)
    trial = lab.agenda.next()
    lab.begin(trial, [50.0, 50.0])  # killed after Optuna was told, before the record was
    assert lab.record.runs[trial.key]["status"] == "RUNNING"
    assert lab.launch(configurations=2, seeds=1, early_stopping=MEDIAN).finished
    assert lab.found.cut_off == 0
    assert lab.record.runs[trial.key]["outcome"] == "stopped_early"
    assert lab.record.runs[trial.key]["status"] == "FINISHED"


def test_means_told_before_are_not_told_again(lab, recwarn):
    lab.launch(configurations=1, seeds=1, early_stopping=MEDIAN)
    lab.begin(lab.agenda.next(), [9.0, 8.0])
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
    assert lab.launch(**options).finished
    assert lab.points() == other.points()
    assert lab.judgements() == other.judgements()
    assert set(lab.record.runs) == set(other.record.runs)
