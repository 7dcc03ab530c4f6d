"""What MNIST and Fashion-MNIST share: four IDX files, gzipped or not. LeCun et al. 1998."""

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from trainables.datasets._files import FileSource, damaged_error, one_line
from trainables.datasets._images import DatasetError, Images

if TYPE_CHECKING:
    from torchvision import datasets as torchvision_datasets

FILES = tuple(
    f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")
)
UNSIGNED_BYTE = b"\0\0\x08"
"""How an IDX file of bytes starts; the number of dimensions follows."""


def idx_source(kind: "type[torchvision_datasets.MNIST]") -> FileSource:
    """Return where torchvision's `kind` keeps its files: in ``MNIST/raw`` or the like."""
    folder = f"{kind.__name__}/raw"
    return FileSource(
        needed=tuple(f"{folder}/{name}" for name in FILES),
        offered=tuple(f"{folder}/{name}.gz" for name in FILES),
        url=kind.mirrors[0],
        # The checksums of the archives are not asked for: some distributors compress anew.
        md5={},
        download=lambda root: kind(root, download=True),
        gzipped=True,
    )


def idx_places(folder: Path) -> list[Path]:
    """Return where the four files may be, gzipped or not."""
    return [folder / f"{name}{ending}" for name in FILES for ending in ("", ".gz")]


def is_complete(folder: Path) -> bool:
    """Return whether all four files are in the folder."""
    return all(_find_file(folder, name) for name in FILES)


def read_idx_folder(folder: Path) -> tuple[Images, Images]:
    """Return the training and the test images from the folder with the four files.

    Raises:
        DatasetError: naming the file that is missing or damaged.
    """
    return _read_part(folder, "train"), _read_part(folder, "t10k")


def _read_part(folder: Path, part: str) -> Images:
    images_NHW = _read_idx(folder, f"{part}-images-idx3-ubyte", dimensions=3)
    labels_N = _read_idx(folder, f"{part}-labels-idx1-ubyte", dimensions=1)
    return Images(images_NHW.unsqueeze(1), labels_N.long())


def _read_idx(folder: Path, name: str, *, dimensions: int) -> Tensor:
    path = _find_file(folder, name)
    if path is None:
        raise DatasetError(f"{folder / name}: there is no such file, nor its .gz")
    content = _file_content(path)
    start = 4 + 4 * dimensions
    if len(content) < start or content[:4] != UNSIGNED_BYTE + bytes([dimensions]):
        raise damaged_error(path, f"it is no IDX file of bytes in {dimensions} dimensions")
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    if len(content) != start + math.prod(shape):
        raise damaged_error(path, f"{len(content)} bytes where {start + math.prod(shape)} belong")
    # A copy, since a tensor must own memory that it may write to.
    return torch.frombuffer(bytearray(content[start:]), dtype=torch.uint8).view(shape)


def _find_file(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def _file_content(path: Path) -> bytes:
    try:
        return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise damaged_error(path, one_line(error)) from error
