"""The data sets' own folders with what systems and people add to them."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from trainables import datasets
from trainables.datasets import DatasetError, fashion_mnist
from trainables.settings import parse_settings

GENERATOR = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMIX_STUDY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path / "no-such-package")


def settings(name: str) -> Any:
    return parse_settings(datasets.AnySettings, {"name": name, "validation": 0.0})


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Write a Tiny-ImageNet of two classes with two training images each and one for testing."""
    folder = tmp_path / "tiny-imagenet-200"
    (folder / "val/images").mkdir(parents=True)
    lines = []
    for wnid in ("n01", "n02"):
        (folder / "train" / wnid / "images").mkdir(parents=True)
        for number in range(2):
            write_image(folder / "train" / wnid / f"images/{wnid}_{number}.JPEG")
        write_image(folder / f"val/images/val_{wnid}.JPEG")
        lines.append(f"val_{wnid}.JPEG\t{wnid}\t0\t0\t63\t63\n")
    (folder / "wnids.txt").write_text("n01\nn02\n")
    (folder / "val/val_annotations.txt").write_text("".join(lines))
    return folder


def write_image(path: Path) -> None:
    Image.fromarray(GENERATOR.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path, "JPEG")


@pytest.mark.parametrize(
    "name",
    [
        "train/__MACOSX/x",
        "train/n01/images/._n01_0.JPEG",
        "train/n01/images/.DS_Store",
        "train/n01/images/Thumbs.db",
        "val/images/.ipynb_checkpoints/x.JPEG",
        "val/images/desktop.ini",
    ],
)
def test_tiny_imagenet_passes_over_what_systems_add(name: str, tiny: Path) -> None:
    before = datasets.read(settings("tiny_imagenet"), tiny.parent).fingerprint
    (tiny / name).parent.mkdir(parents=True, exist_ok=True)
    (tiny / name).write_bytes(b"\0\5\x16\7")
    assert datasets.read(settings("tiny_imagenet"), tiny.parent).fingerprint == before


@pytest.mark.timeout(30)
@pytest.mark.parametrize("name", ["train/n01/images/pipe.JPEG", "wnids.txt"])
def test_tiny_imagenet_never_opens_a_pipe(name: str, tiny: Path) -> None:
    (tiny / name).unlink(missing_ok=True)
    os.mkfifo(tiny / name)
    with pytest.raises(DatasetError, match=f"{tiny / name}"):
        datasets.load(settings("tiny_imagenet"), tiny.parent)


def test_a_list_of_tiny_imagenet_that_is_no_text_is_named(tiny: Path) -> None:
    (tiny / "wnids.txt").write_bytes(b"\xff\xfe\0\x9f")
    with pytest.raises(DatasetError, match=f"{tiny}/wnids.txt is damaged: UnicodeDecodeError"):
        datasets.read(settings("tiny_imagenet"), tiny.parent)


@pytest.mark.timeout(30)
def test_mnist_never_opens_a_pipe(tmp_path: Path) -> None:
    folder = tmp_path / "MNIST/raw"
    folder.mkdir(parents=True)
    for part in ("train", "t10k"):
        for kind in ("images-idx3", "labels-idx1"):
            os.mkfifo(folder / f"{part}-{kind}-ubyte")
    with pytest.raises(DatasetError, match="there is no such file, nor its .gz"):
        datasets.load(settings("mnist"), tmp_path)
