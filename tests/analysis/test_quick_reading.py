"""A record read without MLflow says what MLflow's own reading says."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from mlflow import MlflowClient

from analysis.record import sqlite_file
from analysis.record.client import search_all_experiments, search_all_runs
from analysis.record.quick_reading import read_quickly, refuse_unknown_study
from analysis.record.store_errors import RecordError, UnknownStudyError
from study.record import overview
from tests.analysis.record_writer import BASE, start_study

TAGS = ("role", "scale", "trial_key", "outcome", "retired")


@pytest.fixture
def record(store, tmp_path, monkeypatch):
    """A record of its own: the study of the session and what commands must not show of another."""
    shutil.copy(store.folder / "mlflow.db", tmp_path / "mlflow.db")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.chdir(tmp_path)
    client = MlflowClient(tracking_uri=uri)
    other = start_study(client, "other", folder=tmp_path)
    other.add(BASE, 0)
    other.add(BASE, 1, outcome=None)
    other.add(BASE, 2, tags={"retired": "true"})
    other.add(BASE, 3, outcome="failed")
    other.add(BASE, 0)  # a second run of the same trial
    client.delete_run(other.add(BASE, 4))
    client.set_experiment_tag(other.experiment_id, "note", "of the experiment")
    gone = start_study(client, "gone", folder=tmp_path)
    client.delete_experiment(gone.experiment_id)
    return client


def change(statement):
    with closing(sqlite3.connect("mlflow.db")) as database:
        database.execute(statement)
        database.commit()


def test_experiments_and_runs_are_those_that_mlflow_gives(record):
    reading = read_quickly(TAGS)
    experiments = {e.experiment_id: (e.name, e.tags) for e in search_all_experiments(record)}
    assert {e.experiment_id: (e.name, e.tags) for e in reading.experiments} == experiments
    theirs = {
        run.info.run_id: (
            *(run.info.experiment_id, run.info.status, run.info.start_time, run.info.end_time),
            {name: value for name, value in run.data.tags.items() if name in TAGS},
        )
        for run in search_all_runs(record, [*experiments], "")
    }
    ours = {
        run.info.run_id: (
            *(run.info.experiment_id, run.info.status, run.info.start_time, run.info.end_time),
            run.data.tags,
        )
        for run in reading.runs
    }
    assert ours == theirs
    assert len(ours) >= 1 + 15 + 1 + 5  # other tests may have added studies


def test_the_list_of_studies_is_that_of_mlflow(record, monkeypatch):
    quick = overview.read_overview()
    monkeypatch.setattr(overview, "read_quickly", lambda tags: None)
    assert quick == overview.read_overview()
    counts = {(s.study, s.done, s.cut_off, s.failed) for s in quick}
    assert {("beta", 15, 0, 0), ("other", 1, 1, 1)} <= counts


def test_an_unknown_study_or_scale_is_refused_and_a_known_one_not(record):
    refuse_unknown_study("beta")
    refuse_unknown_study("beta", "quick")
    with pytest.raises(UnknownStudyError, match="no study `betta` .*did you mean `beta`"):
        refuse_unknown_study("betta")
    with pytest.raises(UnknownStudyError, match="no study `gone`"):
        refuse_unknown_study("gone")
    with pytest.raises(UnknownStudyError, match="no scale `quik` .*did you mean `quick`"):
        refuse_unknown_study("beta", "quik")


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE runs RENAME COLUMN status TO state",
        "ALTER TABLE experiment_tags RENAME TO tags_of_experiments",
        "UPDATE experiments SET workspace = 'mine' WHERE name = 'other'",
    ],
)
def test_tables_that_are_not_as_expected_are_left_to_mlflow(record, statement):
    assert read_quickly(TAGS) is not None
    change(statement)
    assert read_quickly(TAGS) is None
    refuse_unknown_study("betta")  # MLflow's reading will


@pytest.mark.parametrize("uri", ["http://127.0.0.1:1", "sqlite:///mlflow.db?timeout=3", "mlruns"])
def test_other_records_are_left_to_mlflow(record, monkeypatch, uri):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert read_quickly(TAGS) is None


def test_workspaces_and_an_empty_file_are_left_to_mlflow(record, monkeypatch, tmp_path):
    (tmp_path / "empty.db").touch()
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/empty.db")
        assert read_quickly(TAGS) is None
    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
    assert read_quickly(TAGS) is None


def test_a_record_that_another_process_writes_is_busy(record, monkeypatch):
    monkeypatch.setattr(sqlite_file, "WAIT_SECONDS", 0.01)
    with closing(sqlite3.connect("mlflow.db", isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        with pytest.raises(RecordError, match="database is locked; another process holds it"):
            read_quickly(TAGS)


@pytest.mark.parametrize(
    ("module", "arguments", "status"),
    [
        ("study.list", [], 0),
        ("study.list", ["--json"], 0),
        ("analysis.report", ["betta"], 2),
        ("analysis.report", ["beta", "--scale", "quik"], 2),
    ],
)
def test_a_list_and_a_wrong_name_load_neither_mlflow_nor_pandas(record, module, arguments, status):
    code = (
        f"import sys, {module} as command\n"
        f"status = command.main({arguments})\n"
        "slow = ('mlflow', 'pandas', 'torch', 'matplotlib')\n"
        "print(status, *(name for name in slow if name in sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stderr.splitlines()[-1] == str(status)


def test_the_address_is_that_of_mlflow(record, monkeypatch, tmp_path):
    code = "from analysis.record import location; print(location.tracking_uri())"
    for folder in ("plain", "with space", "100%", "old"):
        (tmp_path / folder).mkdir()
    old = tmp_path / "old" / "mlruns" / "0"
    old.mkdir(parents=True)
    (old / "meta.yaml").touch()
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    def told(folder):
        command = [sys.executable, "-c", code]
        where = {"cwd": tmp_path / folder, "env": environment}
        return subprocess.run(command, capture_output=True, text=True, check=True, **where).stdout

    assert told("plain") == f"sqlite:///{tmp_path}/plain/mlflow.db\n"
    assert told("with space") == f"sqlite:///{tmp_path}/with space/mlflow.db\n"
    assert told("100%") == "sqlite:///mlflow.db\n"
    assert told("old") == f"file://{tmp_path}/old/mlruns\n"
