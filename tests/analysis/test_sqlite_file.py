"""A SQLite file that a killed process was writing is read as it was before."""

import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing

import pytest
from mlflow import MlflowClient

from analysis import trials
from analysis.record import sqlite_file
from analysis.record.quick_reading import read_quickly
from analysis.record.store_errors import RecordError
from study.record.overview import read_overview
from tests.analysis.record_writer import BASE, start_study

KILLED_IN_A_COMMIT = """
import os, signal, sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA cache_size = 1")  # so that pages are written before the end
database.execute("BEGIN IMMEDIATE")
database.execute("UPDATE tags SET value = value || 'torn'")
database.execute("UPDATE params SET value = value || 'torn'")
database.execute("UPDATE runs SET name = name || 'torn'")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def torn(store, tmp_path, monkeypatch):
    """The file of a record, with the journal of a commit that was cut off."""
    file = tmp_path / "mlflow.db"
    shutil.copy(store.folder / "mlflow.db", file)
    before = file.read_bytes()
    killed = subprocess.run([sys.executable, "-c", KILLED_IN_A_COMMIT, file], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert file.read_bytes() != before
    assert (tmp_path / "mlflow.db-journal").stat().st_size
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{file}")
    return file


def test_sqlite_itself_refuses_to_read_it_only(torn):
    with (
        closing(sqlite3.connect(f"file:{torn}?mode=ro", uri=True)) as database,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        database.execute("SELECT count(*) FROM sqlite_master")


@pytest.mark.parametrize(
    "read",
    [
        lambda: sqlite_file.check_file(sqlite_file.file_of(os.environ["MLFLOW_TRACKING_URI"])),
        lambda: read_quickly(("outcome",)),
        read_overview,
        lambda: trials.load("beta"),
    ],
    ids=["check", "quick reading", "list", "load"],
)
def test_what_was_not_finished_is_taken_back(torn, read):
    read()
    assert "torn" not in str(trials.load("beta").to_dict())
    found = MlflowClient(f"sqlite:///{torn}").search_runs(["1"], "tags.role = 'trial'")
    assert len(found) == 15 and not torn.with_name("mlflow.db-journal").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write any file")
def test_a_file_that_nobody_may_write_is_read(torn):
    sqlite_file.check_file(torn)
    torn.chmod(stat.S_IRUSR)
    assert len(trials.load("beta")) == 15


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write any file")
def test_a_torn_file_that_nobody_may_write_is_told(torn):
    torn.chmod(stat.S_IRUSR)
    with pytest.raises(RecordError, match="may not be written"):
        trials.load("beta")


@pytest.mark.parametrize("other", [None, "literal", "decoded"])
def test_an_address_with_a_percent_sign_is_the_file_that_mlflow_opens(tmp_path, other):
    for name, seeds in (("my records", 1), ("my%20records", 2)):
        (tmp_path / name).mkdir()
        if other is None or (other == "literal") == ("%" in name):
            made = tmp_path / f"{seeds}.db"
            study = start_study(MlflowClient(f"sqlite:///{made}"), "x", folder=tmp_path)
            for seed in range(seeds):
                study.add(BASE, seed)
            shutil.copy(made, tmp_path / name / "m.db")
    uri = f"sqlite:///{tmp_path}/my%20records/m.db"
    client = MlflowClient(uri)
    if client.get_experiment_by_name("x") is None:  # MLflow has made the file
        assert sqlite_file.file_of(uri).exists()
    else:
        found = client.search_runs(["1"], "tags.role = 'trial'")
        assert len(trials.load("x", tracking_uri=uri)) == len(found)


def test_an_absolute_path_may_begin_with_two_slashes(store):
    assert len(trials.load("beta", tracking_uri=f"sqlite:////{store.folder}/mlflow.db")) == 15
