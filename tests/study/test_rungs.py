"""Rungs of early stopping: judged by the same seeds whatever happened, and reached side by side."""

import random

import pytest

from study.file.settings import Asha, Hyperband, Median
from study.scheduling.early_stopping import rungs_of
from tests.study.sample import epochs_of
from tests.study.test_reconcile import Lab

RULES = {
    "asha": {"name": "asha", "grace_period": 2, "reduction_factor": 2},
    "median": {"name": "median", "grace_period": 2, "startup_configurations": 1},
    "hyperband": {"name": "hyperband", "grace_period": 2, "reduction_factor": 2},
}
OPTIONS = {
    "sampler": "grid",
    "space": {"regularizer.beta": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]},
    "seeds": 3,
    "epochs": 9,
}


def errors_of(trial):
    """Seeds differ by far more than configurations do: a single one misleads."""
    mean = 20.0 + 30 * (trial.point["regularizer.beta"] * 7 % 1)
    chance = random.Random(f"{trial.point} {trial.seed}")
    return [round(mean + 20 / epoch + chance.gauss(0, 8), 3) for epoch in range(1, 10)]


def train(lab, *, events=10**9):
    """Train with one place for trials, at most so many epochs; return how many were trained."""
    scheduler, count = lab.scheduler, 0
    while count < events and (trial := scheduler.hand_out_trial()) is not None:
        scheduler.note_begun(trial)
        done = len(lab.saved.get(trial.key, []))
        for epoch in epochs_of(errors_of(trial))[done:]:
            if count >= events:
                return count  # killed
            count += 1
            lab.saved.setdefault(trial.key, []).append(epoch)
            report = lab.saved[trial.key] if not trial.history else [epoch]
            if scheduler.note_epochs(trial, report, device="cpu"):
                break
            at_rung = epoch.epoch in rungs_of(scheduler.study.search.early_stopping, trial.epochs)
            if at_rung and scheduler.is_to_wait(trial):
                scheduler.note_waiting(trial)
                break
        if trial.state == "running":
            scheduler.note_completed(trial)
    return count


@pytest.fixture
def lab(make, storage):
    lab = Lab(make, storage)
    lab.saved = {}
    return lab


@pytest.mark.parametrize(
    ("rule", "rungs"),
    [
        (None, []),
        (Asha(grace_period=1, reduction_factor=4), [1, 4, 16]),
        (Hyperband(grace_period=5, reduction_factor=3), [5, 15, 45]),
        (Median(grace_period=3), [3, 6, 12, 24, 48]),
        (Asha(grace_period=60), []),
    ],
)
def test_seeds_wait_where_the_rule_judges_and_never_at_the_last_epoch(rule, rungs):
    assert rungs_of(rule, 60) == rungs
    assert rungs_of(rule, 16 if rungs else 1) == [rung for rung in rungs if rung < 16]


@pytest.mark.parametrize("rule", RULES)
def test_with_one_place_a_rung_is_judged_before_any_seed_is_past_the_next(lab, rule):
    lab.launch(**OPTIONS, early_stopping=RULES[rule])
    train(lab)
    assert lab.scheduler.is_finished
    states = lab.states()
    assert "pruned" in states and "complete" in states
    rungs = rungs_of(lab.scheduler.study.search.early_stopping, 9)
    for configuration in lab.scheduler.configurations:
        if configuration.judgement.state == "pruned":
            trained = sorted(len(lab.saved[t.key]) for t in configuration.trials)
            told = lab.judgements()[configuration.number].intermediate
            assert trained[0] == max(told)  # what all have reached
            assert trained[-1] <= next((r for r in rungs if r > trained[0]), 9)


@pytest.mark.parametrize("rule", RULES)
def test_every_mean_is_over_all_seeds(lab, rule):
    lab.launch(**OPTIONS, early_stopping=RULES[rule])
    train(lab)
    for configuration in lab.scheduler.configurations:
        told = lab.judgements()[configuration.number].intermediate
        assert told
        for epoch, mean in told.items():
            values = [errors_of(trial)[epoch - 1] for trial in configuration.trials]
            assert mean == pytest.approx(sum(values) / 3)


@pytest.mark.parametrize("rule", RULES)
def test_a_study_killed_again_and_again_equals_one_undisturbed(make, storage, rule):
    whole = Lab(make, storage)
    whole.saved = {}
    whole.launch(**OPTIONS, early_stopping=RULES[rule])
    total = train(whole)
    killed, chance, epochs = Lab(make, storage), random.Random(rule), 0
    killed.saved = {}
    while True:
        scheduler = killed.launch(**OPTIONS, early_stopping=RULES[rule])
        epochs += train(killed, events=chance.randrange(1, 14))
        if scheduler.is_finished:
            break
    assert killed.judgements() == whole.judgements()
    ended = [
        {key: run["outcome"] for key, run in lab.record.runs.items()} for lab in (killed, whole)
    ]
    assert ended[0] == ended[1]
    assert epochs == total


def test_a_configuration_that_is_stopped_ends_its_seeds_that_wait(lab):
    lab.launch(**OPTIONS, early_stopping=RULES["median"])
    train(lab)
    outcomes = {run["outcome"] for run in lab.record.runs.values()}
    assert outcomes == {"completed", "stopped_early"}
    assert all(run["status"] == "FINISHED" for run in lab.record.runs.values())


def test_a_seed_that_has_diverged_counts_with_the_worst_value(lab):
    lab.launch(**{**OPTIONS, "seeds": 2}, early_stopping=RULES["median"])
    first, second = lab.scheduler.hand_out_trial(), lab.scheduler.hand_out_trial()
    lab.scheduler.note_begun(first)
    lab.scheduler.note_epochs(first, epochs_of([10.0], losses=[float("nan")]), device="cpu")
    lab.scheduler.note_completed(first)
    lab.scheduler.note_begun(second)
    lab.scheduler.note_epochs(second, epochs_of([20.0, 30.0]), device="cpu")
    assert lab.judgements()[0].intermediate == {1: 15.0, 2: 65.0}


def test_seeds_that_run_side_by_side_do_not_wait_for_each_other(lab):
    lab.launch(**OPTIONS, early_stopping=RULES["asha"])
    trials = [lab.scheduler.hand_out_trial() for _ in range(3)]
    for trial in trials:
        lab.scheduler.note_begun(trial)
    lab.scheduler.note_epochs(trials[0], epochs_of([10.0, 9.0]), device="cpu")
    assert not lab.scheduler.is_to_wait(trials[0])
