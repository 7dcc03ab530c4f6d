"""What entries write is gathered into few requests, and nothing of it is lost."""

import pytest
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from study.record.batches import TrialBatches


class Store:
    """Takes batches as MLflow's client does; a refused name refuses the whole batch."""

    def __init__(self, *, refused="", away=0):
        self.requests = []
        self.refused = refused
        self.away = away

    def log_batch(self, run_id, *, metrics, params, tags):
        if self.away:
            self.away -= 1
            raise MlflowException("nobody answers")
        names = [each.key for each in (*metrics, *params, *tags)]
        if self.refused in names:
            raise MlflowException(f"not {self.refused}", error_code=3)
        self.requests.append((run_id, names, {tag.key: tag.value for tag in tags}))


def metric(name, step=1):
    return Metric(name, 1.0, 0, step)


def test_what_waits_is_written_in_one_request():
    store = Store()
    batches = TrialBatches(store)
    batches.add("a", "run", params=[Param("beta", "0.5")], tags=[RunTag("outcome", "begun")])
    batches.add("a", "run", metrics=[metric("error"), metric("loss")])
    batches.add("a", "run", tags=[RunTag("outcome", "completed")])
    batches.flush("b")
    assert store.requests == []
    batches.flush("a")
    batches.flush("a")
    assert store.requests == [
        ("run", ["error", "loss", "beta", "outcome"], {"outcome": "completed"})
    ]


def test_no_request_holds_more_than_mlflow_takes():
    store = Store()
    batches = TrialBatches(store)
    for step in range(30):
        batches.add("a", "run", metrics=[metric(f"m{i}", step) for i in range(100)])
        batches.add("a", "run", params=[Param(f"p{step}-{i}", "1") for i in range(30)])
    batches.flush("a")
    assert all(len(names) <= 1000 for _, names, _ in store.requests)
    params = [sum(name.startswith("p") for name in names) for _, names, _ in store.requests]
    assert max(params) <= 100 and sum(params) == 900
    assert sum(len(names) for _, names, _ in store.requests) == 30 * 100 + 900


def test_another_run_of_the_trial_is_written_apart():
    store = Store()
    batches = TrialBatches(store)
    batches.add("a", "old", tags=[RunTag("role", "superseded")])
    batches.add("a", "new", params=[Param("beta", "0.5")])
    batches.flush("a")
    assert [run_id for run_id, _, _ in store.requests] == ["old", "new"]


def test_what_is_refused_takes_nothing_else_along():
    store = Store(refused="bad")
    batches = TrialBatches(store)
    for kind, name in (("begin", "good"), ("epochs", "bad"), ("end", "error")):
        batches.note_kind("a", kind)
        batches.add("a", "run", metrics=[metric(name)])
    with pytest.raises(MlflowException, match="not bad"):
        batches.flush("a")
    assert batches.give_up("a") == ["epochs"]
    assert [names for _, names, _ in store.requests] == [["good"], ["error"]]
    batches.flush("a")
    assert len(store.requests) == 2


def test_what_a_store_that_is_away_has_not_taken_is_written_later():
    store = Store(away=1)
    batches = TrialBatches(store)
    batches.add("a", "run", params=[Param("beta", "0.5")])
    batches.add("a", "run", metrics=[metric("error")])
    with pytest.raises(MlflowException):
        batches.flush("a")
    batches.add("a", "run", metrics=[metric("error")])  # as an entry that is written again does
    batches.flush("a")
    assert [names for _, names, _ in store.requests] == [["error", "beta"]]
