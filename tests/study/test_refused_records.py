"""A launch whose records were refused says so, also by its status, and the next one adds them."""

import shutil
import sqlite3

import mlflow
import pytest
import torch
import yaml
from mlflow import MlflowClient

from study.record.spool import RecordSpool
from tests.benchmarks.crash_points import small_study
from tests.benchmarks.in_process import launch_in_process

REFUSE = (
    "CREATE TRIGGER refuses BEFORE INSERT ON metrics WHEN NEW.key = 'test_error_best' "
    "BEGIN SELECT abs(-9223372036854775807 - 1); END"  # an overflow
)


@pytest.fixture
def database(tmp_path, blank, monkeypatch):
    """The record's file, in the folder of a study of one trial."""
    file = shutil.copy(blank, tmp_path / "mlflow.db")
    study = small_study(seeds=1, space={"regularizer.beta": [0.3]})
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{file}")
    monkeypatch.setattr(mlflow.tracking._tracking_service.utils, "_tracking_uri", None)
    monkeypatch.setattr(RecordSpool, "RETRY_SECONDS", (0.01,))
    deterministic = torch.are_deterministic_algorithms_enabled()
    yield file
    torch.use_deterministic_algorithms(deterministic)


def execute(file, statement):
    with sqlite3.connect(file) as database:
        database.execute(statement)
    database.close()


def statuses(role):
    client = MlflowClient()
    experiment = client.get_experiment_by_name("small")
    found = client.search_runs([experiment.experiment_id], f"tags.role = '{role}'")
    return [run.info.status for run in found]


def test_a_launch_whose_records_were_refused_is_not_done(database, capsys):
    execute(database, REFUSE)
    assert launch_in_process(["study.yaml"]) == 130
    said = capsys.readouterr().out
    assert "The tracking server refused a record: RefusedRecordError: end of trial" in said
    assert "python -m study.launch study.yaml  # go on" in said
    assert statuses("trial") == statuses("study") == ["KILLED"]
    execute(database, "DROP TRIGGER refuses")
    assert launch_in_process(["study.yaml"]) == 0
    assert statuses("trial") == statuses("study") == ["FINISHED"]
