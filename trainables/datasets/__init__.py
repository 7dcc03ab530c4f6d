"""Data sets, one module each, as uint8 tensors; the validation share is held out here.

The modules import torchvision where they use it: it takes seconds to load, and a process that
trains on other data, or finds its own in the cache, never needs it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from trainables import plugins
from trainables.datasets._cache import cache_folder, newest_change, shared_dataset
from trainables.datasets._files import forbid_downloads
from trainables.datasets._images import (
    DataChangedError,
    DatasetError,
    DatasetMissingError,
    Images,
    RawDataset,
    Splits,
    SplitSettings,
    dataset_fingerprint,
    resize_images,
    stratified_holdout,
    stratified_subset,
)
from trainables.datasets._stand_in import (
    DatasetShape,
    allow_stand_ins,
    are_stand_ins_allowed,
    known_shape,
    noise_dataset,
)

if TYPE_CHECKING:
    from trainables.datasets._images import DatasetSettings as AnySettings
else:
    AnySettings = plugins.any_settings(__name__)

__all__ = [
    "AnySettings",
    "DataChangedError",
    "DatasetError",
    "DatasetShape",
    "Images",
    "RawDataset",
    "SplitSettings",
    "Splits",
    "cache_folder",
    "load",
    "load_planned",
    "read",
    "stand_in_for_missing",
    "stratified_subset",
]


@lru_cache(maxsize=2)  # a warm actor's next trial most often uses the same data
def load(settings: AnySettings, root: Path) -> Splits:
    """Return what `read` returns, which one process of the machine reads and the others map."""
    if not are_stand_ins_allowed():
        return shared_dataset(settings, root, partial(read, settings, root))
    shape = known_shape(settings)
    try:
        with forbid_downloads():
            return shared_dataset(settings, root, partial(read, settings, root))
    except DatasetMissingError:
        if shape is None:
            raise
        # Past the cache that processes share: nobody shall take it for the data.
        return replace(
            _prepare_splits(settings, noise_dataset(settings, shape, root)), is_stand_in=True
        )


@contextmanager
def stand_in_for_missing() -> Iterator[None]:
    """Let `load` download nothing, and return noise of a data set's known shape if it is not here.

    For a plan, which measures what a trial takes.
    """
    load.cache_clear()
    try:
        with allow_stand_ins():
            yield
    finally:
        load.cache_clear()


def read(settings: AnySettings, root: Path) -> Splits:
    """Read a data set, check it, choose its images, hold out its validation share and resize it.

    The choice depends on the data alone, never on a seed, so all trials of all studies share it.

    Args:
        settings: of one of this package's modules.
        root: the folder the files lie in, or are downloaded to.

    Raises:
        DatasetError: naming the file or folder that is missing, damaged or out of reach, and what
            to put there, or the setting that asks for more than there is.
    """
    try:
        return _read_splits(settings, root)
    except DatasetError as error:
        raise type(error)(_printable(f"{settings.name}: {error}")) from error.__cause__
    except OSError as error:
        remedy = "; make it readable (chmod u+rX)" if isinstance(error, PermissionError) else ""
        reason = f"{error.filename or 'the data'} cannot be read: {error.strerror or error}"
        raise DatasetError(_printable(f"{settings.name}: {reason}{remedy}")) from error
    except Exception as error:
        if told := plugins.own_failure(settings, error, what="be read"):
            raise DatasetError(_printable(f"{settings.name}: {told}")) from error
        raise


def _read_splits(settings: AnySettings, root: Path) -> Splits:
    return _prepare_splits(settings, settings.read(root))


def _prepare_splits(settings: AnySettings, raw: RawDataset) -> Splits:
    _check_images(raw)
    train = _used_images(raw.train, settings.train_images, "train_images")
    test = _used_images(raw.test, settings.test_images, "test_images")
    _check_classes(train, raw.classes)
    train, validation = stratified_holdout(train, settings.validation, classes=raw.classes)
    resized = (resize_images(images, settings.image_size) for images in (train, validation, test))
    return Splits(
        *resized,
        num_classes=raw.num_classes,
        classes=tuple(map(_printable, raw.classes)),
        mean=raw.mean,
        std=raw.std,
        padding=raw.padding,
        flip=raw.flip,
        fingerprint=dataset_fingerprint(raw),
        notes=tuple(_printable(f"{settings.name}: {note}") for note in raw.notes),
    )


def load_planned(settings: AnySettings, root: Path, fingerprint: str) -> Splits:
    """Return what `load` returns, if it still is the data set that a trial was planned for.

    Args:
        settings: of the data set.
        root: the folder the files lie in.
        fingerprint: of the data set when the trial was planned, as its key holds it.

    Raises:
        DataChangedError: saying what is there now, and what has changed last.
    """
    try:
        splits = load(settings, root)
    except DatasetError as error:
        raise DataChangedError(
            f"The data was there when the study was planned, and cannot be read now: {error}"
        ) from error
    if splits.fingerprint == fingerprint:
        return splits
    newest = newest_change(settings, root)
    raise DataChangedError(
        _printable(
            f"{settings.name}: the data in {root} is not what it was when the study was planned: "
            f"its fingerprint was {fingerprint} and is {splits.fingerprint} now "
            f"({len(splits.train) + len(splits.validation)} training and {len(splits.test)} test "
            f"images){f'; the last change is of {newest}' if newest else ''}. Launch the study "
            "again to train on the data as it is, or bring the old data back"
        )
    )


def _printable(text: str) -> str:
    """Return a text that every terminal and file takes: names of files may hold any bytes."""
    whole = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in whole
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
