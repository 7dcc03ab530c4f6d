"""What a user sees where the store of records cannot be used as it is."""

import shutil
import sqlite3
import threading
import time
from pathlib import Path

import mlflow
import pytest
import yaml
from mlflow import MlflowClient

from analysis import compare, report, trials
from analysis.record.client import open_client
from analysis.record.store_errors import ask_until_answered, is_store_error
from study import launch, list
from study.record.errors import RecordError
from study.record.opening import open_record
from study.search.optuna_study import open_optuna_study
from tests.study.records import KEY, PARAMS, TAGS, trial_runs, write
from tests.study.sample import study_data

COMMANDS = {
    "launch": lambda: launch.main(["sample.yaml", "--state", "fresh"]),
    "plan": lambda: launch.main(["sample.yaml", "--state", "fresh", "--plan"]),
    "list": lambda: list.main([]),
    "report": lambda: report.main(["sample"]),
    "compare": lambda: compare.main(["sample", "other"]),
}


@pytest.fixture
def record_at(tmp_path, monkeypatch):
    """Have commands use a record at an address, in a folder with a study file."""
    (tmp_path / "sample.yaml").write_text(yaml.safe_dump(study_data(configurations=1, seeds=1)))

    def record_at(uri: str, folder: Path = tmp_path) -> None:
        monkeypatch.chdir(folder)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        monkeypatch.setattr(mlflow.tracking._tracking_service.utils, "_tracking_uri", None)

    return record_at


def garbage(file: Path, blank: Path) -> None:
    file.write_bytes(b"no database at all " * 1000)


def truncated(file: Path, blank: Path) -> None:
    content = blank.read_bytes()
    file.write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("damage", [garbage, truncated], ids=lambda damage: damage.__name__)
def test_a_damaged_record_is_told_at_once(tmp_path, blank, record_at, capfd, command, damage):
    damage(tmp_path / "mlflow.db", blank)
    record_at(f"sqlite:///{tmp_path}/mlflow.db")
    started = time.monotonic()
    assert COMMANDS[command]() == 2
    assert time.monotonic() - started < 60
    said = capfd.readouterr().err
    assert "Traceback" not in said
    assert "the file is damaged" in said
    assert f"{tmp_path}/mlflow.db" in said
    assert not (tmp_path / "fresh").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_folder_of_files_as_the_record_is_refused_with_the_remedy(
    tmp_path, record_at, capfd, command
):
    record_at("file:./mlruns")
    assert COMMANDS[command]() == 2
    said = capfd.readouterr().err
    assert "Traceback" not in said
    assert "set MLFLOW_TRACKING_URI to a database such as sqlite:///mlflow.db" in said


def test_a_second_launch_with_another_state_is_refused_and_leaves_nothing(
    client, opened, tmp_path, capfd
):
    (tmp_path / "sample.yaml").write_text(yaml.safe_dump(study_data(configurations=1, seeds=1)))
    holder = opened(configurations=1, seeds=1, alone=True)
    before = client.get_experiment(holder.experiment_id).tags
    assert COMMANDS["launch"]() == 2
    said = capfd.readouterr().err
    assert said.startswith(f"sample.yaml: process {holder.lease.claim.process.pid} on ")
    assert not (tmp_path / "fresh").exists()
    assert trial_runs(client, holder) == []
    assert client.get_experiment(holder.experiment_id).tags.keys() == before.keys()


class Locked:
    """A SQLite file that another process has locked, for readers too."""

    def __init__(self, file: Path, seconds: float) -> None:
        self.database = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        self.database.execute("BEGIN EXCLUSIVE")
        self.timer = threading.Timer(seconds, self.database.rollback)
        self.timer.start()

    def wait(self) -> None:
        self.timer.join()
        self.database.close()


def test_a_locked_record_is_waited_for_with_a_word(client, make, tmp_path):
    said = []
    lock = Locked(tmp_path / "mlflow.db", 4)
    record = open_record(make(), tmp_path / "records.jsonl", alone=True, say=said.append)
    lock.wait()
    assert record.parent_id
    assert len(said) == 1
    assert "database is locked; another process holds it; trying again for up to" in said[0]
    record.close(timeout=0)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("step", ["begin_study", "resolved_before", "publish"])
def test_a_record_that_is_locked_for_a_minute_is_waited_for(client, opened, tmp_path, step):
    record = opened(alone=True)
    record.study_writer.begin_study({})
    lock = Locked(tmp_path / "mlflow.db", 65)
    if step == "begin_study":
        record.study_writer.begin_study({})
    elif step == "publish":
        record.study_writer.publish(texts={"table.md": "x"}, plots=[], status="FINISHED")
    else:
        assert record.study_writer.resolved_before() is not None
    lock.wait()
    record.check_right()
    expected = {"begin_study": "RUNNING", "publish": "FINISHED", "resolved_before": "RUNNING"}
    assert client.get_run(record.parent_id).info.status == expected[step]


@pytest.mark.slow
def test_artifacts_that_cannot_be_written_are_told_and_nothing_stays_running(
    client, make, tmp_path
):
    (tmp_path / "occupied").write_text("a file where a folder should be")
    client.create_experiment("sample", str(tmp_path / "occupied" / "artifacts"))
    record = open_record(make(), tmp_path / "records.jsonl")
    with pytest.raises(RecordError, match="cannot put the study on record: .*occupied"):
        _without_patience(lambda: record.study_writer.begin_study({}))
    assert client.get_run(record.parent_id).info.status == "SCHEDULED"
    client.update_run(record.parent_id, status="RUNNING")
    with pytest.raises(RecordError, match="cannot put the table and its plots on record"):
        _without_patience(
            lambda: record.study_writer.publish(
                texts={"table.md": "x"}, plots=[], status="FINISHED"
            )
        )
    assert client.get_run(record.parent_id).info.status == "FINISHED"
    record.close(timeout=0)


def _without_patience(step):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("study.record.study_writer.BUSY_SECONDS", 0.2)
        step()


def test_a_record_whose_experiment_is_deleted_meanwhile_keeps_what_waits(
    client, opened, monkeypatch
):
    record = opened()
    record.begin(KEY, name="x", params=PARAMS, tags=TAGS)
    assert record.spool.drain(20)
    client.delete_experiment(record.experiment_id)
    record.interrupt(KEY)
    assert not record.spool.drain(1.5)
    assert "must be in the 'active' state" in record.spool.away_because
    client.restore_experiment(record.experiment_id)
    assert record.spool.drain(20)
    assert record.spool.refused == []
    assert record.trials()[KEY].status == "KILLED"


def test_only_errors_of_the_store_are_told_as_such():
    attempts = []

    def wrong():
        attempts.append(1)
        raise KeyError("ours")

    with pytest.raises(KeyError):
        ask_until_answered(wrong, failed="x", seconds=10)
    assert len(attempts) == 1
    assert not is_store_error(KeyError("ours"))
    assert is_store_error(sqlite3.DatabaseError())
    assert is_store_error(PermissionError())


# Folders of any name

NAMES = ["my study", "ü", "a&b", "#1", "50% %41", "[x]", "a'b"]


@pytest.mark.parametrize("name", NAMES)
def test_a_record_lies_in_its_folder_whatever_the_folder_is_called(
    tmp_path, blank, make, record_at, monkeypatch, name
):
    folder = tmp_path / name
    folder.mkdir()
    shutil.copy(blank, folder / "mlflow.db")
    record_at("", folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    before = {entry.name for entry in tmp_path.iterdir()}
    record = open_record(make(), folder / "records.jsonl")
    record.study_writer.begin_study({})
    write(record)
    record.study_writer.publish(texts={"table.md": "x"}, plots=[], status="FINISHED")
    assert record.study_writer.resolved_before() == record.study.as_dict()
    record.close(timeout=20)
    assert trials.load("sample")["trial_key"].tolist() == [KEY]
    assert {entry.name for entry in tmp_path.iterdir()} == before | {"sample.yaml"}
    assert {entry.name for entry in folder.iterdir()} == {"mlflow.db", "mlruns", "records.jsonl"}
    assert len([*(folder / "mlruns").rglob("table.md")]) == 1
    assert isinstance(open_client(), MlflowClient)


@pytest.mark.parametrize("name", [*NAMES, "a?b"])
def test_optunas_storage_lies_in_its_folder_whatever_the_folder_is_called(
    tmp_path, make, empty, name
):
    folder = tmp_path / name
    folder.mkdir()
    shutil.copy(empty, folder / "optuna.db")
    study = make(configurations=2)
    point = open_optuna_study(study, folder / "optuna.db").ask().point
    again = open_optuna_study(study, folder / "optuna.db")
    assert [asked.point for asked in again.asked()] == [point]
    again.rebuild([(each.point, each.judgement) for each in again.asked()])
    assert [entry.name for entry in folder.iterdir()] == ["optuna.db"]
