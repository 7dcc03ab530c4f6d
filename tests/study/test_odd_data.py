"""Launches on a user's own images: what is odd about them is said, what changed is not trained."""

import time
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from ray.exceptions import RayTaskError

from study.execution.failure_signs import change_in
from tests.study.launching import Folder
from trainables.datasets import DataChangedError, DatasetError

STUDY = """
study: small
question: Are odd data sets told?
trial:
  dataset: {name: image_folder, path: "own [red] & ü", image_size: 16, validation: 0.25}
  network: {name: lenet}
  regularizer: {name: lamix}
  training: {epochs: 1, batch_size: 8, learning_rate: 0.05, milestones: []}
search:
  sampler: grid
  seeds: 1
  space: {regularizer.beta: [0.3, 0.9]}
scales: {quick: {}, paper: {}}
"""
GENERATOR = np.random.default_rng(0)


def write_image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(GENERATOR.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(tmp_path, STUDY)
    made.environment["LAMIX_STUDY_CACHE"] = str(tmp_path / "cache")
    for part in ("train", "test"):
        for name in ("cat", "dog"):
            for number in range(8):
                write_image(own(made) / part / name / f"{number}.png")
    return made


def failure_of(work: Callable[[], object]) -> str:
    """Return what Ray Tune writes of an attempt that raised in an actor."""
    try:
        work()
    except Exception as error:
        traced = RayTaskError("TrialTrainable.reset", traceback.format_exc(), error)
        return f"Failure # 1\n{traced.as_instanceof_cause()}\n"
    raise AssertionError("it did not fail")


def test_changed_data_is_told_from_other_failures() -> None:
    def changed() -> None:
        try:
            raise DatasetError("own/train: there is none")
        except DatasetError as error:
            raise DataChangedError(f"The data cannot be read now: {error}") from error

    assert change_in(failure_of(changed)) == (
        "The data cannot be read now: own/train: there is none"
    )
    assert change_in(failure_of(lambda: 1 / 0)) == ""


def own(folder: Folder) -> Path:
    return folder.path / "data/own [red] & ü"


def test_a_launch_tells_what_is_passed_over(folder: Folder) -> None:
    (own(folder) / "train/cat/labels.txt").write_text("words")
    for _ in range(2):  # read, then from the cache
        said = folder.launch("--plan")
        assert f"image_folder: {own(folder)}/train: passed over .txt (1)." in said


def test_a_launch_refuses_a_folder_with_file_and_remedy(folder: Folder) -> None:
    (own(folder) / "train/cat/0.png").write_bytes(b"")
    said = folder.launch(status=2)
    assert f"{own(folder)}/train/cat/0.png is damaged: it is empty; delete it" in said


def test_a_batch_that_the_network_cannot_be_trained_on_is_refused(folder: Folder) -> None:
    settings = "trial.network={name: preact_resnet18, width: 2}"
    size = "trial.dataset.image_size=8"
    batch = "trial.training.batch_size=11"  # of 12 images
    said = folder.launch("--set", settings, "--set", size, "--set", batch, status=2)
    assert "12 training images leave a last mini-batch of one" in said
    assert "choose another batch size" in said


@pytest.mark.slow
def test_images_that_change_after_the_launch_has_read_them_are_not_trained_on(
    folder: Folder,
) -> None:
    process = folder.start()
    while not list((folder.path / "cache").rglob("*.pt")):  # the driver has read them
        assert process.poll() is None, folder.output.read_text()
        time.sleep(0.01)
    write_image(own(folder) / "train/cat/8.png")
    assert process.wait(timeout=300) == 130, folder.output.read_text()
    said = folder.output.read_text()
    assert "No further trial begins." in said
    assert "is not what it was when the study was planned" in said
    assert f"the last change is of {own(folder)}/train/cat/8.png" in said
    assert folder.runs() == []
    folder.launch()  # on the data as it is now
    fingerprints = {run.data.tags["data_fingerprint"] for run in folder.runs()}
    assert len(folder.runs()) == 2 and len(fingerprints) == 1
