"""Data that changes between a trial's plan and its training; batches that cannot be trained."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from trainables import datasets, networks, plugins
from trainables.assignment import TrialAssignment
from trainables.code_digest import trial_code
from trainables.configuration import as_dict, check_last_batch, parse_configuration
from trainables.datasets import DataChangedError, DatasetError
from trainables.trainable import TrialTrainable
from trainables.training import Trainer

GENERATOR = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _modes_of_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("LAMIX_STUDY_CACHE", str(tmp_path / "cache"))
    datasets.load.cache_clear()
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    for part in ("train", "test"):
        for name in ("cat", "dog"):
            (tmp_path / "own" / part / name).mkdir(parents=True)
            for number in range(4):
                write_image(tmp_path / "own" / part / name / f"{number}.png")
    return tmp_path / "own"


def write_image(path: Path) -> None:
    Image.fromarray(GENERATOR.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(path)


def chosen(
    own: Path, *, network: str = "lenet", size: int = 16, batch_size: int = 4
) -> dict[str, Any]:
    return {
        "dataset": {
            "name": "image_folder",
            "path": str(own),
            "image_size": size,
            "validation": 0.0,
        },
        "network": {"name": network},
        "regularizer": {"name": "vanilla"},
        "training": {"epochs": 1, "batch_size": batch_size, "milestones": []},
    }


def assigned(own: Path, fingerprint: str) -> TrialAssignment:
    return TrialAssignment(
        name="a trial",
        study="a study",
        point="",
        configuration=as_dict(parse_configuration(chosen(own))),
        seed=0,
        key="key",
        data="/",
        checkpoints=str(own.parent / "checkpoints"),
        checkpoint_seconds=300.0,
        rungs=[],
        cpus=1.0,
        gpus=0.0,
        avoid=[],
        timeout_seconds=0.0,
        versions={},
        fingerprint=fingerprint,
        own_modules=[],
        code=trial_code(parse_configuration(chosen(own))).digest,
        proved=[],
    )


def planned_fingerprint(own: Path) -> str:
    """Return the fingerprint that a driver reads, in a process of its own."""
    found = datasets.load(parse_configuration(chosen(own)).dataset, Path("/")).fingerprint
    datasets.load.cache_clear()
    return found


CHANGES = {
    "added": lambda own: write_image(own / "train/cat/9.png"),
    "removed": lambda own: (own / "train/cat/0.png").unlink(),
    "changed": lambda own: write_image(own / "test/dog/0.png"),
    "moved": lambda own: (own / "train/cat/0.png").rename(own / "train/dog/9.png"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_trial_is_not_trained_on_other_data_than_was_planned(change: str, own: Path) -> None:
    planned = planned_fingerprint(own)
    CHANGES[change](own)
    with pytest.raises(DataChangedError) as caught:
        TrialTrainable(assigned(own, planned))
    said = str(caught.value)
    assert f"its fingerprint was {planned} and is {planned_fingerprint(own)} now" in said
    assert "training and 8 test images" in said and "the last change is of " in said
    assert "Launch the study again" in said


def test_the_last_change_is_named(own: Path) -> None:
    planned = planned_fingerprint(own)
    write_image(own / "train/dog/2.png")
    with pytest.raises(DataChangedError, match=f"the last change is of {own}/train/dog/2.png, 20"):
        TrialTrainable(assigned(own, planned))


def test_data_that_cannot_be_read_any_more_has_changed_too(own: Path) -> None:
    planned = planned_fingerprint(own)
    shutil.rmtree(own / "train/dog")
    with pytest.raises(DataChangedError, match="cannot be read now: .*is the only class"):
        TrialTrainable(assigned(own, planned))


def test_data_as_it_was_planned_is_trained_on(own: Path) -> None:
    planned = planned_fingerprint(own)
    (own / "train/cat/.DS_Store").write_bytes(b"Bud1")
    assert TrialTrainable(assigned(own, planned)).step()["finished"]


def test_a_warm_actor_keeps_the_data_that_was_planned(own: Path) -> None:
    planned = planned_fingerprint(own)
    actor = TrialTrainable(assigned(own, planned))
    write_image(own / "train/cat/9.png")
    actor.reset_config({**assigned(own, planned), "key": "another", "seed": 1})
    assert actor.step()["finished"]


# The last mini-batch


def test_a_last_batch_of_one_on_maps_of_1x1_is_refused_with_the_remedy(own: Path) -> None:
    write_image(own / "train/cat/9.png")  # nine, in batches of four
    with pytest.raises(DatasetError) as caught:
        Trainer(chosen(own, network="preact_resnet18", size=8), data="/")
    said = str(caught.value)
    assert "9 training images leave a last mini-batch of one at `training.batch_size` 4" in said
    assert "preact_resnet18 cannot be trained on a single image of 8x8 pixels" in said
    assert "choose another batch size" in said


@pytest.mark.parametrize("network", plugins.component_names("trainables.networks"))
@pytest.mark.parametrize("size", [8, 16])
def test_what_is_not_refused_trains(network: str, size: int, own: Path) -> None:
    """The check against torch itself: one step on a single image."""
    content = chosen(own, network=network, size=size)
    try:
        configuration = parse_configuration(content)
    except ValueError:
        assert (network, size) == ("lenet", 8)  # which it refuses by itself
        return
    built = networks.build(network, num_classes=2, image_size=size).train()
    try:
        built(torch.rand(1, 3, size, size))
    except ValueError:
        with pytest.raises(DatasetError, match="last mini-batch of one"):
            check_last_batch(configuration, 5)
    else:
        check_last_batch(configuration, 5)
    check_last_batch(configuration, 6)


@pytest.mark.parametrize("regularizer", ["vanilla", "mixup", "cutmix", "puzzlemix", "lamix"])
def test_a_last_batch_of_one_trains_with_every_regularizer(regularizer: str, own: Path) -> None:
    write_image(own / "train/cat/9.png")
    content = chosen(own) | {"regularizer": {"name": regularizer}}
    assert Trainer(content, data="/").train_epoch() is not None
