"""Data sets, one module each, as uint8 tensors; the validation share is held out here."""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from trainables import plugins
from trainables.datasets._images import (
    DatasetError,
    Images,
    Splits,
    fingerprint,
    resize,
    stratified_holdout,
)

if TYPE_CHECKING:
    from trainables.datasets._images import DatasetSettings as AnySettings
else:
    AnySettings = plugins.any_settings(__name__)

__all__ = ["AnySettings", "DatasetError", "Images", "Splits", "load"]


@lru_cache(maxsize=2)  # a warm actor's next trial most often uses the same data
def load(settings: AnySettings, root: Path) -> Splits:
    """Read a data set, check it, resize it and hold out its validation share.

    The split depends on the data alone, never on a seed, so all trials of all studies share it.

    Args:
        settings: of one of this package's modules.
        root: the folder the files lie in, or are downloaded to.

    Raises:
        DatasetError: naming the file or folder that is missing or damaged, and what to put there.
    """
    raw = settings.read(root)
    for name, images in (("training", raw.train), ("test", raw.test)):
        _check(images, raw.num_classes, f"{settings.name}: the {name} images")
    missing = set(range(raw.num_classes)) - set(raw.train.labels_N.tolist())
    if missing:
        raise DatasetError(f"{settings.name}: no training image of class {sorted(missing)}")
    train, validation = stratified_holdout(raw.train, settings.validation)
    resized = (resize(images, settings.image_size) for images in (train, validation, raw.test))
    return Splits(
        *resized,
        num_classes=raw.num_classes,
        classes=raw.classes,
        mean=raw.mean,
        std=raw.std,
        padding=raw.padding,
        flip=raw.flip,
        fingerprint=fingerprint(raw),
    )


def _check(images: Images, num_classes: int, what: str) -> None:
    if len(images.labels_N) == 0:
        raise DatasetError(f"{what}: there are none")
    if len(images.images_NCHW) != len(images.labels_N):
        raise DatasetError(
            f"{what}: {len(images.images_NCHW)} images, but {len(images.labels_N)} labels"
        )
    low, high = int(images.labels_N.min()), int(images.labels_N.max())
    if low < 0 or high >= num_classes:
        raise DatasetError(f"{what}: labels must be in [0, {num_classes}), got {low} to {high}")


def names() -> tuple[str, ...]:
    """Return the names of all data sets."""
    return plugins.names(__name__)
