"""Tiny-ImageNet-200: 110,000 photographs of 64x64, 200 classes. Stanford's CS231n, 2015."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch

from trainables.datasets._decode import decode_all, refuse_other_sizes
from trainables.datasets._files import FileSource, damaged_error, one_line, provide_files
from trainables.datasets._folders import visible_entries
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
from trainables.datasets._stand_in import DatasetShape
from trainables.settings import settings

FOLDER = "tiny-imagenet-200"
ARCHIVE = "tiny-imagenet-200.zip"
URL = f"http://cs231n.stanford.edu/{ARCHIVE}"
MD5 = "90528d7ca1a48142e341f4ef8d21d0de"


@settings
class Settings(SplitSettings):
    """Tiny-ImageNet: 100,000 training images; its 10,000 validation images are the test.

    The labels of its own test images were never published.
    """

    name: Literal["tiny_imagenet"] = "tiny_imagenet"
    # The customary values, of all training pixels. A tenth of the images, measured, gives
    # (0.480, 0.447, 0.397) and (0.277, 0.269, 0.282).
    mean: RgbMean = (0.4802, 0.4481, 0.3975)
    std: RgbStd = (0.2770, 0.2691, 0.2821)
    padding: Padding = 4
    flip: Flip = True

    @property
    def image_size(self) -> int:
        """The original size."""
        return 64

    @property
    def known_shape(self) -> DatasetShape:
        """Return what is known of the data set without its files."""
        return DatasetShape(100_000, 10_000, channels=3, height=64, num_classes=200)

    def places(self, root: Path) -> Sequence[Path]:
        """Return the files and folders that decide what `read` returns."""
        return [root / FOLDER]

    def read(self, root: Path) -> RawDataset:
        """Read ``tiny-imagenet-200`` below `root`, downloaded when missing.

        A class is named by its WordNet id, and labels follow the alphabet.
        """
        provide_files(_archive_source(), root)
        folder = root / FOLDER
        classes = tuple(sorted(set(_file_lines(folder / "wnids.txt"))))
        labels = {wnid: label for label, wnid in enumerate(classes)}
        return RawDataset(
            train=_read_files(_train_files(folder / "train", labels)),
            test=_read_files(_validation_files(folder / "val", labels)),
            classes=classes,
            mean=self.mean,
            std=self.std,
            padding=self.padding,
            flip=self.flip,
        )


def _archive_source() -> FileSource:
    return FileSource(
        needed=(FOLDER,),
        offered=(ARCHIVE,),
        url=URL,
        md5={ARCHIVE: MD5},
        download=_download_archive,
    )


def _download_archive(root: Path) -> None:
    from torchvision.datasets.utils import download_and_extract_archive  # late: it takes seconds

    download_and_extract_archive(URL, str(root), md5=MD5)


def _read_files(files: list[tuple[Path, int]]) -> Images:
    images_NCHW = decode_all([path for path, _ in files], 64, refuse_other_sizes(64))
    return Images(images_NCHW, torch.tensor([label for _, label in files], dtype=torch.int64))


def _train_files(folder: Path, labels: dict[str, int]) -> list[tuple[Path, int]]:
    for wnid in _visible_names(folder):
        if wnid not in labels:
            raise DatasetError(f"{folder / wnid}: {wnid} is not in wnids.txt")
    return [
        (folder / wnid / "images" / name, label)
        for wnid, label in labels.items()
        for name in _visible_names(folder / wnid / "images")
    ]


def _validation_files(folder: Path, labels: dict[str, int]) -> list[tuple[Path, int]]:
    annotations = folder / "val_annotations.txt"
    unannotated = set(_visible_names(folder / "images"))
    files = []
    for number, line in enumerate(_file_lines(annotations), start=1):
        name, _, rest = line.partition("\t")
        wnid = rest.partition("\t")[0]  # a bounding box follows
        if wnid not in labels:
            raise DatasetError(f"{annotations}, line {number}: `{wnid}` is not in wnids.txt")
        if name not in unannotated:
            raise DatasetError(
                f"{annotations}, line {number}: `{name}` is not in {folder / 'images'}, "
                "or annotated twice"
            )
        unannotated.remove(name)
        files.append((folder / "images" / name, labels[wnid]))
    if unannotated:
        raise DatasetError(f"{annotations}: no line for {min(unannotated)}")
    return files


def _visible_names(folder: Path) -> list[str]:
    """Return the names in a folder that are not hidden nor the system's, in alphabetical order."""
    if not folder.is_dir():
        raise DatasetError(f"{folder}: there is no such folder; {ARCHIVE} holds it ({URL})")
    return [entry.name for entry in visible_entries(folder)]


def _file_lines(path: Path) -> list[str]:
    if not path.is_file():
        raise DatasetError(f"{path}: there is no such file; {ARCHIVE} holds it ({URL})")
    try:
        return path.read_text("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise damaged_error(path, one_line(error)) from error
