"""Noise of a data set's known shape, to measure a trial by where the data are not here.

What a trial costs depends on how many images there are, of which size and of how many classes, and
not on what they show. A plan asks for that, and shall neither download data nor give up.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

import torch

from trainables.datasets._images import DatasetSettings, Images, RawDataset, stratified_holdout

NOISE_IMAGES = 2048
"""Different images; they are repeated, for noise is slow to draw."""


@dataclass(frozen=True)
class DatasetShape:
    """What is known of a data set without its files: what `read` returns has this shape."""

    train_images: int
    test_images: int
    """0 where the data set has no split: a share of the training images is the test data then."""
    channels: int
    height: int
    """Of the images as they are read, in pixels; their width is the same."""
    num_classes: int

    def __str__(self) -> str:
        images = f"{self.train_images:,} training and {self.test_images:,} test images"
        if not self.test_images:
            images = f"{self.train_images:,} images"
        return (
            f"{images} of {self.channels} x {self.height} x {self.height}, "
            f"{self.num_classes} classes"
        )


_allowed: ContextVar[bool] = ContextVar("stand_ins_allowed", default=False)


def are_stand_ins_allowed() -> bool:
    """Return whether data that are not here are stood in for."""
    return _allowed.get()


@contextmanager
def allow_stand_ins() -> Iterator[None]:
    """Let noise stand in for data sets of known shape that are not here."""
    token = _allowed.set(True)
    try:
        yield
    finally:
        _allowed.reset(token)


def known_shape(settings: DatasetSettings) -> DatasetShape | None:
    """Return the shape that a data set's settings know, or None: they need know none."""
    shape = getattr(settings, "known_shape", None)
    return shape if isinstance(shape, DatasetShape) else None


def noise_dataset(settings: DatasetSettings, shape: DatasetShape, root: Path) -> RawDataset:
    """Return noise in place of what `settings.read` returns.

    Args:
        settings: of the data set.
        shape: its own.
        root: the folder where the data are not.
    """
    train = _noise_images(shape, shape.train_images)
    if shape.test_images:
        test = _noise_images(shape, shape.test_images)
    else:
        train, test = stratified_holdout(train, getattr(settings, "test_share", 0.2))
    return RawDataset(
        train=train,
        test=test,
        classes=tuple(map(str, range(shape.num_classes))),
        mean=getattr(settings, "mean", None) or (0.5,) * shape.channels,
        std=getattr(settings, "std", None) or (0.25,) * shape.channels,
        padding=getattr(settings, "padding", 0),
        flip=getattr(settings, "flip", False),
        notes=(
            f"the data are not in {root.absolute()}, and a plan downloads none; it goes by their "
            f"known shape: {shape}",
        ),
    )


def _noise_images(shape: DatasetShape, count: int) -> Images:
    size = shape.channels, shape.height, shape.height
    drawn = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 256, (NOISE_IMAGES, *size), dtype=torch.uint8, generator=drawn)
    return Images(
        noise.repeat(-(-count // NOISE_IMAGES), 1, 1, 1)[:count],
        torch.arange(count) % shape.num_classes,
    )
