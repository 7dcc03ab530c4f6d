import math
from dataclasses import dataclass, field

import pytest

from study.scheduling.scheduler import RETRIES, WORST_ERROR, StudyScheduler
from study.search.optuna_study import OptunaStudy
from study.trials import ConfigurationResult, RecordedTrial
from tests.study.sample import epochs_of

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
PROVENANCE = {"git_commit": "abc"}


@dataclass
class ListedRecord:
    """Keeps what it is told in a list; `elsewhere` is what other studies have finished."""

    calls: list = field(default_factory=list)
    elsewhere: dict = field(default_factory=dict)

    def begin(self, key, *, name, params, tags):
        self.calls.append(("begin", key, name, params, tags))

    def epochs(self, key, epochs, *, device, precision):
        self.calls.append(("epochs", key, [epoch.epoch for epoch in epochs], device))

    def end(self, key, outcome, summary, *, failure=""):
        self.calls.append(("end", key, outcome, summary, failure))

    def interrupt(self, key):
        self.calls.append(("interrupt", key))

    def finished_elsewhere(self, key):
        return self.elsewhere.get(key)

    def adopt(self, key, source, *, name, tags):
        self.calls.append(("adopt", key, source.run_id, name))

    def of(self, kind):
        return [call for call in self.calls if call[0] == kind]


@pytest.fixture
def begun(make, storage):
    """An agenda with a search in Optuna and a record that is a list."""

    def begun(record=None, **options):
        study = make(**options)
        return StudyScheduler(
            study,
            OptunaStudy(study, storage()),
            record or ListedRecord(),
            data_of=lambda configuration: "feed",
            provenance=PROVENANCE,
        )

    return begun


def run(agenda, trial, errors, *, upto=None):
    """Train a trial: its validation error at each epoch."""
    agenda.begin(trial)
    for epoch in epochs_of(errors)[:upto]:
        if agenda.epochs(trial, [epoch], device="cpu"):
            break
    if upto is None:
        agenda.completed(trial)


def finish(agenda, error_of):
    """Run the agenda to its end; `error_of` says how each trial does."""
    order = []
    while (trial := agenda.next()) is not None:
        order.append((trial.number, trial.seed))
        run(agenda, trial, [error_of(trial)] * trial.epochs)
    return order


def judged(agenda):
    return [asked.judgement for asked in agenda.search.asked()]


# Seeds and configurations


def test_a_configuration_is_judged_by_its_mean_over_the_seeds(begun):
    agenda = begun(configurations=2, seeds=[3, 5, 8])
    order = finish(agenda, lambda trial: 10.0 * trial.number + trial.seed)
    assert order == [(0, 3), (0, 5), (0, 8), (1, 3), (1, 5), (1, 8)]
    assert [judgement.values for judgement in judged(agenda)] == [(16 / 3,), (46 / 3,)]
    assert agenda.finished
    assert agenda.next() is None
    assert agenda.failures == []


def test_nothing_is_judged_before_the_last_seed_ends(begun):
    agenda = begun(configurations=1, seeds=2)
    first, second = agenda.next(), agenda.next()
    assert agenda.next() is None
    run(agenda, second, [5.0] * 4)
    assert judged(agenda)[0].state == "running"
    assert not agenda.finished
    run(agenda, first, [7.0] * 4)
    assert judged(agenda)[0] == ConfigurationResult("complete", (6.0,))
    assert agenda.finished


def test_several_objectives_are_each_a_mean(begun):
    agenda = begun(
        configurations=1, sampler="nsga2", objective=["best_validation_error", "epoch_seconds"]
    )
    for errors in ([9.0, 4.0, 6.0, 5.0], [9.0, 8.0, 7.0, 6.0]):
        run(agenda, agenda.next(), errors)
    assert judged(agenda)[0].values == (5.0, 1.5)


def test_the_record_gets_the_whole_configuration_and_where_it_comes_from(begun):
    agenda = begun(configurations=1, seeds=1, enqueue=[{"regularizer.beta": 0.3}])
    trial = agenda.next()
    run(agenda, trial, [4.0] * 4)
    (_, key, name, params, tags) = agenda.record.calls[0]
    assert key == trial.key
    assert name == "beta=0.3 seed=0"
    assert params["regularizer.beta"] == 0.3
    assert params["training.epochs"] == 4
    assert params["dataset.name"] == "digits"
    assert params["seed"] == 0
    assert tags == {
        "configuration": trial.configuration_key,
        "configuration_number": "0",
        "point": '{"regularizer.beta": 0.3}',
        "data_fingerprint": "feed",
        "git_commit": "abc",
    }
    assert [call[0] for call in agenda.record.calls] == ["begin", *["epochs"] * 4, "end"]
    assert agenda.record.calls[-1][2:] == ("completed", agenda.record.calls[-1][3], "")
    assert agenda.record.calls[-1][3].best_validation_error == 4.0


def test_configurations_are_asked_for_only_when_there_is_room(begun):
    agenda = begun(configurations=8, seeds=2)
    for _ in range(3):
        agenda.next()
    assert len(agenda.search.asked()) == 2


def test_equal_configurations_share_their_trials(begun):
    same = [
        {"name": "lamix"},
        {"name": "lamix", "mixing": "average"},
        {"name": "lamix", "beta": 0.5},
    ]
    agenda = begun(configurations=3, seeds=2, space={"regularizer": same})
    order = finish(agenda, lambda trial: 4.0 + trial.seed)
    assert order == [(0, 0), (0, 1)]
    assert [judgement.values for judgement in judged(agenda)] == [(4.5,)] * 3
    assert agenda.finished


def test_an_equal_configuration_asked_while_the_first_runs_waits_for_it(begun):
    same = [{"name": "lamix"}, {"name": "lamix", "mixing": "average"}]
    agenda = begun(configurations=2, seeds=1, space={"regularizer": same})
    trial = agenda.next()
    assert agenda.next() is None
    assert len(agenda.plans) == 2
    run(agenda, trial, [4.0] * 4)
    assert [judgement.state for judgement in judged(agenda)] == ["complete", "complete"]
    assert agenda.finished


# Failures


def test_a_trial_that_fails_is_tried_again_first_and_then_given_up(begun):
    agenda = begun(configurations=1, seeds=2)
    trial = agenda.next()
    for _ in range(RETRIES):
        agenda.begin(trial)
        assert agenda.failed(trial, "Traceback …\nValueError: no")
        assert agenda.next() is trial
    agenda.begin(trial)
    assert not agenda.failed(trial, "Traceback …\nValueError: no")
    assert agenda.failures == [trial]
    assert agenda.record.of("end") == [
        ("end", trial.key, "failed", None, "Traceback …\nValueError: no")
    ]
    assert not agenda.finished  # the other seed still counts for the tables
    run(agenda, agenda.next(), [4.0] * 4)
    assert judged(agenda)[0].state == "failed"
    assert agenda.finished


def test_a_trial_that_succeeds_at_last_has_not_failed(begun):
    agenda = begun(configurations=1, seeds=1)
    trial = agenda.next()
    run(agenda, trial, [9.0, 8.0], upto=2)
    agenda.failed(trial, "killed")
    again = agenda.next()
    agenda.begin(again)
    agenda.epochs(again, epochs_of([9.0, 8.0, 7.0, 6.0]), device="cpu")  # from its checkpoint
    agenda.completed(again)
    assert agenda.failures == []
    assert judged(agenda)[0].values == (6.0,)


def test_out_of_memory_asks_for_a_larger_share_up_to_a_whole_gpu(begun, make):
    agenda = begun(configurations=1, seeds=1)
    trial = agenda.next()
    for before, after in [(0.25, 0.5), (0.6, 1.0), (1.0, 1.0), (2.0, 2.0), (0.0, 0.0)]:
        trial.gpus, trial.failures = before, []
        agenda.failed(trial, "OutOfMemoryError", out_of_memory=True)
        assert trial.gpus == after
    trial.gpus, trial.failures = 0.25, []
    agenda.failed(trial, "other")
    assert trial.gpus == 0.25


def test_a_trial_that_diverged_has_the_worst_error(begun):
    agenda = begun(configurations=1, seeds=2, objective=["validation_error", "epoch_seconds"])
    first = agenda.next()
    agenda.begin(first)
    agenda.epochs(first, epochs_of([50.0, 90.0], losses=[1.0, math.nan]), device="cpu")
    agenda.completed(first)
    assert first.outcome == "diverged"
    run(agenda, agenda.next(), [10.0] * 4)
    assert judged(agenda)[0].values == ((WORST_ERROR + 10.0) / 2, 1.5)
    assert agenda.failures == []


# Interruptions


def test_an_interrupted_trial_stays_to_do(begun):
    agenda = begun(configurations=1, seeds=2)
    trial = agenda.next()
    run(agenda, trial, [9.0, 8.0], upto=2)
    agenda.stopping = True
    agenda.interrupted(trial)
    assert (trial.state, trial.cut_off) == ("todo", True)
    assert agenda.record.calls[-1] == ("interrupt", trial.key)
    assert agenda.next() is None
    assert not agenda.finished
    assert agenda.running == []


def test_a_trial_handed_out_and_never_begun_is_handed_out_again(begun):
    agenda = begun(configurations=1, seeds=2)
    first = agenda.next()
    agenda.withdraw(first)
    assert agenda.next() is first
    assert agenda.record.calls == []


def test_epochs_told_again_after_a_restore_count_once(begun):
    agenda = begun(configurations=1, seeds=1)
    trial = agenda.next()
    agenda.begin(trial)
    agenda.epochs(trial, epochs_of([9.0, 8.0, 7.0]), device="cpu")
    agenda.epochs(trial, epochs_of([9.0, 8.0]), device="cpu")
    assert [epoch.epoch for epoch in trial.history] == [1, 2]
    agenda.epochs(trial, epochs_of([9.0, 8.0, 7.0, 6.0])[2:], device="cpu")
    assert [epoch.epoch for epoch in trial.history] == [1, 2, 3, 4]


# Early stopping

MEDIAN = {"name": "median", "startup_configurations": 1}


def test_early_stopping_stops_all_seeds_and_drops_those_not_begun(begun):
    agenda = begun(configurations=2, seeds=3, early_stopping={**MEDIAN, "grace_period": 2})
    for _ in range(3):
        run(agenda, agenda.next(), [10.0] * 4)
    first, second = agenda.next(), agenda.next()
    agenda.begin(first), agenda.begin(second)
    of_first, of_second = epochs_of([50.0, 52.0, 54.0]), epochs_of([60.0, 62.0])
    assert not agenda.epochs(first, of_first[:1], device="cpu")
    assert not agenda.epochs(second, of_second[:1], device="cpu")
    assert not agenda.epochs(first, of_first[1:2], device="cpu")  # the second is not there yet
    assert agenda.epochs(second, of_second[1:], device="cpu")
    agenda.completed(second)
    assert agenda.epochs(first, of_first[2:], device="cpu")
    agenda.completed(first)
    assert agenda.next() is None
    assert agenda.finished
    assert judged(agenda)[1].state == "pruned"
    assert judged(agenda)[1].intermediate == {1: 50.0, 2: 57.0}
    assert [call[2] for call in agenda.record.of("end")[3:]] == ["stopped_early"] * 2
    assert len({call[1] for call in agenda.record.of("begin")}) == 5  # the third never began


def test_a_trial_in_its_last_epoch_is_not_stopped(begun):
    agenda = begun(configurations=2, seeds=1, early_stopping=MEDIAN)
    run(agenda, agenda.next(), [10.0] * 4)
    trial = agenda.next()
    run(agenda, trial, [5.0, 5.0, 5.0, 99.0])
    assert trial.outcome == "completed"
    assert judged(agenda)[1] == ConfigurationResult("complete", (99.0,), {1: 5.0, 2: 5.0, 3: 5.0})


def test_seeds_one_after_another_are_judged_on_the_epochs_all_have_reached(begun):
    agenda = begun(configurations=1, seeds=2, early_stopping=MEDIAN)
    run(agenda, agenda.next(), [8.0, 6.0, 4.0, 2.0])
    run(agenda, agenda.next(), [9.0, 9.0, 9.0, 4.0])
    assert judged(agenda)[0] == ConfigurationResult("complete", (3.0,), {1: 8.0, 2: 6.0, 3: 4.0})


def test_without_early_stopping_no_mean_is_reported(begun):
    agenda = begun(configurations=1, seeds=1)
    run(agenda, agenda.next(), [8.0, 6.0, 4.0, 2.0])
    assert judged(agenda)[0].intermediate == {}


def test_the_epochs_of_a_judged_configuration_are_let_go(begun):
    agenda = begun(configurations=2, seeds=2)
    first = agenda.next()
    run(agenda, first, [8.0] * 4)
    assert len(first.history) == 4
    run(agenda, agenda.next(), [8.0] * 4)
    assert first.history == []
    assert first.values == (8.0,)


# Adoption


def elsewhere(key, **metrics):
    return RecordedTrial("run-1", key, "FINISHED", "completed", metrics, {})


def test_a_trial_that_another_study_has_finished_is_adopted(begun):
    key = begun(configurations=1, seeds=2).next().key
    record = ListedRecord(elsewhere={key: elsewhere(key, validation_error=3.0)})
    agenda = begun(record, configurations=1, seeds=2)
    order = finish(agenda, lambda trial: 5.0)
    assert order == [(0, 1)]
    assert record.of("adopt")[0][1:3] == (key, "run-1")
    assert judged(agenda)[0].values == (4.0,)


def test_a_study_that_another_has_finished_whole_trains_nothing(begun):
    first = begun(configurations=2, seeds=2)
    finish(first, lambda trial: 1.0 + trial.seed)
    known = {key: elsewhere(key, validation_error=t.values[0]) for key, t in first.trials.items()}
    record = ListedRecord(elsewhere=known)
    agenda = begun(record, configurations=2, seeds=2)
    assert agenda.next() is None
    assert agenda.finished
    assert record.of("begin") == []
    assert [judgement.values for judgement in judged(agenda)] == [(1.5,), (1.5,)]


def test_a_finished_record_without_the_objective_is_trained(begun):
    agenda = begun(configurations=1, seeds=1)
    asked = agenda.search.ask()
    key = begun(configurations=1, seeds=1).next().key
    plan = agenda.plan(asked, {key: elsewhere(key, test_error=3.0)})
    assert plan.trials[0].state == "todo"


def test_scheduling_many_trials_takes_no_time_that_grows_with_their_square(begun):
    agenda = begun(configurations=8, seeds=3000)
    trials = [agenda.next() for _ in range(100)]
    assert [trial.seed for trial in trials] == list(range(100))
    assert len(agenda.todo) == 2900


def test_losing_a_node_is_no_failure_of_its_trials(begun):
    agenda = begun(configurations=1, seeds=1)
    trial = agenda.next()
    for _ in range(RETRIES + 2):
        agenda.begin(trial)
        agenda.lost(trial)
        assert agenda.next() is trial
    agenda.begin(trial)
    for _ in range(RETRIES + 2):  # what looked like a failure turns out to be a lost node
        assert agenda.failed(trial, "unavailable")
        agenda.forgive(trial)
        assert agenda.next() is trial
    assert agenda.record.of("end") == []
