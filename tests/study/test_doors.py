"""Whole stories of a study that its machine, its user or a second launch gets in the way of."""

import shutil
import signal
import time
from pathlib import Path

import pytest

from analysis import trials
from tests.study.chaos import STUDY as LONG_STUDY
from tests.study.chaos import recorded_epochs
from tests.study.launching import SHORT_STUDY, Folder
from tests.study.services import wait_for

pytestmark = pytest.mark.timeout(900)

STUDY = f"{SHORT_STUDY}scales: {{quick: {{}}, paper: {{}}}}\n"


def artifacts(folder: Folder) -> set[str]:
    """Return the names of the files and folders that the study's run holds."""
    found = [*(folder.path / "mlruns").rglob("configurations.md")]
    return {entry.name for entry in found[0].parent.iterdir()} if found else set()


@pytest.mark.slow
def test_a_study_in_a_folder_of_any_name_survives_what_is_done_to_its_files(tmp_path):
    path = tmp_path / "my ü & #1 50% %41 [x] (y)"
    path.mkdir()
    plain = tmp_path / "plain"  # an address of this folder that needs no encoding
    plain.symlink_to(path)
    folder = Folder(path, STUDY)
    folder.uri = f"sqlite:///{plain}/mlflow.db"
    folder.launch()
    assert {"configurations.md", "configurations.csv", "plots"} <= artifacts(folder)
    assert {entry.name for entry in tmp_path.iterdir()} == {path.name, plain.name}
    reported = folder.run("analysis.report", "small")
    assert reported.returncode == 0, reported.stderr
    assert (path / "reports/small-quick/report.html").exists()
    (parent,) = folder.runs("study")
    keys = {run.data.tags["trial_key"] for run in folder.runs()}

    # The driver died after the last trial and before the plots; a disk tore Optuna's file; and a
    # user has deleted the study's run.
    for plots in (path / "mlruns").rglob("plots"):
        shutil.rmtree(plots)
    said = folder.launch()
    assert "Nothing to do" in said
    assert "plots" in artifacts(folder)
    folder.client.delete_run(parent.info.run_id)
    (folder.state() / "optuna.db").write_bytes(b"torn")
    said = folder.launch()
    assert "taken up" in said
    assert "is kept as optuna.db.damaged-1, and a new one is made from the record." in said
    assert "Nothing to do" in said
    assert {run.data.tags["trial_key"] for run in folder.runs()} == keys
    assert len(folder.runs()) == 2
    (parent,) = folder.runs("study")
    assert parent.info.status == "FINISHED"
    assert {entry.path for entry in folder.client.list_artifacts(parent.info.run_id)} >= {"plots"}


def epochs_come(folder: Folder, state: Path) -> None:
    wait_for(lambda: any(state.rglob("optuna.db")))
    before = recorded_epochs(folder)
    wait_for(lambda: recorded_epochs(folder) > before)


@pytest.mark.slow
def test_a_study_has_one_driver_wherever_its_state_lies(tmp_path):
    study = LONG_STUDY.replace("configurations: 8", "configurations: 2")
    folder = Folder(tmp_path, study.replace("epochs: 8", "epochs: 30"))
    first = folder.start("--state", "a")
    epochs_come(folder, tmp_path / "a")
    started = time.monotonic()
    second = folder.run("study.launch", "small.yaml", "--state", "b")
    assert time.monotonic() - started < 60
    assert second.returncode == 2
    assert f"process {first.pid} on " in second.stderr and "since" in second.stderr
    assert not (tmp_path / "b").exists()

    shutil.rmtree(tmp_path / "a")  # under the first launch
    assert first.wait(timeout=120) == 130, folder.output.read_text()
    assert "its state directory" in folder.output.read_text()
    assert "RUNNING" not in {r.info.status for r in [*folder.runs(), *folder.runs("study")]}

    third = folder.start("--state", "a")
    epochs_come(folder, tmp_path / "a")
    third.send_signal(signal.SIGKILL)
    third.wait()
    said = folder.launch("--state", "b")
    assert f"Taken over from process {third.pid} on " in said
    frame = trials.load("small", "quick", folder.uri)
    assert len(frame) == len(folder.runs()) == 4
    assert set(frame["outcome"]) == {"completed"}
    assert {run.info.status for run in folder.runs("study")} == {"FINISHED"}
    for metrics in folder.metrics().values():
        assert [step for step, _ in metrics["train_loss"]] == list(range(1, 31))
