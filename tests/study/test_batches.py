"""What one run is written in few requests: as many as MLflow takes, and nothing twice."""

from mlflow.entities import Metric, Param, RunTag

from study.record.batches import RunBatch


class Store:
    """Notes what it takes, as MLflow's client is called."""

    def __init__(self):
        self.requests = []

    def log_batch(self, run_id, *, metrics, params, tags):
        self.requests.append((run_id, [each.key for each in (*metrics, *params)], list(tags)))


def metrics(names, step=1):
    return [Metric(name, 1.0, 0, step) for name in names]


def test_what_waits_is_written_in_one_request():
    store = Store()
    batch = RunBatch(store)
    batch.add("run", params=[Param("beta", "0.5")], tags=[RunTag("outcome", "begun")])
    batch.add("run", metrics=metrics(["error", "loss"]))
    batch.add("run", tags=[RunTag("outcome", "completed")])
    assert store.requests == []
    batch.flush()
    batch.flush()
    ((run_id, names, (tag,)),) = store.requests
    assert (run_id, names) == ("run", ["error", "loss", "beta"])
    assert (tag.key, tag.value) == ("outcome", "completed")


def test_no_request_holds_more_than_mlflow_takes():
    store = Store()
    batch = RunBatch(store)
    for step in range(30):
        batch.add("run", metrics=metrics([f"m{i}" for i in range(100)], step))
        batch.add("run", params=[Param(f"p{step}-{i}", "1") for i in range(30)])
        batch.add("run", tags=[RunTag(f"t{step}-{i}", "1") for i in range(9)])
    batch.flush()
    for _, names, tags in store.requests:
        assert len(names) + len(tags) <= 1000 and len(tags) <= 100
        assert sum(name.startswith("p") for name in names) <= 100
    assert sum(len(names) for _, names, _ in store.requests) == 30 * (100 + 30)
    assert sum(len(tags) for _, _, tags in store.requests) == 30 * 9


def test_another_run_is_written_apart():
    store = Store()
    batch = RunBatch(store)
    batch.add("old", tags=[RunTag("role", "superseded")])
    batch.add("new", params=[Param("beta", "0.5")])
    batch.flush()
    assert [run_id for run_id, _, _ in store.requests] == ["old", "new"]
