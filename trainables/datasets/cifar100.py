"""CIFAR-100: 60,000 photographs of a hundred kinds of things. Krizhevsky 2009."""

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
    """CIFAR-100: 50,000 training and 10,000 test images of 32x32, 100 classes."""

    name: Literal["cifar100"] = "cifar100"
    # The customary values, of all training pixels.
    mean: RgbMean = (0.5071, 0.4865, 0.4409)
    std: RgbStd = (0.2673, 0.2564, 0.2762)
    padding: Padding = 4
    flip: Flip = True

    @property
    def image_size(self) -> int:
        """The original size."""
        return 32

    @property
    def known_shape(self) -> DatasetShape:
        """Return what is known of the data set without its files."""
        return DatasetShape(50_000, 10_000, channels=3, height=32, num_classes=100)

    def places(self, root: Path) -> Sequence[Path]:
        """Return the files and folders that decide what `read` returns."""
        return [root / "cifar-100-python"]

    def read(self, root: Path) -> RawDataset:
        """Read ``cifar-100-python`` below `root`, downloaded when missing."""
        from torchvision import datasets as torchvision_datasets  # late: it takes seconds

        train, test, classes = _cifar.read_batches(torchvision_datasets.CIFAR100, root)
        return RawDataset(
            train=train,
            test=test,
            classes=classes,
            mean=self.mean,
            std=self.std,
            padding=self.padding,
            flip=self.flip,
        )
