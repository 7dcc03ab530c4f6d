"""What Ray Tune is told of trials, and what it keeps of those that have ended."""

from types import SimpleNamespace

import pytest
from ray.tune.experiment import Trial as TuneTrial

from study.execution.tune_adapters import TuneScheduler

RESULT = {"node_ip": "127.0.0.1", "pid": 7, "training_iteration": 1, "validation_error": 5.0}


@pytest.fixture
def scheduler():
    return TuneScheduler(SimpleNamespace(is_stopping=False, is_full=False))


def added(scheduler, *, reports):
    told = {"name": "beta=0.5 seed=0"}
    trial = TuneTrial("digits", stub=True, config=told, evaluated_params=dict(told))
    for done in [False] * (reports - 1) + [True] * bool(reports):
        trial.update_last_result({**RESULT, "trial_id": trial.trial_id, "done": done})
    scheduler.on_trial_add(None, trial)
    return trial


def test_the_results_of_a_trial_that_has_ended_are_let_go(scheduler):
    ended, waiting = added(scheduler, reports=3), added(scheduler, reports=2)
    assert "validation_error" in ended.metric_analysis
    ended.set_status(TuneTrial.TERMINATED)
    assert scheduler.choose_trial_to_run(None) is waiting
    assert not ended.metric_analysis and not ended.metric_n_steps
    assert ended.last_result == {"trial_id": ended.trial_id, "done": True}
    assert "validation_error" in waiting.metric_analysis
    assert waiting.last_result["validation_error"] == 5.0


def test_what_a_trial_that_has_ended_was_told_is_neither_kept_nor_written_out(scheduler):
    ended, waiting = added(scheduler, reports=1), added(scheduler, reports=1)
    ended.set_status(TuneTrial.TERMINATED)
    scheduler.choose_trial_to_run(None)
    assert not ended.config and not ended.evaluated_params
    assert [t.get_json_state()[0].count("beta=0.5") for t in (ended, waiting)] == [0, 3]


def test_a_trial_that_never_reported_is_let_go_unasked(scheduler, monkeypatch):
    silent = added(scheduler, reports=0)
    monkeypatch.setattr(TuneTrial, "last_result", property(lambda trial: pytest.fail("asked")))
    silent.set_status(TuneTrial.ERROR)
    assert scheduler.choose_trial_to_run(None) is None


def test_a_free_actor_goes_to_the_trial_whose_own_actor_is_the_last_to_be_started(scheduler):
    trials = [added(scheduler, reports=0) for _ in range(3)]
    assert scheduler.choose_trial_to_run(None) is trials[2]
    trials[2].set_status(TuneTrial.RUNNING)
    assert scheduler.choose_trial_to_run(None) is trials[1]
