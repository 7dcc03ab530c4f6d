"""Fashion-MNIST: 70,000 images of clothing. Xiao et al. 2017, arXiv:1708.07747."""

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

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package `dataset-fashion-mnist` puts the four files, gzipped."""


@settings
class Settings(SplitSettings):
    """Fashion-MNIST: 60,000 training and 10,000 test images, resized from 28x28 to 32x32 (§3.1)."""

    name: Literal["fashion_mnist"] = "fashion_mnist"
    # Measured on the 28x28 training images.
    mean: GreyMean = (0.2860,)
    std: GreyStd = (0.3530,)
    padding: Padding = 4
    flip: Flip = True

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
        return [*_mnist.idx_places(root / "FashionMNIST/raw"), *_mnist.idx_places(DEBIAN)]

    def read(self, root: Path) -> RawDataset:
        """Read ``FashionMNIST/raw`` below `root` or Debian's files; download when both lack one."""
        from torchvision import datasets as torchvision_datasets  # late: it takes seconds

        train, test = _mnist.read_idx_folder(_found_folder(root))
        return RawDataset(
            train=train,
            test=test,
            classes=tuple(torchvision_datasets.FashionMNIST.classes),
            mean=self.mean,
            std=self.std,
            padding=self.padding,
            flip=self.flip,
        )


def _found_folder(root: Path) -> Path:
    folder = root / "FashionMNIST/raw"
    if not _mnist.is_complete(folder) and _mnist.is_complete(DEBIAN):
        return DEBIAN
    from torchvision import datasets as torchvision_datasets  # late: it takes seconds

    provide_files(_mnist.idx_source(torchvision_datasets.FashionMNIST), root)
    return folder
