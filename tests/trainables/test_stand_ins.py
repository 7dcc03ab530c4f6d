"""Data sets that are not here: a plan measures on noise of their shape, and nobody else does."""

import urllib.request
from pathlib import Path

import pytest
import torch

from trainables import datasets, probe
from trainables.configuration import parse_configuration
from trainables.datasets import DatasetError, fashion_mnist
from trainables.datasets.torchvision import SOURCES

SHAPES = {
    "mnist": (60_000, 10_000, 1, 10),
    "fashion_mnist": (60_000, 10_000, 1, 10),
    "svhn": (73_257, 26_032, 3, 10),
    "cifar10": (50_000, 10_000, 3, 10),
    "cifar100": (50_000, 10_000, 3, 100),
    "tiny_imagenet": (100_000, 10_000, 3, 200),
}


@pytest.fixture(autouse=True)
def asked(monkeypatch, tmp_path):
    """The addresses that were asked for; none of them answers."""
    addresses = []

    def refuse(request, *_, **__):
        addresses.append(request)
        raise OSError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path / "no-such-package")
    monkeypatch.setenv("LAMIX_STUDY_CACHE", str(tmp_path / "cache"))
    datasets.load.cache_clear()
    return addresses


def configuration(name, **options):
    return parse_configuration(
        {
            "dataset": {"name": name, **options},
            "network": {"name": "lenet"},
            "regularizer": {"name": "mixup"},
            "training": {"epochs": 1, "batch_size": 32, "milestones": []},
        }
    )


@pytest.mark.parametrize("name", SHAPES)
def test_noise_of_the_known_shape_stands_in_for_a_data_set_that_is_not_here(name, tmp_path, asked):
    train, test, channels, classes = SHAPES[name]
    used = {"train_images": 2 * classes, "test_images": classes, "validation": 0.5}
    settings = configuration(name, **used).dataset
    shape = settings.known_shape
    assert (shape.train_images, shape.test_images) == (train, test)
    with datasets.stand_in_for_missing():
        splits = datasets.load(settings, tmp_path)
    assert splits.is_stand_in and asked == []
    assert len(splits.train) == len(splits.validation) == len(splits.test) == classes
    assert (splits.in_channels, splits.num_classes) == (channels, classes)
    assert splits.image_size == settings.image_size
    assert splits.notes[0].startswith(f"{name}: the data are not in {tmp_path}")
    assert f"{train:,} training and {test:,} test images" in splits.notes[0]


def test_nobody_else_gets_noise_and_nothing_of_it_is_kept(tmp_path, asked):
    settings = configuration("cifar10").dataset
    with datasets.stand_in_for_missing():
        datasets.load(settings, tmp_path)
    with pytest.raises(DatasetError, match="the download failed"):
        datasets.load(settings, tmp_path)
    assert asked and not list((tmp_path / "cache").rglob("*.pt"))


def test_data_that_are_here_are_read(tmp_path):
    settings = configuration("digits").dataset
    with datasets.stand_in_for_missing():
        planned = datasets.load(settings, tmp_path)
    assert not planned.is_stand_in
    assert planned.fingerprint == datasets.load(settings, tmp_path).fingerprint


def test_a_folder_of_ones_own_has_no_known_shape(tmp_path):
    settings = configuration("image_folder", path="nowhere").dataset
    with datasets.stand_in_for_missing(), pytest.raises(DatasetError, match="nowhere"):
        datasets.load(settings, tmp_path)


@pytest.mark.parametrize("name", SOURCES)
def test_each_data_set_of_torchvisions_has_a_shape(name):
    shape = configuration("torchvision", dataset=name).dataset.known_shape
    assert bool(shape.test_images) == bool(SOURCES[name].test)
    assert shape.train_images > shape.num_classes > 1


def test_a_data_set_without_a_split_is_split_as_it_would_be(tmp_path):
    settings = configuration("torchvision", dataset="EuroSAT", image_size=16, validation=0).dataset
    with datasets.stand_in_for_missing():
        splits = datasets.load(settings, tmp_path)
    assert (len(splits.train), len(splits.test)) == (21_600, 5_400)
    assert torch.bincount(splits.test.labels_N).tolist() == [540] * 10


def test_a_probe_says_that_it_went_by_the_known_shape(tmp_path, monkeypatch):
    monkeypatch.setattr(probe, "SECONDS", 0.2)
    small = {"train_images": 100, "test_images": 50, "validation": 0}
    for dataset, by_shape in (("cifar10", True), ("digits", False)):
        found = probe.probe_trial(
            configuration(dataset, **small), data=Path(tmp_path), device="cpu"
        )
        assert found.by_known_shape == by_shape and found.epoch_seconds > 0
