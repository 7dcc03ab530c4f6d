"""SVHN: house numbers in street views, cut into digits. Netzer et al. 2011."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch

from trainables.datasets._files import FileSource, check_sums, provide_files
from trainables.datasets._images import (
    Flip,
    Images,
    Padding,
    RawDataset,
    RgbMean,
    RgbStd,
    SplitSettings,
)
from trainables.datasets._stand_in import DatasetShape
from trainables.settings import settings

if TYPE_CHECKING:
    from torchvision import datasets as torchvision_datasets

PARTS = ("train", "test")
"""The paper does not use the half million `extra` images."""


@settings
class Settings(SplitSettings):
    """SVHN: 73,257 training and 26,032 test digits of 32x32, without the `extra` images."""

    name: Literal["svhn"] = "svhn"
    # The customary values, of all training pixels.
    mean: RgbMean = (0.4377, 0.4438, 0.4728)
    std: RgbStd = (0.1980, 0.2010, 0.1970)
    padding: Padding = 4
    flip: Flip = False

    @property
    def image_size(self) -> int:
        """The original size."""
        return 32

    @property
    def known_shape(self) -> DatasetShape:
        """Return what is known of the data set without its files."""
        return DatasetShape(73_257, 26_032, channels=3, height=32, num_classes=10)

    def places(self, root: Path) -> Sequence[Path]:
        """Return the files and folders that decide what `read` returns."""
        return [root / f"{part}_32x32.mat" for part in PARTS]

    def read(self, root: Path) -> RawDataset:
        """Read ``train_32x32.mat`` and ``test_32x32.mat`` in `root`, downloaded when missing."""
        from torchvision import datasets as torchvision_datasets  # late: it takes seconds

        source = _mat_source()
        provide_files(source, root)
        try:
            train, test = (_split_images(torchvision_datasets.SVHN(root, part)) for part in PARTS)
        except RuntimeError:  # torchvision compares the checksums, but does not name the file
            check_sums(source, root)
            raise
        return RawDataset(
            train=train,
            test=test,
            classes=tuple("0123456789"),
            mean=self.mean,
            std=self.std,
            padding=self.padding,
            flip=self.flip,
        )


def _mat_source() -> FileSource:
    from torchvision import datasets as torchvision_datasets  # late: it takes seconds

    kind = torchvision_datasets.SVHN

    files = {kind.split_list[part][1]: kind.split_list[part][2] for part in PARTS}
    return FileSource(
        needed=tuple(files),
        offered=tuple(files),
        url=kind.split_list["train"][0].rpartition("/")[0],
        md5=files,
        download=lambda root: [kind(root, part, download=True) for part in PARTS],
    )


def _split_images(part: "torchvision_datasets.SVHN") -> Images:
    return Images(torch.from_numpy(part.data).contiguous(), torch.from_numpy(part.labels))
