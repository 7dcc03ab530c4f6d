"""A user's own images: a folder with `train/` and `test/`, and in each a folder for every class."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch

from trainables.datasets._decode import crop_and_resize, decode_all
from trainables.datasets._folders import (
    FoundImages,
    count_words,
    find_images,
    folder_names,
    visible_entries,
)
from trainables.datasets._images import (
    DatasetError,
    Flip,
    Images,
    Padding,
    RawDataset,
    RgbMean,
    RgbStd,
    SplitSettings,
    channel_statistics,
)
from trainables.settings import Count, nearest_word, settings

PARTS = ("train", "test")
OTHER_NAMES = {
    "train": ("training", "train_set", "trainset"),
    "test": ("val", "valid", "validation", "testing", "eval", "test_set", "testset"),
}
"""What others call the two parts, in lower case."""


@settings
class Settings(SplitSettings):
    """Images in ``PATH/train/CLASS/`` and ``PATH/test/CLASS/``, of any size and common format.

    The classes are the folders of ``train``, in alphabetical order. Each image is turned upright by
    its EXIF orientation; of several frames the first is taken, and what is transparent becomes
    white. The square in the middle is resized bilinearly and made RGB with 8 bits a channel. Hidden
    names and those that systems use (``__MACOSX``) are passed over, and what is no image is told.
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
        return [folder / part for part in PARTS]

    def read(self, root: Path) -> RawDataset:
        """Decode all images; mean and standard deviation are measured on `train` if not given."""
        folder = self._folder(root)
        classes, tested = (_class_names(folder, part) for part in PARTS)
        _check_class_names(folder, classes, tested)
        found = {
            part: {name: find_images(folder / part / name) for name in names}
            for part, names in zip(PARTS, (classes, tested), strict=True)
        }
        _check_training_images(folder / "train", found["train"])
        train, test = (_read_images(found[part], classes, self.image_size) for part in PARTS)
        mean, std = channel_statistics(train.images_NCHW)
        return RawDataset(
            train=train,
            test=test,
            classes=tuple(classes),
            mean=self.mean or mean,
            std=self.std or std,
            padding=self.padding,
            flip=self.flip,
            notes=tuple(_notes(folder, found)),
        )

    def _folder(self, root: Path) -> Path:
        return root / Path(self.path).expanduser()


def _class_names(folder: Path, part: str) -> list[str]:
    """Return the names of the classes of a part, in alphabetical order."""
    place = folder / part
    classes = folder_names(place) if place.is_dir() else []
    if not classes:
        raise DatasetError(
            f"{place.absolute()}: must hold a folder of images for each class"
            f"{_likely_cause(folder, part)}"
        )
    return classes


def _likely_cause(folder: Path, part: str) -> str:
    """Return why a part may have no classes and what to do, as the end of a sentence."""
    if not folder.is_dir():
        return f"; there is no folder {folder.absolute()} (a relative path is below --data)"
    if (folder / part).is_dir():
        loose = _loose_files(folder / part)
        return f", but it has files, {loose}, that lie in none" if loose else ", but is empty"
    names = folder_names(folder)
    for name in names:
        if name.lower() == part or name.lower() in OTHER_NAMES[part]:
            return (
                f"; `{name}` is there: rename it to `{part}`, or link it "
                f"(ln -s {name} {folder.absolute() / part})"
            )
    for name in names:
        if (folder / name / part).is_dir():
            return f"; {(folder / name).absolute()} has it: set dataset.path to that folder"
    if folder.name.lower() in (*PARTS, *OTHER_NAMES["train"]) and names:
        return f"; set dataset.path to the folder above, {folder.parent.absolute()}"
    shown = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
    return f"; {folder.absolute()} holds {f'the folders {shown}' if names else 'no folder'}"


def _loose_files(place: Path) -> int:
    return sum(entry.is_file() for entry in visible_entries(place))


def _check_class_names(folder: Path, classes: list[str], tested: list[str]) -> None:
    if len(classes) == 1:
        raise DatasetError(_single_class_words(folder, classes[0]))
    unknown = sorted(set(tested) - set(classes))
    if unknown:
        raise DatasetError(
            f"{folder / 'test' / unknown[0]}: no such class in train"
            f"{nearest_word(unknown[0], classes)}; a class needs training images, so add them or "
            "take it out of test"
        )


def _single_class_words(folder: Path, name: str) -> str:
    place = folder / "train" / name
    inner = folder_names(place)
    if len(inner) > 1 and not _loose_files(place):
        return (
            f"{place}: is the only class, and holds folders itself ({', '.join(inner[:3])}, …): an "
            f"archive's extra level. Move its folders into {folder / 'train'}, and do the same in "
            "test"
        )
    return (
        f"{place}: is the only class; a classifier needs two or more, so put the images of each "
        f"class into a folder of its own in {folder / 'train'}"
    )


def _check_training_images(place: Path, found: dict[str, FoundImages]) -> None:
    """Say what is in a class that has no training image; `datasets.read` tells one that is empty.

    Raises:
        DatasetError: if all that a class holds is passed over.
    """
    for name, images in found.items():
        if not images.paths and images.passed_over:
            raise DatasetError(
                f"no training image of {name}: {place / name} holds "
                f"{count_words(images.passed_over)}, which are no images that can be read"
            )


def _read_images(found: dict[str, FoundImages], classes: list[str], size: int) -> Images:
    labels = {name: label for label, name in enumerate(classes)}
    files = [(path, labels[name]) for name, images in found.items() for path in images.paths]
    images_NCHW = decode_all([path for path, _ in files], size, crop_and_resize(size))
    return Images(images_NCHW, torch.tensor([label for _, label in files], dtype=torch.int64))


def _notes(folder: Path, found: dict[str, dict[str, FoundImages]]) -> list[str]:
    """Return what people should know of a folder that is read all the same."""
    notes = []
    for part in PARTS:
        passed_over: Counter[str] = Counter()
        for images in found[part].values():
            passed_over += images.passed_over
        loose = _loose_files(folder / part)
        if loose:
            passed_over["beside the folders of classes"] = loose
        if passed_over:
            notes.append(f"{folder / part}: passed over {count_words(passed_over)}.")
    untested = [name for name in found["train"] if not _paths_of(found["test"], name)]
    if untested:
        notes.append(
            f"{folder / 'test'}: no image of {', '.join(untested)}, so test errors say nothing of "
            f"{'it' if len(untested) == 1 else 'them'}."
        )
    return notes + _shared_files(folder, found)


def _paths_of(found: dict[str, FoundImages], name: str) -> list[Path]:
    return found[name].paths if name in found else []


def _shared_files(folder: Path, found: dict[str, dict[str, FoundImages]]) -> list[str]:
    """Return notes on files that links bring into two classes, or into train and test."""
    classes: Counter[str] = Counter()
    for part in PARTS:
        classes.update(real for images in found[part].values() for real in images.real_paths)
    if max(classes.values(), default=0) < 2:
        return []
    shared = sum(count > 1 for count in classes.values())
    return [
        f"{folder}: links bring {shared} {'file' if shared == 1 else 'files'} into two "
        "classes, or into train and test."
    ]
