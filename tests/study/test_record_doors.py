"""Launches whose records are refused, renamed, or have nowhere to lie: told, completed later."""

import functools
import shutil
import sqlite3
from contextlib import nullcontext

import mlflow
import pytest
import torch
import yaml
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR

from analysis.record import store_errors, whole_runs
from study.launching import closing, exit_status
from study.record import opening, study_writer, writer
from study.record.spool import RecordSpool
from tests.benchmarks.crash_points import small_study
from tests.benchmarks.in_process import InProcessTuner, launch_in_process
from tests.study.services import MlflowServer

REFUSE = (
    "CREATE TRIGGER refuses BEFORE INSERT ON metrics WHEN NEW.key = 'test_error_best' "
    "BEGIN SELECT abs(-9223372036854775807 - 1); END"  # an overflow
)
WAITING = (
    (closing, "RECORDS_SECONDS"),
    (opening, "BUSY_SECONDS"),
    (opening, "FIRST_SECONDS"),
    (study_writer, "BUSY_SECONDS"),
    (writer, "BUSY_SECONDS"),
)
"""How long a launch waits for a server."""


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


class Outage:
    """A store that answers so many requests and then none."""

    METHODS = tuple(
        name
        for name in dir(MlflowClient)
        if name.startswith(("get_", "search_", "log_", "set_", "create_", "update_", "delete_"))
        or name in ("list_artifacts", "download_artifacts")
    )

    def __init__(self, monkeypatch, answers):
        self.answers = answers
        self.asked = 0
        for name in self.METHODS:
            monkeypatch.setattr(MlflowClient, name, self._counted(getattr(MlflowClient, name)))
        monkeypatch.setattr(whole_runs, "familiar_tables", lambda uri: nullcontext())

    def _counted(self, method):
        @functools.wraps(method)
        def ask(client, *args, **kwargs):
            self.asked += 1
            if self.asked > self.answers:
                raise MlflowException("connection refused", error_code=INTERNAL_ERROR)
            return method(client, *args, **kwargs)

        return ask


def launch_in_outage(monkeypatch, capsys, answers):
    """Launch; return the status, what was said and how many requests there were."""
    with monkeypatch.context() as patched:
        outage = Outage(patched, answers)
        patched.setattr(store_errors, "WAITS", (0.001,))
        patched.setattr(RecordSpool, "RETRY_SECONDS", (0.001,))
        for module, name in WAITING:
            patched.setattr(module, name, 0.1)
        status = launch_in_process(["study.yaml"])
    return status, capsys.readouterr(), outage.asked


@pytest.mark.parametrize(
    ("done", "every"),
    [
        pytest.param(True, 16, id="nothing to do"),
        pytest.param(False, 40, id="two trials to run"),
        pytest.param(True, 1, id="nothing to do, each request", marks=pytest.mark.slow),
        pytest.param(False, 1, id="two trials to run, each request", marks=pytest.mark.slow),
    ],
)
def test_a_server_that_goes_away_at_any_request_is_told_in_words(
    database, capsys, monkeypatch, tmp_path_factory, done, every
):
    if done:
        assert launch_in_process(["study.yaml"]) == 0
    before = shutil.copytree(database.parent, tmp_path_factory.mktemp("before") / "copy")
    _, _, requests = launch_in_outage(monkeypatch, capsys, answers=10_000)
    assert requests > 40
    for answers in range(0, requests, every):
        shutil.rmtree(database.parent / "state", ignore_errors=True)
        shutil.copytree(before, database.parent, dirs_exist_ok=True)
        status, said, _ = launch_in_outage(monkeypatch, capsys, answers)
        if status != exit_status.DONE:
            assert status in (exit_status.BAD_INPUT, exit_status.INTERRUPTED), answers
            assert "connection refused" in said.out + said.err, answers
        if status != exit_status.BAD_INPUT:
            # As of a process that has ended: this one goes on.
            execute(database, "DELETE FROM experiment_tags")
            assert launch_in_process(["study.yaml"]) == 0, answers
            assert statuses("trial") == ["FINISHED"] * 2, answers
            assert statuses("study") == ["FINISHED"], answers
        capsys.readouterr()
