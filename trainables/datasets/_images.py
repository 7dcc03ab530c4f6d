"""What every data set is made of, and what is done to each in the same way."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Protocol

import torch
from annotated_types import Lt
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from trainables.settings import Count, Flag, Index, Positive, Share, settings

# What a module's settings say of augmentation and normalisation, each with its own defaults, so
# that a resolved configuration shows the numbers.
Padding = Annotated[
    Index,
    Field(
        description="Pixels of zero padding on each side before the random crop in training; 0 "
        "means no crop."
    ),
]
Flip = Annotated[
    Flag, Field(description="Whether images are flipped left to right at random in training.")
]
_MEAN = Field(description="Per channel, of pixels scaled to [0, 1]; subtracted in normalisation.")
_STD = Field(description="Per channel, of pixels scaled to [0, 1]; divided by in normalisation.")
GreyMean = Annotated[tuple[float], _MEAN]
GreyStd = Annotated[tuple[Positive], _STD]
RgbMean = Annotated[tuple[float, float, float], _MEAN]
RgbStd = Annotated[tuple[Positive, Positive, Positive], _STD]


class DatasetError(Exception):
    """The data is missing or damaged; the message names the file and the remedy."""


class DatasetMissingError(DatasetError):
    """The data is not here, and was not to be downloaded."""


class DataChangedError(DatasetError):
    """The data is not what it was when a study was planned; the message says what differs."""


@dataclass(frozen=True)
class Images:
    """Images as bytes with their class indices."""

    images_NCHW: Tensor
    """uint8, square."""
    labels_N: Tensor
    """int64, in [0, C)."""

    def __len__(self) -> int:
        return len(self.labels_N)

    def __getitem__(self, indices_M: Tensor) -> "Images":
        return Images(self.images_NCHW[indices_M], self.labels_N[indices_M])

    def to(self, device: torch.device | str) -> "Images":
        """Return the images on `device`."""
        return Images(self.images_NCHW.to(device), self.labels_N.to(device))


@dataclass(frozen=True)
class RawDataset:
    """A data set as its module reads it: original size, no validation share held out."""

    train: Images
    test: Images
    classes: tuple[str, ...]
    """Names of the classes; the label is the index."""
    mean: tuple[float, ...]
    """Per channel, of pixels scaled to [0, 1]; subtracted in normalisation."""
    std: tuple[float, ...]
    """Per channel, of pixels scaled to [0, 1]; divided by in normalisation."""
    padding: int
    """Pixels of zero padding on each side before the random crop; 0 means no crop."""
    flip: bool
    """Whether images are flipped left to right at random in training."""
    notes: tuple[str, ...] = ()
    """What people should know of the files, in sentences: what was passed over, what is missing."""

    @property
    def num_classes(self) -> int:
        """C."""
        return len(self.classes)


@dataclass(frozen=True, eq=False)  # equal to itself alone, so that it can key a cache
class Splits:
    """A data set ready for training: resized, with its validation share held out."""

    train: Images
    validation: Images
    """Held out of the training images; empty without a validation share."""
    test: Images
    num_classes: int = field(kw_only=True)
    classes: tuple[str, ...] = field(kw_only=True)
    mean: tuple[float, ...] = field(kw_only=True)
    std: tuple[float, ...] = field(kw_only=True)
    padding: int = field(kw_only=True)
    flip: bool = field(kw_only=True)
    fingerprint: str = field(kw_only=True)
    """Hash of the images and labels as read, before resizing and splitting."""
    notes: tuple[str, ...] = field(default=(), kw_only=True)
    """What people should know of the files, in sentences."""
    is_stand_in: bool = field(default=False, kw_only=True)
    """Whether this is noise of the data set's shape, for the data are not here."""

    @property
    def in_channels(self) -> int:
        """Channels of the images."""
        return self.train.images_NCHW.shape[1]

    @property
    def image_size(self) -> int:
        """Height and width of the images, in pixels."""
        return self.train.images_NCHW.shape[2]


@settings
class SplitSettings:
    """The settings that all data sets share: which images are used, and for what."""

    validation: Annotated[Share, Lt(1)] = 0.1
    """Share of the training images of each class that is held out for selection, in [0, 1)."""
    train_images: Count | None = None
    """Use only this many training images, the same share of each class, chosen by the data alone;
    the validation share is held out of them. null uses all."""
    test_images: Count | None = None
    """Use only this many test images, chosen in the same way. null uses all."""


class DatasetSettings(Protocol):
    """What the `Settings` of a data set module provide."""

    name: str
    validation: float
    train_images: int | None
    test_images: int | None

    def __hash__(self) -> int: ...

    @property
    def image_size(self) -> int:
        """Height and width that the network sees, in pixels."""
        ...

    def places(self, root: Path) -> Sequence[Path]:
        """Return the files and folders, there or not, that decide what `read` returns."""
        ...

    def read(self, root: Path) -> RawDataset:
        """Read the files below `root`, downloading them where the data set allows it."""
        ...


def resize_images(images: Images, size: int) -> Images:
    """Return the images at `size` x `size` pixels, bilinearly resampled."""
    if images.images_NCHW.shape[2:] == (size, size):
        return images
    # In parts: the floats of all at once would take four times the memory.
    parts = [resize_bytes(part_NCHW, size) for part_NCHW in images.images_NCHW.split(5000)]
    return Images(torch.cat(parts), images.labels_N)


def resize_bytes(images_NCHW: Tensor, size: int) -> Tensor:
    """Return the images, uint8, at `size` x `size` pixels, bilinearly resampled."""
    resized_NCHW = F.interpolate(images_NCHW.float(), (size, size), mode="bilinear", antialias=True)
    return resized_NCHW.round().to(torch.uint8)


def stratified_holdout(
    images: Images, share: float, *, classes: Sequence[str] = ()
) -> tuple[Images, Images]:
    """Split off `share` of each class, at least one image where `share` is above 0.

    Which images are held out depends on the labels alone: the same on every machine and seed.

    Args:
        images: of all classes.
        share: in [0, 1).
        classes: their names, for messages; by default their numbers.

    Returns:
        the rest and the part held out, both in the original order.
    """
    counts = {}
    for label, size in _class_sizes(images.labels_N).items():
        counts[label] = max(1, round(share * size)) if share > 0 else 0
        if counts[label] == size:
            raise DatasetError(
                f"a validation share of {share} leaves no training image of class "
                f"{classes[label] if classes else label}, which has {size}: add images, or choose "
                "another `validation`"
            )
    held_out_N = _choose_per_class(images.labels_N, counts)
    return (
        images[(~held_out_N).nonzero().squeeze(1)],
        images[held_out_N.nonzero().squeeze(1)],
    )


def stratified_subset(images: Images, count: int) -> Images:
    """Return `count` of the images, the same share of each class, in the original order.

    The shares are rounded so that they sum to `count`: a class gets its quota rounded down, and
    the classes that lost most by it get one more. The choice depends on the labels alone.
    """
    assert count <= len(images)
    sizes = _class_sizes(images.labels_N)
    counts = {label: count * size // len(images) for label, size in sizes.items()}
    lost = {label: count * size % len(images) for label, size in sizes.items()}
    rest = count - sum(counts.values())
    for label in sorted(lost, key=lambda label: -lost[label])[:rest]:
        counts[label] += 1
    return images[_choose_per_class(images.labels_N, counts).nonzero().squeeze(1)]


def _class_sizes(labels_N: Tensor) -> dict[int, int]:
    labels, sizes = labels_N.unique(return_counts=True)
    return dict(zip(labels.tolist(), sizes.tolist(), strict=True))


def _choose_per_class(labels_N: Tensor, counts: dict[int, int]) -> Tensor:
    """Return a mask over the images with `counts[c]` images of each class c, evenly drawn."""
    chosen_N = torch.zeros(len(labels_N), dtype=torch.bool)
    generator = torch.Generator().manual_seed(0)
    for label, count in counts.items():
        members = (labels_N == label).nonzero().squeeze(1)
        chosen_N[members[torch.randperm(len(members), generator=generator)[:count]]] = True
    return chosen_N


def dataset_fingerprint(raw: RawDataset) -> str:
    """Return a hash of all images and labels of the data set."""
    digest = hashlib.blake2b(digest_size=8)
    for images in (raw.train, raw.test):
        for tensor in (images.images_NCHW, images.labels_N):
            digest.update(str(tuple(tensor.shape)).encode())
            digest.update(tensor.contiguous().numpy())  # type: ignore[arg-type]  # has a buffer
    return digest.hexdigest()


def channel_statistics(images_NCHW: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
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
