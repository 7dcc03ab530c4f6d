"""Launches whose records are refused, renamed, or have nowhere to lie: told, completed later."""

import shutil
import sqlite3

import mlflow
import pytest
import torch
import yaml
from mlflow import MlflowClient

from study.record import study_writer
from study.record.spool import RecordSpool
from tests.benchmarks.crash_points import small_study
from tests.benchmarks.in_process import InProcessTuner, launch_in_process
from tests.study.services import MlflowServer

REFUSE = (
    "CREATE TRIGGER refuses BEFORE INSERT ON metrics WHEN NEW.key = 'test_error_best' "
    "BEGIN SELECT abs(-9223372036854775807 - 1); END"  # an overflow
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a study of two trials, which is launched in the test's own process."""
    study = small_study(seeds=1)
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    monkeypatch.chdir(tmp_path)
    deterministic = torch.are_deterministic_algorithms_enabled()
    yield tmp_path
    torch.use_deterministic_algorithms(deterministic)


@pytest.fixture
def record_at(monkeypatch):
    def record_at(uri):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        monkeypatch.setattr(mlflow.tracking._tracking_service.utils, "_tracking_uri", None)

    return record_at


@pytest.fixture
def database(folder, blank, record_at):
    """The record's file."""
    file = shutil.copy(blank, folder / "mlflow.db")
    record_at(f"sqlite:///{file}")
    return file


def execute(file, statement):
    with sqlite3.connect(file) as database:
        database.execute(statement)
    database.close()


def statuses(role, study="small"):
    client = MlflowClient()
    experiment = client.get_experiment_by_name(study)
    found = client.search_runs([experiment.experiment_id], f"tags.role = '{role}'")
    return [run.info.status for run in found]


def test_a_launch_whose_records_were_refused_is_not_done(database, capsys, monkeypatch):
    monkeypatch.setattr(RecordSpool, "RETRY_SECONDS", (0.01,))
    execute(database, REFUSE)
    assert launch_in_process(["study.yaml"]) == 130
    said = capsys.readouterr().out
    assert said.count("The tracking server refused a record: RefusedRecordError: end of trial") == 2
    assert "python -m study.launch study.yaml  # go on" in said
    assert statuses("trial") == ["KILLED"] * 2 and statuses("study") == ["KILLED"]
    execute(database, "DROP TRIGGER refuses")
    assert launch_in_process(["study.yaml"]) == 0
    assert statuses("trial") == ["FINISHED"] * 2 and statuses("study") == ["FINISHED"]


def test_an_experiment_that_is_renamed_meanwhile_is_told_and_loses_no_trial(
    database, capsys, monkeypatch
):
    prepare = InProcessTuner._prepare

    def prepare_and_rename(self, config):
        client = MlflowClient()
        if self.actor is not None and (found := client.get_experiment_by_name("small")):
            client.rename_experiment(found.experiment_id, "other")
        prepare(self, config)

    with monkeypatch.context() as patched:
        patched.setattr(InProcessTuner, "_prepare", prepare_and_rename)
        assert launch_in_process(["study.yaml"]) == 130
    said = capsys.readouterr()
    assert "`small`" in said.out and "go on" in said.out
    assert "Traceback" not in said.out + said.err
    assert statuses("trial", "other") == ["FINISHED"] * 2
    assert statuses("study", "other") == ["KILLED"]
    assert launch_in_process(["study.yaml"]) == 0  # under the old name: what is finished is adopted
    client = MlflowClient()
    experiment = client.get_experiment_by_name("small")
    found = client.search_runs([experiment.experiment_id], "tags.role = 'trial'")
    assert [run.info.status for run in found] == ["FINISHED"] * 2
    assert all("adopted_from" in run.data.tags for run in found)


@pytest.mark.slow
def test_a_server_whose_artifacts_this_machine_cannot_write_is_told_before_a_trial_runs(
    folder, record_at, capsys, monkeypatch
):
    monkeypatch.setattr(study_writer, "BUSY_SECONDS", 1.0)
    occupied = folder / "occupied"
    occupied.write_text("a file where a folder should be")
    flags = ("--no-serve-artifacts", "--default-artifact-root", str(occupied / "artifacts"))
    server = MlflowServer(folder, f"sqlite:///{folder / 'server.db'}", *flags)
    try:
        record_at(server.uri)
        assert launch_in_process(["study.yaml"]) == 2
        said = capsys.readouterr().err
        assert "study.yaml: cannot put the study on record: " in said and "occupied" in said
        assert "Traceback" not in said
        assert statuses("trial") == []
        assert statuses("study") == []  # a refused launch leaves nothing
        occupied.unlink()
        assert launch_in_process(["study.yaml"]) == 0
        assert "deleted" not in capsys.readouterr().out
        assert statuses("trial") == ["FINISHED"] * 2 and statuses("study") == ["FINISHED"]
    finally:
        server.stop()


def test_a_trial_that_is_older_than_a_setting_has_its_default(database, capsys):
    """Without it a table would tell the older trials from the others by that setting."""
    assert launch_in_process(["study.yaml"]) == 0
    execute(database, "DELETE FROM params WHERE key = 'training.weight_decay'")
    execute(database, "UPDATE tags SET value = 'older' WHERE key = 'code'")
    assert launch_in_process(["study.yaml", "--code", "keep", "--set", "search.seeds=2"]) == 0
    client = MlflowClient()
    experiment = client.get_experiment_by_name("small")
    found = client.search_runs([experiment.experiment_id], "tags.role = 'trial'")
    assert len(found) == 4
    assert {run.data.params["training.weight_decay"] for run in found} == {"0.0001"}
    assert "weight_decay" not in capsys.readouterr().out
