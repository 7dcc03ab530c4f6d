"""Data sets of torchvision's that come as images of one class each, by one adapter for them all."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from annotated_types import Gt, Lt
from torch import Tensor

from trainables.datasets._decode import crop_and_resize
from trainables.datasets._files import FileSource, one_line, provide_files
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
    stratified_holdout,
)
from trainables.datasets._stand_in import DatasetShape
from trainables.settings import Count, Share, settings


@dataclass(frozen=True)
class TorchvisionSource:
    """How one data set is asked for."""

    folder: str
    """Where torchvision puts it, below the data folder."""
    images: tuple[int, int]
    """Of the splits that are trained on and of the test data; the second is 0 without a split."""
    num_classes: int
    train: tuple[str, ...] = ()
    """Names of the splits that are trained on; without any the data set has no split."""
    test: tuple[str, ...] = ()

    def parts(self, names: tuple[str, ...]) -> list[dict[str, Any]]:
        """Return the arguments for each of the splits."""
        return [{"split": name} for name in names] or [{}]


TRAINED = ("train", "val")
SOURCES = {
    "Caltech256": TorchvisionSource("caltech256", (30_607, 0), 257),
    "Country211": TorchvisionSource(
        "country211", (42_200, 21_100), 211, ("train", "valid"), ("test",)
    ),
    "DTD": TorchvisionSource("dtd", (3_760, 1_880), 47, TRAINED, ("test",)),
    "EuroSAT": TorchvisionSource("eurosat", (27_000, 0), 10),
    "FGVCAircraft": TorchvisionSource(
        "fgvc-aircraft-2013b", (6_667, 3_333), 100, ("trainval",), ("test",)
    ),
    "Flowers102": TorchvisionSource("flowers-102", (2_040, 6_149), 102, TRAINED, ("test",)),
    "Food101": TorchvisionSource("food-101", (75_750, 25_250), 101, ("train",), ("test",)),
    "GTSRB": TorchvisionSource("gtsrb", (26_640, 12_630), 43, ("train",), ("test",)),
    "OxfordIIITPet": TorchvisionSource(
        "oxford-iiit-pet", (3_680, 3_669), 37, ("trainval",), ("test",)
    ),
    "RenderedSST2": TorchvisionSource("rendered-sst2", (7_792, 1_821), 2, TRAINED, ("test",)),
    "STL10": TorchvisionSource("stl10_binary", (5_000, 8_000), 10, ("train",), ("test",)),
    "SUN397": TorchvisionSource("SUN397", (108_754, 0), 397),
}
TorchvisionName = Literal[
    "Caltech256",
    "Country211",
    "DTD",
    "EuroSAT",
    "FGVCAircraft",
    "Flowers102",
    "Food101",
    "GTSRB",
    "OxfordIIITPet",
    "RenderedSST2",
    "STL10",
    "SUN397",
]
DOCUMENTATION = "https://docs.pytorch.org/vision/stable/datasets.html"


@settings
class Settings(SplitSettings):
    """A data set of torchvision's, downloaded by torchvision where it is missing.

    The validation split of a data set that has one is trained on: the validation share is held out
    in the same way of every data set. Of each image the square in the middle is resized bilinearly
    and made RGB.
    """

    name: Literal["torchvision"] = "torchvision"
    dataset: TorchvisionName
    """The data set, by the name of torchvision's class."""
    image_size: Count = 64
    """Height and width that the network sees, in pixels."""
    test_share: Annotated[Share, Gt(0), Lt(1)] = 0.2
    """Share of the images of each class that is the test data, above 0 and below 1, of a data set
    without a split of its own (Caltech256, EuroSAT, SUN397); chosen by the data alone."""
    padding: Padding = 4
    flip: Flip = True
    mean: RgbMean | None = None
    """Per channel, of pixels scaled to [0, 1]; subtracted in normalisation. null measures it on all
    training images."""
    std: RgbStd | None = None
    """Per channel, of pixels scaled to [0, 1]; divided by in normalisation. null measures it on all
    training images."""

    @property
    def _source(self) -> TorchvisionSource:
        return SOURCES[self.dataset]

    @property
    def known_shape(self) -> DatasetShape:
        """Return what is known of the data set without its files."""
        train, test = self._source.images
        return DatasetShape(
            train,
            test,
            channels=3,
            height=self.image_size,
            num_classes=self._source.num_classes,
        )

    def places(self, root: Path) -> Sequence[Path]:
        """Return the folder that decides what `read` returns."""
        return [root / self._source.folder]

    def read(self, root: Path) -> RawDataset:
        """Read the data set from torchvision's own folder in `root`, downloaded when missing."""
        source = self._source
        provide_files(self._files(), root)
        trained = [self._open(root, part) for part in source.parts(source.train)]
        classes = _class_names(trained[0])
        train = self._decode(trained)
        if source.test:
            test = self._decode([self._open(root, part) for part in source.parts(source.test)])
        else:
            train, test = stratified_holdout(train, self.test_share, classes=classes)
        mean, std = channel_statistics(train.images_NCHW)
        return RawDataset(
            train=train,
            test=test,
            classes=classes or tuple(map(str, range(int(train.labels_N.max()) + 1))),
            mean=self.mean or mean,
            std=self.std or std,
            padding=self.padding,
            flip=self.flip,
        )

    def _files(self) -> FileSource:
        source = self._source

        def download(root: Path) -> None:
            for part in source.parts((*source.train, *source.test)):
                self._made(root, part, download=True)

        return FileSource(
            needed=(source.folder,),
            offered=(source.folder,),
            url=DOCUMENTATION,
            md5={},
            download=download,
        )

    def _made(self, root: Path, part: Mapping[str, Any], *, download: bool) -> Any:
        from torchvision import datasets as torchvision_datasets  # late: it takes seconds

        return getattr(torchvision_datasets, self.dataset)(str(root), **part, download=download)

    def _open(self, root: Path, part: Mapping[str, Any]) -> Any:
        """Return one split.

        Raises:
            DatasetError: if files of it are missing or damaged.
        """
        try:
            return self._made(root, part, download=False)
        except (RuntimeError, OSError, ValueError, KeyError) as error:
            where = (root / self._source.folder).absolute()
            raise DatasetError(
                f"{where} does not hold {self.dataset} as torchvision puts it there "
                f"({one_line(error)}); delete it to have it downloaded anew"
            ) from error

    def _decode(self, parts: Iterable[Any]) -> Images:
        fit = crop_and_resize(self.image_size)

        def decoded(item: tuple[Any, int]) -> tuple[Tensor, int]:
            part, index = item
            image, label = part[index]
            pixels_HWC = torch.from_numpy(np.array(image.convert("RGB")))
            return fit(pixels_HWC.permute(2, 0, 1), Path()), int(label)

        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            found = list(pool.map(decoded, chain.from_iterable(map(_items, parts))))
        labels = torch.tensor([label for _, label in found], dtype=torch.int64)
        size = self.image_size
        images = [image_CHW for image_CHW, _ in found]
        empty_NCHW = torch.empty(0, 3, size, size, dtype=torch.uint8)
        return Images(torch.stack(images) if images else empty_NCHW, labels)


def _items(part: Any) -> Iterator[tuple[Any, int]]:
    return ((part, index) for index in range(len(part)))


def _class_names(part: Any) -> tuple[str, ...]:
    """Return the names of the classes, where torchvision knows them."""
    names = getattr(part, "classes", None) or getattr(part, "categories", None) or ()
    return tuple(str(name) for name in names)
