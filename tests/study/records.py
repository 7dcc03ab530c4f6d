"""A trial as tests put it on record, and what is on record then."""

from mlflow.entities import ViewType

from tests.study.sample import epochs_of
from trainables.metrics import summarise_trial

KEY = "0123456789abcdef"
PARAMS = {
    "dataset.name": "digits",
    "regularizer.beta": 0.3,
    "training.milestones": (100, 150),
    "training.nesterov": False,
    "training.clip": None,
    "seed": 1,
}
TAGS = {
    "configuration": "c0ffee",
    "configuration_number": "4",
    "point": '{"regularizer.beta": 0.3}',
    "data_fingerprint": "feed",
    "git_commit": "abc",
}


def write(record, key=KEY, *, errors=(9.0, 7.0, 8.0), outcome="completed", tags=TAGS):
    """Record a whole trial."""
    epochs = epochs_of(errors)
    record.begin(key, name="beta=0.3 seed=1", params=PARAMS, tags=tags)
    record.add_epochs(key, epochs[:2], device="cpu")
    record.add_epochs(key, epochs[2:], device="cpu")
    record.end(key, outcome, summarise_trial(epochs))
    assert record.spool.drain(20)
    assert record.spool.refused == []


def runs(client, record):
    return list(client.search_runs([record.experiment_id], run_view_type=ViewType.ALL))


def trial_runs(client, record):
    return [run for run in runs(client, record) if run.data.tags["role"] == "trial"]


def history(client, run, metric):
    return [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, metric)]
