import math
from dataclasses import dataclass, field, replace

import pytest

from study.scheduling.code_rules import proof_key
from study.scheduling.failed_attempts import RETRIES
from study.scheduling.reconcile import reconcile_study
from study.scheduling.scheduler import StudyScheduler
from study.search.optuna_study import open_optuna_study
from study.trials import ConfigurationResult, RecordedTrial
from tests.study.sample import epochs_of, study_data
from trainables.code_digest import trial_code
from trainables.configuration import parse_configuration

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
PROVENANCE = {"git_commit": "abc"}


@dataclass
class ListedRecord:
    """Keeps what it is told in a list; `elsewhere` is what other studies have finished."""

    calls: list = field(default_factory=list)
    elsewhere: dict = field(default_factory=dict)

    def begin(self, key, *, name, params, tags):
        self.calls.append(("begin", key, name, params, tags))

    def add_epochs(self, key, epochs, *, device, precision, compiled):
        self.calls.append(("epochs", key, [epoch.epoch for epoch in epochs], device))

    def end(self, key, outcome, summary, *, failure=""):
        self.calls.append(("end", key, outcome, summary, failure))

    def interrupt(self, key):
        self.calls.append(("interrupt", key))

    def add_diagnostics(self, key, names, *, location):
        self.calls.append(("diagnostics", key, list(names)))

    def note_missing(self, key, names):
        self.calls.append(("missing", key, list(names)))

    def course(self, trial, metric):
        return {}

    def finished_elsewhere(self, key, accept):
        found = self.elsewhere.get(key)
        return found if found is not None and accept(found) else None

    def finished_alike(self, trial, accept):
        return None

    def adopt(self, key, source, *, name, settings, tags, diagnostics):
        self.calls.append(("adopt", key, source.run_id, name, tags))

    def of(self, kind):
        return [call for call in self.calls if call[0] == kind]


def begun_scheduler(study, file, recorded=None):
    """Begin a study on a storage of Optuna's; its trials are what the record holds."""
    search = open_optuna_study(study, file)
    scheduler = StudyScheduler(
        study, search, ListedRecord(), data_of=lambda configuration: "feed", provenance={}
    )
    reconcile_study(scheduler, search, recorded or {})
    return scheduler


@pytest.fixture
def begun(make, storage):
    """An scheduler with a search in Optuna and a record that is a list."""

    def begun(record=None, **options):
        study = make(**options)
        return StudyScheduler(
            study,
            open_optuna_study(study, storage()),
            record or ListedRecord(),
            data_of=lambda configuration: "feed",
            provenance=PROVENANCE,
        )

    return begun


def run(scheduler, trial, errors, *, upto=None):
    """Train a trial: its validation error at each epoch."""
    scheduler.note_begun(trial)
    for epoch in epochs_of(errors)[:upto]:
        if scheduler.note_epochs(trial, [epoch], device="cpu"):
            break
    if upto is None:
        scheduler.note_completed(trial)


def finish(scheduler, error_of):
    """Run the scheduler to its end; `error_of` says how each trial does."""
    order = []
    while (trial := scheduler.hand_out_trial()) is not None:
        order.append((trial.number, trial.seed))
        run(scheduler, trial, [error_of(trial)] * trial.epochs)
    return order


def judged(scheduler):
    return [asked.judgement for asked in scheduler.search.asked()]


# Seeds and configurations


def test_a_configuration_is_judged_by_its_mean_over_the_seeds(begun):
    scheduler = begun(configurations=2, seeds=[3, 5, 8])
    order = finish(scheduler, lambda trial: 10.0 * trial.number + trial.seed)
    assert order == [(0, 3), (0, 5), (0, 8), (1, 3), (1, 5), (1, 8)]
    assert [judgement.values for judgement in judged(scheduler)] == [(16 / 3,), (46 / 3,)]
    assert scheduler.is_finished
    assert scheduler.hand_out_trial() is None
    assert scheduler.failures == []


def test_nothing_is_judged_before_the_last_seed_ends(begun):
    scheduler = begun(configurations=1, seeds=2)
    first, second = scheduler.hand_out_trial(), scheduler.hand_out_trial()
    assert scheduler.hand_out_trial() is None
    run(scheduler, second, [5.0] * 4)
    assert judged(scheduler)[0].state == "running"
    assert not scheduler.is_finished
    run(scheduler, first, [7.0] * 4)
    assert judged(scheduler)[0] == ConfigurationResult("complete", (6.0,))
    assert scheduler.is_finished


def test_several_objectives_are_each_a_mean(begun):
    scheduler = begun(
        configurations=1, sampler="nsga2", objective=["best_validation_error", "epoch_seconds"]
    )
    for errors in ([9.0, 4.0, 6.0, 5.0], [9.0, 8.0, 7.0, 6.0]):
        run(scheduler, scheduler.hand_out_trial(), errors)
    assert judged(scheduler)[0].values == (5.0, 1.5)


def test_the_record_gets_the_whole_configuration_and_where_it_comes_from(begun):
    scheduler = begun(configurations=1, seeds=1, enqueue=[{"regularizer.beta": 0.3}])
    trial = scheduler.hand_out_trial()
    run(scheduler, trial, [4.0] * 4)
    (_, key, name, params, tags) = scheduler.record.calls[0]
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
        "code": trial.code,
        "git_commit": "abc",
    }
    assert [call[0] for call in scheduler.record.calls] == ["begin", *["epochs"] * 4, "end"]
    assert scheduler.record.calls[-1][2:] == ("completed", scheduler.record.calls[-1][3], "")
    assert scheduler.record.calls[-1][3].best_validation_error == 4.0


def test_configurations_are_asked_for_only_when_there_is_room(begun):
    scheduler = begun(configurations=8, seeds=2)
    for _ in range(3):
        scheduler.hand_out_trial()
    assert len(scheduler.search.asked()) == 2


def test_equal_configurations_share_their_trials(begun):
    same = [
        {"name": "lamix"},
        {"name": "lamix", "mixing": "average"},
        {"name": "lamix", "beta": 0.5},
    ]
    scheduler = begun(configurations=3, seeds=2, space={"regularizer": same})
    order = finish(scheduler, lambda trial: 4.0 + trial.seed)
    assert order == [(0, 0), (0, 1)]
    assert [judgement.values for judgement in judged(scheduler)] == [(4.5,)] * 3
    assert scheduler.is_finished


def test_an_equal_configuration_asked_while_the_first_runs_waits_for_it(begun):
    same = [{"name": "lamix"}, {"name": "lamix", "mixing": "average"}]
    scheduler = begun(configurations=2, seeds=1, space={"regularizer": same})
    trial = scheduler.hand_out_trial()
    assert scheduler.hand_out_trial() is None
    assert len(scheduler.configurations) == 2
    run(scheduler, trial, [4.0] * 4)
    assert [judgement.state for judgement in judged(scheduler)] == ["complete", "complete"]
    assert scheduler.is_finished


# Failures


def test_a_trial_that_fails_is_tried_again_first_and_then_given_up(begun):
    scheduler = begun(configurations=1, seeds=2)
    trial = scheduler.hand_out_trial()
    for _ in range(RETRIES):
        scheduler.note_begun(trial)
        assert scheduler.note_failed(trial, "Traceback …\nValueError: no")
        assert scheduler.hand_out_trial() is trial
    scheduler.note_begun(trial)
    assert not scheduler.note_failed(trial, "Traceback …\nValueError: no")
    assert scheduler.failures == [trial]
    assert scheduler.record.of("end") == [
        ("end", trial.key, "failed", None, "Traceback …\nValueError: no")
    ]
    assert not scheduler.is_finished  # the other seed still counts for the tables
    run(scheduler, scheduler.hand_out_trial(), [4.0] * 4)
    assert judged(scheduler)[0].state == "failed"
    assert scheduler.is_finished


def test_a_trial_that_succeeds_at_last_has_not_failed(begun):
    scheduler = begun(configurations=1, seeds=1)
    trial = scheduler.hand_out_trial()
    run(scheduler, trial, [9.0, 8.0], upto=2)
    scheduler.note_failed(trial, "killed")
    again = scheduler.hand_out_trial()
    scheduler.note_begun(again)
    scheduler.note_epochs(
        again, epochs_of([9.0, 8.0, 7.0, 6.0]), device="cpu"
    )  # from its checkpoint
    scheduler.note_completed(again)
    assert scheduler.failures == []
    assert judged(scheduler)[0].values == (6.0,)


def test_out_of_memory_asks_for_a_larger_share_up_to_a_whole_gpu(begun, make):
    scheduler = begun(configurations=1, seeds=1)
    trial = scheduler.hand_out_trial()
    for before, after in [(0.25, 0.5), (0.6, 1.0), (1.0, 1.0), (2.0, 2.0), (0.0, 0.0)]:
        trial.gpus, trial.failures = before, []
        scheduler.note_failed(trial, "OutOfMemoryError", out_of_memory=True)
        assert trial.gpus == after
    trial.gpus, trial.failures = 0.25, []
    scheduler.note_failed(trial, "other")
    assert trial.gpus == 0.25


def test_a_trial_has_had_a_whole_gpu_before_it_fails_for_good(begun):
    scheduler = begun(configurations=1, seeds=1)
    trial = scheduler.hand_out_trial()
    trial.gpus, had = 1 / 16, []
    while True:
        had.append(trial.gpus)
        if not scheduler.note_failed(trial, "OutOfMemoryError", out_of_memory=True):
            break
        assert scheduler.hand_out_trial() is trial
    assert had == [1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0, 1.0, 1.0]
    assert trial.outcome == "failed"


def test_a_larger_share_costs_a_trial_none_of_its_attempts(begun):
    scheduler = begun(configurations=1, seeds=1)
    trial = scheduler.hand_out_trial()
    trial.gpus = 0.25
    for failure, more in [("memory", True), ("other", False), ("memory", True), ("other", False)]:
        assert scheduler.note_failed(trial, failure, out_of_memory=more)
        assert scheduler.hand_out_trial() is trial
    scheduler.forgive_failure(trial)
    assert trial.failures == ["other"] and trial.gpus == 1.0


def test_a_lost_node_is_forgiven_to_a_trial_whose_share_grew(begun):
    scheduler = begun(configurations=1, seeds=1)
    trial = scheduler.hand_out_trial()
    trial.gpus = 0.5
    scheduler.note_failed(trial, "memory", out_of_memory=True)
    scheduler.forgive_failure(trial)
    assert trial.failures == []


def test_a_trial_that_diverged_has_the_worst_error(begun):
    scheduler = begun(configurations=1, seeds=2, objective=["validation_error", "epoch_seconds"])
    first = scheduler.hand_out_trial()
    scheduler.note_begun(first)
    scheduler.note_epochs(first, epochs_of([50.0, 90.0], losses=[1.0, math.nan]), device="cpu")
    scheduler.note_completed(first)
    assert first.outcome == "diverged"
    run(scheduler, scheduler.hand_out_trial(), [10.0] * 4)
    assert judged(scheduler)[0].values == ((100.0 + 10.0) / 2, 1.5)
    assert scheduler.failures == []


# Interruptions


def test_an_interrupted_trial_stays_to_do(begun):
    scheduler = begun(configurations=1, seeds=2)
    trial = scheduler.hand_out_trial()
    run(scheduler, trial, [9.0, 8.0], upto=2)
    scheduler.stopping = True
    scheduler.note_interrupted(trial)
    assert (trial.state, trial.cut_off) == ("todo", True)
    assert scheduler.record.calls[-1] == ("interrupt", trial.key)
    assert scheduler.hand_out_trial() is None
    assert not scheduler.is_finished
    assert scheduler.running == []


def test_a_trial_handed_out_and_never_begun_is_handed_out_again(begun):
    scheduler = begun(configurations=1, seeds=2)
    first = scheduler.hand_out_trial()
    scheduler.take_back(first)
    assert scheduler.hand_out_trial() is first
    assert scheduler.record.calls == []


def test_epochs_told_again_after_a_restore_count_once(begun):
    scheduler = begun(configurations=1, seeds=1)
    trial = scheduler.hand_out_trial()
    scheduler.note_begun(trial)
    scheduler.note_epochs(trial, epochs_of([9.0, 8.0, 7.0]), device="cpu")
    scheduler.note_epochs(trial, epochs_of([9.0, 8.0]), device="cpu")
    assert [epoch.epoch for epoch in trial.history] == [1, 2]
    scheduler.note_epochs(trial, epochs_of([9.0, 8.0, 7.0, 6.0])[2:], device="cpu")
    assert [epoch.epoch for epoch in trial.history] == [1, 2, 3, 4]


# Early stopping

MEDIAN = {"name": "median", "startup_configurations": 1}


def test_early_stopping_stops_all_seeds_at_a_rung_that_all_have_reached(begun):
    scheduler = begun(configurations=2, seeds=3, early_stopping={**MEDIAN, "grace_period": 2})
    for _ in range(3):
        run(scheduler, scheduler.hand_out_trial(), [10.0] * 4)
    first, second = scheduler.hand_out_trial(), scheduler.hand_out_trial()
    for trial, errors in ((first, [50.0, 52.0]), (second, [60.0, 62.0])):
        scheduler.note_begun(trial)
        one, two = epochs_of(errors)
        assert not scheduler.note_epochs(trial, [one], device="cpu")
        assert not scheduler.is_to_wait(trial)  # no rung yet
        assert not scheduler.note_epochs(trial, [two], device="cpu")
    assert judged(scheduler)[1].intermediate == {}  # the third has not begun
    assert scheduler.is_to_wait(first)
    scheduler.note_waiting(first)
    third = scheduler.hand_out_trial()
    assert third.seed == 2
    scheduler.note_begun(third)
    assert scheduler.note_epochs(third, epochs_of([70.0, 72.0]), device="cpu")
    assert judged(scheduler)[1].intermediate == {1: 60.0, 2: 62.0}
    scheduler.note_completed(third)
    assert scheduler.note_epochs(second, epochs_of([60.0, 62.0, 64.0])[2:], device="cpu")
    scheduler.note_completed(second)
    assert scheduler.hand_out_trial() is None
    assert scheduler.is_finished
    assert judged(scheduler)[1].state == "pruned"
    assert [call[2] for call in scheduler.record.of("end")[3:]] == ["stopped_early"] * 3


def test_a_slice_of_a_first_epoch_stops_nothing(begun):
    """An epoch longer than a slice of training comes with results that hold no epoch."""
    scheduler = begun(configurations=1, seeds=1, early_stopping=MEDIAN)
    trial = scheduler.hand_out_trial()
    scheduler.note_begun(trial)
    assert not scheduler.note_epochs(trial, [], device="cpu")
    assert judged(scheduler)[0].intermediate == {}


def test_a_trial_in_its_last_epoch_is_not_stopped(begun):
    scheduler = begun(configurations=2, seeds=1, early_stopping=MEDIAN)
    run(scheduler, scheduler.hand_out_trial(), [10.0] * 4)
    trial = scheduler.hand_out_trial()
    run(scheduler, trial, [5.0, 5.0, 5.0, 99.0])
    assert trial.outcome == "completed"
    assert judged(scheduler)[1] == ConfigurationResult(
        "complete", (99.0,), {1: 5.0, 2: 5.0, 3: 5.0}
    )


def test_seeds_one_after_another_are_judged_by_their_mean_at_each_epoch(begun):
    scheduler = begun(configurations=1, seeds=2, early_stopping=MEDIAN)
    run(scheduler, scheduler.hand_out_trial(), [8.0, 6.0, 4.0, 2.0])
    run(scheduler, scheduler.hand_out_trial(), [9.0, 9.0, 9.0, 4.0])
    assert judged(scheduler)[0] == ConfigurationResult("complete", (3.0,), {1: 8.5, 2: 7.5, 3: 6.5})


def test_without_early_stopping_no_mean_is_reported(begun):
    scheduler = begun(configurations=1, seeds=1)
    run(scheduler, scheduler.hand_out_trial(), [8.0, 6.0, 4.0, 2.0])
    assert judged(scheduler)[0].intermediate == {}


def test_the_epochs_of_a_judged_configuration_are_let_go(begun):
    scheduler = begun(configurations=2, seeds=2)
    first = scheduler.hand_out_trial()
    run(scheduler, first, [8.0] * 4)
    assert len(first.history) == 4
    run(scheduler, scheduler.hand_out_trial(), [8.0] * 4)
    assert first.history == []
    assert first.values == (8.0,)


# Adoption


def present_code():
    """The digest of the code of all trials here."""
    return trial_code(parse_configuration(study_data()["trial"])).digest


def elsewhere(key, *, code=None, proved="", **metrics):
    tags = {"code": present_code() if code is None else code, "code_proved": proved}
    return RecordedTrial("run-1", key, "FINISHED", "completed", metrics, tags)


def test_a_trial_that_another_study_has_finished_is_adopted(begun):
    key = begun(configurations=1, seeds=2).hand_out_trial().key
    record = ListedRecord(elsewhere={key: elsewhere(key, validation_error=3.0)})
    scheduler = begun(record, configurations=1, seeds=2)
    order = finish(scheduler, lambda trial: 5.0)
    assert order == [(0, 1)]
    assert record.of("adopt")[0][1:3] == (key, "run-1")
    assert judged(scheduler)[0].values == (4.0,)


@pytest.mark.parametrize(("code", "proved"), [("other", ""), ("", ""), ("other", "another")])
def test_a_trial_of_other_code_is_trained_and_not_adopted(begun, code, proved):
    key = begun(configurations=1, seeds=2).hand_out_trial().key
    found = elsewhere(key, validation_error=3.0, code=code, proved=proved)
    scheduler = begun(ListedRecord(elsewhere={key: found}), configurations=1, seeds=2)
    assert finish(scheduler, lambda trial: 5.0) == [(0, 0), (0, 1)]
    assert scheduler.record.of("adopt") == []
    assert scheduler.adoption.left_out == {key}


def test_a_trial_of_other_code_that_is_proven_equal_is_adopted(begun):
    key = begun(configurations=1, seeds=2).hand_out_trial().key
    found = elsewhere(key, validation_error=3.0, code="x", proved=f"y, {present_code()}")
    scheduler = begun(ListedRecord(elsewhere={key: found}), configurations=1, seeds=2)
    assert finish(scheduler, lambda trial: 5.0) == [(0, 1)]
    assert scheduler.adoption.left_out == set()


def test_a_proof_of_this_launch_lets_its_trials_be_adopted_with_the_present_digest(begun):
    first = begun(configurations=1, seeds=2).hand_out_trial()
    found = elsewhere(first.key, validation_error=3.0, code="x")
    scheduler = begun(ListedRecord(elsewhere={first.key: found}), configurations=1, seeds=2)
    scheduler.adoption.proofs.add(proof_key(first, found))
    assert scheduler.hand_out_trial().seed == 1
    ((_, key, _, _, tags),) = scheduler.record.of("adopt")
    assert (key, tags["code_proved"]) == (first.key, present_code())
    assert "code" not in tags  # it is the source's


def test_a_study_that_another_has_finished_whole_trains_nothing(begun):
    first = begun(configurations=2, seeds=2)
    finish(first, lambda trial: 1.0 + trial.seed)
    known = {key: elsewhere(key, validation_error=t.values[0]) for key, t in first.trials.items()}
    record = ListedRecord(elsewhere=known)
    scheduler = begun(record, configurations=2, seeds=2)
    assert scheduler.hand_out_trial() is None
    assert scheduler.is_finished
    assert record.of("begin") == []
    assert [judgement.values for judgement in judged(scheduler)] == [(1.5,), (1.5,)]


def test_a_finished_record_without_the_objective_is_trained(begun):
    scheduler = begun(configurations=1, seeds=1)
    asked = scheduler.search.ask()
    key = begun(configurations=1, seeds=1).hand_out_trial().key
    plan = scheduler.known.add_configuration(asked, {key: elsewhere(key, test_error=3.0)})
    assert plan.trials[0].state == "todo"


def test_scheduling_many_trials_takes_no_time_that_grows_with_their_square(begun):
    scheduler = begun(configurations=8, seeds=3000)
    trials = [scheduler.hand_out_trial() for _ in range(100)]
    assert [trial.seed for trial in trials] == list(range(100))
    assert len(scheduler.queue.waiting) == 2900


def test_losing_a_node_is_no_failure_of_its_trials(begun):
    scheduler = begun(configurations=1, seeds=1)
    trial = scheduler.hand_out_trial()
    for _ in range(RETRIES + 2):
        scheduler.note_begun(trial)
        scheduler.note_lost(trial)
        assert scheduler.hand_out_trial() is trial
    scheduler.note_begun(trial)
    for _ in range(RETRIES + 2):  # what looked like a failure turns out to be a lost node
        assert scheduler.note_failed(trial, "unavailable")
        scheduler.forgive_failure(trial)
        assert scheduler.hand_out_trial() is trial
    assert scheduler.record.of("end") == []


# Objectives that an older version did not measure


def on_record(metrics, *, outcome="completed"):
    tags = {"code": present_code()}
    return RecordedTrial("run-of-another", "", "FINISHED", outcome, metrics, tags)


def test_a_finished_trial_without_its_objective_is_neither_done_nor_adopted(begun):
    objective = "validation_loss"
    scheduler = begun(configurations=1, seeds=1, sampler="random", objective=objective)
    trial = scheduler.hand_out_trial()
    scheduler.take_back(trial)
    old = {"validation_error": 5.0}
    scheduler.record.elsewhere[trial.key] = on_record(old)
    assert scheduler.hand_out_trial() is trial
    assert scheduler.record.of("adopt") == []
    again = begun(configurations=1, seeds=1, sampler="random", objective=objective)
    added = again.known.add_configuration(scheduler.search.asked()[0], {trial.key: on_record(old)})
    assert added.trials[0].state == "todo"
    assert added.trials[0].recorded
    scheduler.take_back(trial)
    scheduler.record.elsewhere[trial.key] = on_record(old | {objective: 0.5})
    assert scheduler.hand_out_trial() is None
    assert judged(scheduler)[0].values == (0.5,)


@pytest.mark.parametrize(
    ("objective", "worst"),
    [
        ("validation_error", 100.0),
        ("validation_top5_error", 100.0),
        ("validation_calibration_error", 100.0),
        ("validation_loss", math.inf),
        ("validation_brier", 2.0),
        ("validation_confidence", 1.0),
        ("train_loss", math.inf),
    ],
)
def test_a_diverged_trial_counts_as_the_worst_of_its_objective(begun, objective, worst):
    scheduler = begun(configurations=1, seeds=1, sampler="random", objective=objective)
    trial = scheduler.hand_out_trial()
    scheduler.note_begun(trial)
    scheduler.note_epochs(trial, epochs_of([5.0], losses=[math.nan]), device="cpu")
    scheduler.note_completed(trial)
    assert judged(scheduler)[0] == ConfigurationResult("complete", (worst,))


@pytest.mark.parametrize("sampler", ["tpe", "gp", "cmaes", "nsga2"])
def test_a_search_goes_on_past_an_infinite_loss(begun, sampler):
    space = {
        "regularizer.beta": {"low": 0.1, "high": 0.9},
        "training.learning_rate": {"low": 1e-3, "high": 0.1, "log": True},
    }
    scheduler = begun(
        configurations=14, seeds=1, sampler=sampler, space=space, objective="validation_loss"
    )
    while (trial := scheduler.hand_out_trial()) is not None:
        scheduler.note_begun(trial)
        diverged = trial.number % 5 == 3
        losses = [math.nan] if diverged else [1.0] * 4
        scheduler.note_epochs(trial, epochs_of([5.0 + trial.number] * len(losses), losses=losses),
                      device="cpu")  # fmt: skip
        scheduler.note_completed(trial)
    values = [judgement.values[0] for judgement in judged(scheduler)]
    assert [math.isinf(value) for value in values] == [n % 5 == 3 for n in range(14)]


def test_early_stopping_goes_by_the_objective_where_epochs_measure_it(begun):
    rules = {"name": "asha", "grace_period": 1, "reduction_factor": 2}
    scheduler = begun(
        configurations=2, seeds=1, sampler="random", objective="validation_loss",
        early_stopping=rules,
    )  # fmt: skip
    trial = scheduler.hand_out_trial()
    scheduler.note_begun(trial)
    scheduler.note_epochs(trial, epochs_of([8.0, 6.0]), device="cpu")
    assert judged(scheduler)[0].intermediate == {1: 0.4, 2: 0.3}


def test_an_epoch_that_an_older_version_trained_is_not_compared(begun):
    rules = {"name": "asha", "grace_period": 1, "reduction_factor": 2}
    scheduler = begun(
        configurations=2, seeds=1, sampler="random", objective="validation_loss",
        early_stopping=rules,
    )  # fmt: skip
    trial = scheduler.hand_out_trial()
    scheduler.note_begun(trial)
    first, second = epochs_of([8.0, 6.0])
    scheduler.note_epochs(trial, [replace(first, validation_loss=None), second], device="cpu")
    assert judged(scheduler)[0].intermediate == {2: 0.3}
