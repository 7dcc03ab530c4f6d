"""The contract of every data set that is there, or that a fixture has put there."""

from pathlib import Path

import pytest
import torch

from lamix_study.testing.contract import ComponentContract, Settings
from trainables import datasets
from trainables.datasets import Splits
from trainables.settings import parse_settings


def read(chosen: Settings, folder: Path) -> Splits:
    """Return the data set, read anew."""
    settings: datasets.AnySettings = parse_settings(datasets.AnySettings, dict(chosen))
    return datasets.read(settings, folder)


class DatasetContract(ComponentContract):
    """What every data set keeps. A class overrides the fixture `folder` to put files there."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """Return the data folder."""
        return tmp_path

    def test_every_reading_gives_the_same(self, chosen: Settings, folder: Path) -> None:
        """The fingerprint of images and labels is part of every trial's key."""
        torch.manual_seed(1)
        first = read(chosen, folder)
        torch.manual_seed(2)
        second = read(chosen, folder)
        assert first.fingerprint == second.fingerprint
        assert first.train.images_NCHW.equal(second.train.images_NCHW)

    def test_images_are_square_bytes_of_the_size_that_the_settings_say(
        self, chosen: Settings, folder: Path
    ) -> None:
        """Of every part, with one label for each image."""
        settings: datasets.AnySettings = parse_settings(datasets.AnySettings, dict(chosen))
        splits = datasets.read(settings, folder)
        for part in (splits.train, splits.validation, splits.test):
            assert part.images_NCHW.dtype == torch.uint8 and part.labels_N.dtype == torch.int64
            assert part.images_NCHW.shape[1:] == (
                splits.in_channels,
                settings.image_size,
                settings.image_size,
            )
            assert len(part.images_NCHW) == len(part.labels_N)
        assert len(splits.mean) == len(splits.std) == splits.in_channels

    def test_every_class_is_trained_on_and_every_label_has_a_name(
        self, chosen: Settings, folder: Path
    ) -> None:
        """Labels are indices of `classes`."""
        splits = read(chosen, folder)
        assert set(splits.train.labels_N.tolist()) == set(range(splits.num_classes))
        assert len(splits.classes) == len(set(splits.classes)) == splits.num_classes
        assert int(splits.test.labels_N.max()) < splits.num_classes

    def test_the_validation_share_is_held_out_of_the_training_images(
        self, chosen: Settings, folder: Path
    ) -> None:
        """The test images are the same whatever is held out."""
        whole = read({**chosen, "validation": 0.0}, folder)
        held_out = read({**chosen, "validation": 0.2}, folder)
        assert len(whole.validation) == 0 and len(held_out.validation) > 0
        assert len(held_out.train) + len(held_out.validation) == len(whole.train)
        assert held_out.test.images_NCHW.equal(whole.test.images_NCHW)

    def test_the_places_are_named_whether_or_not_they_are_there(
        self, chosen: Settings, folder: Path
    ) -> None:
        """The cache notices by them that a file has changed."""
        settings: datasets.AnySettings = parse_settings(datasets.AnySettings, dict(chosen))
        for root in (folder, folder / "nowhere"):
            assert all(isinstance(place, Path) for place in settings.places(root))

    def test_the_settings_can_key_a_cache(self, chosen: Settings) -> None:
        """Equal settings are one data set."""
        one, other = (parse_settings(datasets.AnySettings, dict(chosen)) for _ in range(2))
        assert one == other and hash(one) == hash(other)
