"""What a user or a machine may do to a running study, and what the user sees then."""

import shutil
import signal
import sqlite3
import subprocess
import time
from contextlib import ExitStack, suppress

import pytest
from optuna.trial import TrialState
from PIL import Image

from tests.study.chaos import STUDY, recorded_epochs
from tests.study.launching import Folder
from tests.study.services import MlflowServer, Postgres, wait_for

pytestmark = pytest.mark.timeout(900)

TWO_DATA_SETS = """
study: small
question: What becomes of a trial whose data is gone?
trial:
  network: {{name: lenet}}
  regularizer: {{name: lamix}}
  training: {{epochs: 3, batch_size: 50, learning_rate: 0.05, milestones: []}}
search:
  sampler: grid
  seeds: 1
  space:
    dataset:
      - {{name: digits, train_images: 200}}
      - {{name: image_folder, path: {path}}}
scales: {{quick: {{}}, paper: {{}}}}
"""


def in_progress(folder: Folder):
    """Return a function that says whether an epoch was recorded since this call."""
    before = recorded_epochs(folder)
    return lambda: recorded_epochs(folder) > before


@pytest.mark.slow
def test_a_study_that_is_stopped_goes_on_and_records_each_epoch_once(tmp_path):
    folder = Folder(
        tmp_path,
        STUDY.replace("configurations: 8", "configurations: 2").replace("epochs: 8", "epochs: 60"),
    )

    process = folder.start()
    wait_for(in_progress(folder))
    second = folder.run("study.launch", "small.yaml")
    assert second.returncode == 2
    assert f"process {process.pid} on" in second.stderr and "since" in second.stderr
    listed = folder.run("study.list").stdout
    assert f"running, process {process.pid}" in " ".join(listed.split())
    stopped = folder.run("study.stop", "small")
    assert stopped.returncode == 0 and "Stopped." in stopped.stdout
    assert process.wait(timeout=120) == 130
    assert "RUNNING" not in {r.info.status for r in [*folder.runs(), *folder.runs("study")]}
    assert "python -m study.launch small.yaml  # go on" in folder.output.read_text()
    assert "interrupted" in folder.run("study.list").stdout

    process = folder.start()
    wait_for(in_progress(folder))
    process.send_signal(signal.SIGTERM)
    started = time.monotonic()
    assert process.wait(timeout=120) == 130
    assert time.monotonic() - started < 30
    assert "RUNNING" not in {r.info.status for r in [*folder.runs(), *folder.runs("study")]}

    folder.launch()
    for metrics in folder.metrics().values():
        assert [step for step, _ in metrics["train_loss"]] == list(range(1, 61))


def test_two_interrupts_stop_at_once(tmp_path):
    folder = Folder(tmp_path, STUDY)
    process = folder.start()
    wait_for(in_progress(folder))
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=120) == 130
    assert "RUNNING" not in {r.info.status for r in [*folder.runs(), *folder.runs("study")]}


def test_a_trial_that_diverges_is_an_outcome_and_the_worst_value(tmp_path):
    folder = Folder(tmp_path, ray=False)
    folder.launch("--set", "trial.training.learning_rate=1e9", "--set", "search.seeds=1")
    runs = folder.runs()
    assert {run.data.tags["outcome"] for run in runs} == {"diverged"}
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert [t.value for t in folder.optuna().trials] == [100.0, 100.0]


@pytest.mark.slow
def test_images_that_are_gone_since_the_launch_has_read_them_end_it_in_order(tmp_path):
    for part in ("train", "test"):
        for name in ("black", "white"):
            (tmp_path / "images" / part / name).mkdir(parents=True)
            for i in range(20):
                image = Image.new("RGB", (32, 32), name)
                image.save(tmp_path / "images" / part / name / f"{i}.png")
    folder = Folder(tmp_path, TWO_DATA_SETS.format(path=tmp_path / "images"))
    process = folder.start()
    wait_for(lambda: process.poll() is not None or "dashboard" in folder.output.read_text())
    shutil.rmtree(tmp_path / "images")  # read by the driver, not yet by the trials
    assert process.wait(timeout=240) == 130, folder.output.read_text()
    output = folder.output.read_text()
    assert "No further trial begins." in output
    assert str(tmp_path / "images") in output
    trained = {run.data.params["dataset.name"] for run in folder.runs()}
    assert "image_folder" not in trained
    states = {t.params["dataset"]: t.state for t in folder.optuna().trials}
    assert states["image_folder"] == TrialState.RUNNING  # the same command goes on with it


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 3 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a disk needs root")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.slow
def test_a_full_disk_ends_a_launch_but_no_study(small_disk, tmp_path):
    folder = Folder(tmp_path, STUDY.replace("configurations: 8", "configurations: 3"))
    process = folder.start("--state", str(small_disk))
    wait_for(lambda: (small_disk / "small/quick/optuna.db").exists())
    wait_for(in_progress(folder))
    filler = small_disk / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    status = process.wait(timeout=240)
    assert status == 130, folder.output.read_text()
    output = folder.output.read_text()
    assert "The launch broke off" in output and "disk is full" in output
    assert "Traceback" not in output
    assert "RUNNING" not in {r.info.status for r in [*folder.runs(), *folder.runs("study")]}

    filler.unlink()
    folder.launch("--state", str(small_disk))
    assert len(folder.runs()) == 6
    for metrics in folder.metrics().values():
        assert [step for step, _ in metrics["train_loss"]] == list(range(1, 9))


@pytest.fixture(params=["sqlite", "postgresql"])
def server(request, tmp_path):
    with ExitStack() as stack:
        store = f"sqlite:///{tmp_path / 'server.db'}"
        if request.param == "postgresql":
            if missing := Postgres.missing():
                pytest.skip(missing)
            postgres = Postgres()
            stack.callback(postgres.stop)
            store = postgres.database()
        server = MlflowServer(tmp_path, store)
        stack.callback(server.stop)
        yield server


@pytest.mark.slow
def test_records_wait_while_the_tracking_server_is_away(server, tmp_path):
    folder = Folder(tmp_path, STUDY.replace("configurations: 8", "configurations: 3"))
    folder.environment["MLFLOW_TRACKING_URI"] = folder.uri = server.uri
    process = folder.start()
    wait_for(lambda: (folder.path / "state/small/quick/optuna.db").exists())
    wait_for(in_progress(folder))
    server.stop()
    time.sleep(5)
    assert process.poll() is None
    server.start()
    assert process.wait(timeout=400) == 0, folder.output.read_text()
    assert "the tracking server is away since" in folder.output.read_text()
    runs = folder.runs()
    assert len(runs) == 6
    assert {run.info.status for run in [*runs, *folder.runs("study")]} == {"FINISHED"}
    for metrics in folder.metrics().values():
        assert [step for step, _ in metrics["train_loss"]] == list(range(1, 9))


def test_a_server_that_does_not_answer_is_told_before_anything_starts(tmp_path):
    folder = Folder(tmp_path)
    folder.environment["MLFLOW_TRACKING_URI"] = "http://127.0.0.1:9"
    output = folder.launch(status=2)
    assert "cannot use the tracking server http://127.0.0.1:9" in output


@pytest.mark.slow
def test_a_record_that_the_server_always_fails_at_ends_no_study_and_is_named(tmp_path):
    server = MlflowServer(tmp_path, f"sqlite:///{tmp_path / 'server.db'}")
    try:
        with sqlite3.connect(tmp_path / "server.db") as database:
            database.execute(
                "CREATE TRIGGER fails BEFORE INSERT ON metrics WHEN NEW.key = 'test_error_best' "
                "BEGIN SELECT abs(-9223372036854775807 - 1); END"  # an overflow
            )
        folder = Folder(tmp_path)
        folder.environment["MLFLOW_TRACKING_URI"] = folder.uri = server.uri
        output = folder.launch("--set", "search.seeds=1", status=130)
        assert output.count("refused a record: RefusedRecordError: end of trial") == 2
        for metrics in folder.metrics().values():
            assert [step for step, _ in metrics["train_loss"]] == [1, 2, 3]
    finally:
        server.stop()
