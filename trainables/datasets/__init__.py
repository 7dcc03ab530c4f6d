"""Data sets, one module each, as uint8 tensors; the validation share is held out here.

The modules import torchvision where they use it: it takes seconds to load, and a process that
trains on other data, or finds its own in the cache, never needs it.
"""

from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from trainables import plugins
from trainables.datasets._cache import shared_dataset
from trainables.datasets._images import (
    DatasetError,
    Images,
    RawDataset,
    Splits,
    dataset_fingerprint,
    resize_images,
    stratified_holdout,
    stratified_subset,
)

if TYPE_CHECKING:
    from trainables.datasets._images import DatasetSettings as AnySettings
else:
    AnySettings = plugins.any_settings(__name__)

__all__ = ["AnySettings", "DatasetError", "Images", "Splits", "load", "read", "stratified_subset"]


@lru_cache(maxsize=2)  # a warm actor's next trial most often uses the same data
def load(settings: AnySettings, root: Path) -> Splits:
    """Return what `read` returns, which one process of the machine reads and the others map."""
    return shared_dataset(settings, root, partial(read, settings, root))


def read(settings: AnySettings, root: Path) -> Splits:
    """Read a data set, check it, choose its images, hold out its validation share and resize it.

    The choice depends on the data alone, never on a seed, so all trials of all studies share it.

    Args:
        settings: of one of this package's modules.
        root: the folder the files lie in, or are downloaded to.

    Raises:
        DatasetError: naming the file or folder that is missing or damaged, and what to put there,
            or the setting that asks for more than there is.
    """
    try:
        raw = settings.read(root)
        _check_images(raw)
        train = _used_images(raw.train, settings.train_images, "train_images")
        test = _used_images(raw.test, settings.test_images, "test_images")
        _check_classes(train, raw.classes)
        train, validation = stratified_holdout(train, settings.validation)
    except DatasetError as error:
        raise DatasetError(f"{settings.name}: {error}") from error.__cause__
    resized = (resize_images(images, settings.image_size) for images in (train, validation, test))
    return Splits(
        *resized,
        num_classes=raw.num_classes,
        classes=raw.classes,
        mean=raw.mean,
        std=raw.std,
        padding=raw.padding,
        flip=raw.flip,
        fingerprint=dataset_fingerprint(raw),
    )


def _check_images(raw: RawDataset) -> None:
    for what, images in (("training images", raw.train), ("test images", raw.test)):
        images_NCHW, labels_N = images.images_NCHW, images.labels_N
        assert images_NCHW.dtype == torch.uint8 and labels_N.dtype == torch.int64
        if len(labels_N) == 0:
            raise DatasetError(f"{what}: there are none")
        if len(images_NCHW) != len(labels_N):
            raise DatasetError(f"{what}: {len(images_NCHW)} of them, but {len(labels_N)} labels")
        height, width = images_NCHW.shape[2:]
        if height != width:
            raise DatasetError(f"{what}: must be square, got {height} rows and {width} columns")
        low, high = int(labels_N.min()), int(labels_N.max())
        if low < 0 or high >= raw.num_classes:
            raise DatasetError(
                f"{what}: labels must be in [0, {raw.num_classes}), got {low} to {high}"
            )


def _used_images(images: Images, count: int | None, setting: str) -> Images:
    if count is None:
        return images
    if count > len(images):
        raise DatasetError(f"{setting}: {count} asked for, but there are only {len(images)}")
    return stratified_subset(images, count)


def _check_classes(train: Images, classes: tuple[str, ...]) -> None:
    present = set(train.labels_N.tolist())
    missing = [name for label, name in enumerate(classes) if label not in present]
    if missing:
        raise DatasetError(f"no training image of {', '.join(missing)}")


def names() -> tuple[str, ...]:
    """Return the names of all data sets."""
    return plugins.component_names(__name__)
