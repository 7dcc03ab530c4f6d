"""What Optuna's dashboard shows of a study beside points and values."""

import json

import optuna
import pytest

from study.scheduling.reconcile import reconcile_study
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


def train_all(study, file):
    """Train every trial of a study, and return the scheduler that did."""
    search = open_optuna_study(study, file)
    scheduler = StudyScheduler(study, search, NoRecord(), data_of=lambda c: "feed", provenance={})
    reconcile_study(scheduler, search, {})
    while (trial := scheduler.hand_out_trial()) is not None:
        scheduler.note_begun(trial)
        errors = [9.0, 8.0, 7.0, 5.0 + trial.seed]
        scheduler.note_epochs(trial, epochs_of(errors), device="cpu")
        scheduler.note_completed(trial)
    return scheduler


def shown(study, file):
    return optuna.load_study(study_name=f"{study.name}-quick", storage=f"sqlite:///{file}")


def test_a_configuration_shows_its_seeds_its_spread_its_test_error_and_its_trials(make, storage):
    study, file = make(configurations=2, seeds=2), storage()
    scheduler = train_all(study, file)
    for trial, configuration in zip(
        shown(study, file).trials, scheduler.configurations, strict=True
    ):
        assert trial.value == 5.5
        assert trial.user_attrs["seeds"] == [0, 1]
        assert trial.user_attrs["values_sd"] == pytest.approx([0.7071], abs=1e-4)
        assert trial.user_attrs["test_error_last"] == 6.5
        assert trial.user_attrs["test_error_last_sd"] == pytest.approx(0.7071, abs=1e-4)
        assert trial.user_attrs["trial_keys"] == [each.key for each in configuration.trials]


def test_in_a_race_a_configuration_shows_the_seeds_that_judge_it(make, storage):
    race = {"first": 2, "most": 4, "looks": [2, 4]}
    study, file = make(configurations=2, seeds=race), storage()
    scheduler = train_all(study, file)
    assert {each.wanted for each in scheduler.configurations} == {4}  # equal means: undecided
    for trial in shown(study, file).trials:
        assert trial.value == 5.5
        assert trial.user_attrs["seeds"] == [0, 1]
        assert len(trial.user_attrs["trial_keys"]) == 2


def test_a_single_seed_has_no_spread(make, storage):
    study, file = make(configurations=1, seeds=1), storage()
    train_all(study, file)
    (trial,) = shown(study, file).trials
    assert "values_sd" not in trial.user_attrs and trial.user_attrs["test_error_last"] == 6.0


def test_the_study_shows_its_question(make, storage):
    study, file = make(), storage()
    open_optuna_study(study, file)
    assert shown(study, file).user_attrs["question"] == study.question


def test_attributes_outlive_a_storage_that_is_written_anew(make, storage):
    study, file = make(configurations=2, seeds=2), storage()
    train_all(study, file)
    before = [json.dumps(trial.user_attrs) for trial in shown(study, file).trials]
    search = open_optuna_study(study, file)
    search.rebuild([(asked.point, asked.judgement) for asked in search.asked()])
    assert [json.dumps(trial.user_attrs) for trial in shown(study, file).trials] == before
