"""CIFAR-10: 60,000 photographs of ten kinds of things. Krizhevsky 2009."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from trainables.datasets import _cifar
from trainables.datasets._images import (
    Flip,
    Padding,
    RawDataset,
    RgbMean,
    RgbStd,
    SplitSettings,
)
from trainables.datasets._stand_in import DatasetShape
from trainables.settings import settings


@settings
class Settings(SplitSettings):
    """CIFAR-10: 50,000 training and 10,000 test images of 32x32, 10 classes."""

    name: Literal["cifar10"] = "cifar10"
    # As in mixup-cifar10, the paper's source. This std is the mean over images of each image's own;
    # that of all pixels together is (0.247, 0.243, 0.262).
    mean: RgbMean = (0.4914, 0.4822, 0.4465)
    std: RgbStd = (0.2023, 0.1994, 0.2010)
    padding: Padding = 4
    flip: Flip = True

    @property
    def image_size(self) -> int:
        """The original size."""
        return 32

    @property
    def known_shape(self) -> DatasetShape:
        """Return what is known of the data set without its files."""
        return DatasetShape(50_000, 10_000, channels=3, height=32, num_classes=10)

    def places(self, root: Path) -> Sequence[Path]:
        """Return the files and folders that decide what `read` returns."""
        return [root / "cifar-10-batches-py"]

    def read(self, root: Path) -> RawDataset:
        """Read ``cifar-10-batches-py`` below `root`, downloaded when missing."""
        from torchvision import datasets as torchvision_datasets  # late: it takes seconds

        train, test, classes = _cifar.read_batches(torchvision_datasets.CIFAR10, root)
        return RawDataset(
            train=train,
            test=test,
            classes=classes,
            mean=self.mean,
            std=self.std,
            padding=self.padding,
            flip=self.flip,
        )
