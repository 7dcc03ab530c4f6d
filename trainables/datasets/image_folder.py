"""A user's own images: a folder with `train/` and `test/`, and in each a folder for every class."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from trainables.datasets._decode import crop_and_resize, decode_all
from trainables.datasets._images import (
    DatasetError,
    Flip,
    Images,
    Padding,
    RawDataset,
    RgbMean,
    RgbStd,
    SplitSettings,
)
from trainables.settings import Count, settings


@settings
class Settings(SplitSettings):
    """Images in ``PATH/train/CLASS/`` and ``PATH/test/CLASS/``, of any size and common format.

    The classes are the folders of ``train``, in alphabetical order. Of each image the square in the
    middle is taken, resized bilinearly and made RGB. Files that are no images are passed over.
    """

    name: Literal["image_folder"] = "image_folder"
    path: str
    """Folder that holds `train` and `test`; a relative path is below the data folder (`--data`)."""
    image_size: Count = 32
    """Height and width that the network sees, in pixels."""
    padding: Padding = 4
    flip: Flip = True
    mean: RgbMean | None = None
    """Per channel, of pixels scaled to [0, 1]; subtracted in normalisation. null measures it on all
    images of `train`."""
    std: RgbStd | None = None
    """Per channel, of pixels scaled to [0, 1]; divided by in normalisation. null measures it on all
    images of `train`."""

    def places(self, root: Path) -> Sequence[Path]:
        """Return the files and folders that decide what `read` returns."""
        folder = self._folder(root)
        return [folder / "train", folder / "test"]

    def read(self, root: Path) -> RawDataset:
        """Decode all images; mean and standard deviation are measured on `train` if not given."""
        folder = self._folder(root)
        classes = _class_names(folder / "train")
        unknown = set(_class_names(folder / "test")) - set(classes)
        if unknown:
            raise DatasetError(f"{folder / 'test' / min(unknown)}: no such class in train")
        train, test = (
            _read_split(folder / part, classes, self.image_size) for part in ("train", "test")
        )
        mean, std = _channel_statistics(train.images_NCHW)
        return RawDataset(
            train=train,
            test=test,
            classes=tuple(classes),
            mean=self.mean or mean,
            std=self.std or std,
            padding=self.padding,
            flip=self.flip,
        )

    def _folder(self, root: Path) -> Path:
        return root / Path(self.path).expanduser()


def _class_names(folder: Path) -> list[str]:
    """Return the names of the folders in `folder` that are not hidden, in alphabetical order."""
    paths = folder.iterdir() if folder.is_dir() else ()
    classes = sorted(path.name for path in paths if path.is_dir() and path.name[0] != ".")
    if not classes:
        raise DatasetError(f"{folder.absolute()}: must hold a folder of images for each class")
    return classes


def _read_split(folder: Path, classes: list[str], size: int) -> Images:
    from torchvision.datasets import folder as image_folders

    files = image_folders.make_dataset(
        folder,
        {name: label for label, name in enumerate(classes)},
        extensions=image_folders.IMG_EXTENSIONS,
        allow_empty=True,  # `datasets.read` tells which class has no training image
    )
    images_NCHW = decode_all([Path(path) for path, _ in files], size, crop_and_resize(size))
    return Images(images_NCHW, torch.tensor([label for _, label in files], dtype=torch.int64))


def _channel_statistics(images_NCHW: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation per channel of all pixels, scaled to [0, 1]."""
    levels = torch.arange(256, dtype=torch.float64) / 255
    means, stds = [], []
    for channel in images_NCHW.unbind(1):
        # How often each of the 256 values occurs: exact, and no copy of the images as floats.
        shares = channel.flatten().bincount(minlength=256) / max(1, channel.numel())
        mean = (shares * levels).sum()
        std = (shares * (levels - mean).square()).sum().sqrt()
        means.append(float(mean))
        stds.append(max(float(std), 1 / 255))  # a channel may be constant, and is divided by this
    return tuple(means), tuple(stds)
