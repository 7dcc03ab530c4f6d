"""MNIST: 70,000 handwritten digits. LeCun et al. 1998."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from trainables.datasets import _mnist
from trainables.datasets._files import provide_files
from trainables.datasets._images import (
    Flip,
    GreyMean,
    GreyStd,
    Padding,
    RawDataset,
    SplitSettings,
)
from trainables.datasets._stand_in import DatasetShape
from trainables.settings import settings


@settings
class Settings(SplitSettings):
    """MNIST: 60,000 training and 10,000 test digits, resized from 28x28 to 32x32 (§3.1)."""

    name: Literal["mnist"] = "mnist"
    # The customary values, of the 28x28 training images.
    mean: GreyMean = (0.1307,)
    std: GreyStd = (0.3081,)
    padding: Padding = 4
    flip: Flip = False

    @property
    def image_size(self) -> int:
        """The paper's size for all its networks."""
        return 32

    @property
    def known_shape(self) -> DatasetShape:
        """Return what is known of the data set without its files."""
        return DatasetShape(60_000, 10_000, channels=1, height=28, num_classes=10)

    def places(self, root: Path) -> Sequence[Path]:
        """Return the files and folders that decide what `read` returns."""
        return _mnist.idx_places(root / "MNIST/raw")

    def read(self, root: Path) -> RawDataset:
        """Read ``MNIST/raw`` below `root`, downloaded when missing."""
        from torchvision import datasets as torchvision_datasets  # late: it takes seconds

        provide_files(_mnist.idx_source(torchvision_datasets.MNIST), root)
        train, test = _mnist.read_idx_folder(root / "MNIST/raw")
        return RawDataset(
            train=train,
            test=test,
            classes=tuple("0123456789"),
            mean=self.mean,
            std=self.std,
            padding=self.padding,
            flip=self.flip,
        )
