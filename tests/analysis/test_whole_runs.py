"""Runs read from a SQLite file's tables hold what MLflow says that they hold."""

import math
import shutil
import sqlite3
import time
from contextlib import closing

import pytest
from mlflow import MlflowClient
from mlflow.entities import ViewType
from pandas.testing import assert_frame_equal

from analysis import trials
from analysis.record import client as record_client
from analysis.record import sqlite_file, whole_runs
from analysis.record.store_errors import RecordError
from analysis.record.whole_runs import find_whole_runs
from tests.analysis.record_writer import BASE, start_study

TRIALS = {"role": "trial", "scale": "quick"}


@pytest.fixture
def record(store, tmp_path, monkeypatch):
    """The session's record, with runs of each state and values of each kind beside."""
    shutil.copy(store.folder / "mlflow.db", tmp_path / "mlflow.db")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    client = MlflowClient(tracking_uri=uri)
    odd = start_study(client, "odd", folder=tmp_path)
    run = odd.add(BASE, 0)
    for value in (1.0, math.nan):
        client.log_metric(run, "ends_as_nan", value, step=int(value == value))
    client.log_metric(run, "infinite", math.inf)
    client.log_metric(run, "small", -1e-300)
    client.log_param(run, "regularizer.words", 'it\'s "ü"\n')
    client.set_tag(run, "note", "")
    odd.add(BASE, 1, outcome=None)
    odd.add(BASE, 2, tags={"retired": "true"})
    odd.add(BASE, 3, outcome="failed")
    client.delete_run(odd.add(BASE, 4))
    client.delete_tag(odd.add(BASE, 5), "outcome")
    bare = client.create_run(odd.experiment_id, start_time=1, tags=TRIALS)
    client.set_terminated(bare.info.run_id)
    return client


def told(run):
    metrics = {name: repr(value) for name, value in run.data.metrics.items()}
    state = run.info.run_id, run.info.experiment_id, run.info.status
    times = run.info.start_time, run.info.end_time
    return *state, *times, dict(run.data.tags), dict(run.data.params), metrics


@pytest.mark.parametrize(
    "tags", [TRIALS, {"role": "trial"}, {"role": "study"}, {"scale": "it's"}, {}]
)
def test_every_run_is_as_mlflow_gives_it(record, monkeypatch, tags):
    monkeypatch.setattr(whole_runs, "search_all_runs", None)
    found = {}
    for each in record.search_experiments():
        ours = find_whole_runs(record, each.experiment_id, tags)
        where = record_client.with_tags(tags)
        theirs = record.search_runs([each.experiment_id], where, ViewType.ACTIVE_ONLY, 1000)
        assert [told(run) for run in ours] == [told(run) for run in theirs]
        found[each.name] = len(ours)
    if tags == TRIALS:
        assert found["odd"] == 6 and found["beta"] == 15


@pytest.mark.parametrize("study", ["beta", "odd"])
@pytest.mark.parametrize("retired", [False, True])
def test_the_frame_is_the_same_by_either_reading(record, monkeypatch, study, retired):
    quick = trials.load(study, retired=retired)
    with monkeypatch.context() as unfamiliar:
        unfamiliar.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
        unfamiliar.setattr(trials, "open_reader", lambda uri: record)
        whole = trials.load(study, retired=retired)
    assert_frame_equal(quick, whole)
    assert len(quick)


def test_what_is_not_as_expected_is_left_to_mlflow(record, tmp_path):
    experiment = record.get_experiment_by_name("odd").experiment_id
    known = [told(run) for run in find_whole_runs(record, experiment, TRIALS)]
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        database.execute("UPDATE experiments SET workspace = 'mine' WHERE name = 'beta'")
        database.commit()
    assert [told(run) for run in find_whole_runs(record, experiment, TRIALS)] == known


def test_a_file_that_is_being_written_is_left_to_mlflow_which_waits(record, monkeypatch):
    asked = []
    monkeypatch.setattr(sqlite_file, "WAIT_SECONDS", 0.01)
    monkeypatch.setattr(whole_runs, "search_all_runs", lambda *of: asked.append(of) or [])
    file = record.tracking_uri.removeprefix("sqlite:///")
    with closing(sqlite3.connect(file, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        assert find_whole_runs(record, "1", TRIALS) == [] and asked


def test_a_damaged_file_is_refused_in_words(record, tmp_path):
    (tmp_path / "mlflow.db").write_bytes(b"no database" * 1000)
    with pytest.raises(RecordError, match="the file is damaged or no database"):
        find_whole_runs(record, "1", TRIALS)


def test_thousands_of_runs_are_read_without_an_object_for_each_value(record, tmp_path):
    """MLflow takes some ten times as long."""
    experiment = record.get_experiment_by_name("odd").experiment_id
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        (run,) = database.execute(
            "SELECT run_uuid FROM runs JOIN tags USING (run_uuid) WHERE experiment_id = ? "
            "AND key = 'role' AND value = 'trial' AND lifecycle_stage = 'active' LIMIT 1",
            (experiment,),
        ).fetchone()
        for table in ("runs", "tags", "params", "latest_metrics"):
            names = [name for _, name, *_ in database.execute(f"PRAGMA table_info({table})")]
            others = ", ".join(f'"{name}"' for name in names if name != "run_uuid")
            for copy in range(1000):
                database.execute(
                    f"INSERT INTO {table} (run_uuid, {others}) "
                    f"SELECT ?, {others} FROM {table} WHERE run_uuid = ?",
                    (f"{copy:032}", run),
                )
        database.commit()
    began = time.process_time()
    ours = find_whole_runs(record, experiment, TRIALS)
    between = time.process_time()
    where = record_client.with_tags(TRIALS)
    theirs = [*record_client.search_all_runs(record, [experiment], where)]
    ended = time.process_time()
    assert len(ours) == len(theirs) == 1006
    assert 3 * (between - began) < ended - between


def test_a_relative_address_means_the_file_of_the_directory_that_one_is_in(
    store, tmp_path, monkeypatch
):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        shutil.copy(store.folder / "mlflow.db", tmp_path / name / "mlflow.db")
    with closing(sqlite3.connect(tmp_path / "second" / "mlflow.db")) as other:
        other.execute("UPDATE experiments SET name = 'gamma' WHERE name = 'beta'")
        other.commit()
    for folder, study in (("first", "beta"), ("second", "gamma")):
        monkeypatch.chdir(tmp_path / folder)
        assert len(trials.load(study, tracking_uri="sqlite:///mlflow.db")) == 15
