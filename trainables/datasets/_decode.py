"""Image files to tensors, on as many threads as torch may use."""

import os
import struct
import warnings
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import ExifTags, Image, UnidentifiedImageError
from torch import Tensor

from trainables.datasets._files import damaged_error, one_line
from trainables.datasets._images import DatasetError, resize_bytes

CHUNK = 256
"""Images that a thread decodes at a time; handed out singly, small ones cost half as much again."""
BACKGROUND = "white"
"""What shows through where an image is transparent."""
SMALLEST = 128
"""Bytes; what begins as an image and is shorter, but cannot be opened, has lost its rest."""
SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"RIFF", b"II*\0", b"MM\0*")
"""How images begin."""
CUT_OFF = (
    "truncated",
    "broken png",
    "checksum",
    "reached eof",
    "not enough image data",
    "expected to read",
)
"""Pillow's words, in lower case, for files that have lost something."""
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes an image upright, by its EXIF orientation; 1 is upright (Exif 2.32, section 4.6.4)."""


def decode_all(paths: Sequence[Path], size: int, fit: Callable[[Tensor, Path], Tensor]) -> Tensor:
    """Return the images of the files in colour, images_NCHW with C = 3 and H = W = `size`.

    Each is upright as its EXIF orientation says. Of an image with several frames it is the first,
    of 16 bits a channel the upper 8, and where an image is transparent it shows white.

    Args:
        paths: of the files, each in any format that Pillow reads, with 8 or 16 bits a channel.
        size: height and width of the result, in pixels.
        fit: makes image_CHW of a file that size, or raises.

    Raises:
        DatasetError: naming the first file that cannot be decoded.
    """
    images_NCHW = torch.empty(len(paths), 3, size, size, dtype=torch.uint8)

    def fill(first: int) -> None:
        for index in range(first, min(first + CHUNK, len(paths))):
            images_NCHW[index] = fit(_decode_image(paths[index]), paths[index])

    with warnings.catch_warnings(), ThreadPoolExecutor(torch.get_num_threads()) as pool:
        # Pillow warns of large images and of broken EXIF data, to nobody who could read it.
        warnings.simplefilter("ignore")
        for _ in pool.map(fill, range(0, len(paths), CHUNK)):  # raises what a thread raised
            pass
    return images_NCHW


def refuse_other_sizes(size: int) -> Callable[[Tensor, Path], Tensor]:
    """Return a `fit` that takes only images of `size` x `size` pixels."""

    def fit(image_CHW: Tensor, path: Path) -> Tensor:
        height, width = image_CHW.shape[1:]
        if (height, width) != (size, size):
            raise DatasetError(f"{path}: must be {size}x{size} pixels, got {width}x{height}")
        return image_CHW

    return fit


def crop_and_resize(size: int) -> Callable[[Tensor, Path], Tensor]:
    """Return a `fit` that takes the square in the middle and resizes it bilinearly."""

    def fit(image_CHW: Tensor, path: Path) -> Tensor:
        del path
        height, width = image_CHW.shape[1:]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        square = image_CHW[:, top : top + side, left : left + side]
        return resize_bytes(square.unsqueeze(0), size).squeeze(0)

    return fit


def _decode_image(path: Path) -> Tensor:
    # Pillow, though torchvision's own decoder is faster: that one is deprecated from 0.29 on.
    try:
        if path.exists() and not path.is_file():  # to open a pipe would wait for a writer
            raise DatasetError(f"{path} is no file: delete it or put the image there")
        with Image.open(path) as image:
            image.load()  # the TIFF reader turns the image itself, and then says that it is upright
            turn = TURNS.get(_orientation(image))
            coloured = _coloured_image(image, path)
        upright = coloured if turn is None else coloured.transpose(turn)
        return torch.from_numpy(np.array(upright)).permute(2, 0, 1)
    except DatasetError:
        raise
    except Exception as error:  # Pillow's readers raise whatever a file leads them to
        raise _undecodable_error(path, error) from error


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # broken EXIF data says nothing of the image, which may be whole
        return 1


def _coloured_image(image: Image.Image, path: Path) -> Image.Image:
    """Return the image in RGB, on the background where it is transparent."""
    if image.mode.startswith("I;16"):
        image = _upper_bits(image)
    if image.mode in ("I", "F"):
        raise DatasetError(
            f"{path}: its pixels are numbers of 32 bits (Pillow's mode {image.mode}), and what is "
            "black and white among them is not known: save it with 8 or 16 bits a channel"
        )
    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    sheet = Image.new("RGBA", layer.size, BACKGROUND)
    sheet.alpha_composite(layer)
    return sheet.convert("RGB")


def _upper_bits(image: Image.Image) -> Image.Image:
    """Return a grey image of 16 bits with 8, as Pillow reads colours of 16 bits."""
    values_HW = np.asarray(image)
    grey = Image.fromarray((values_HW >> 8).astype(np.uint8))
    transparent = image.info.get("transparency")
    if transparent is None:
        return grey
    opaque = Image.fromarray(np.where(values_HW == transparent, 0, 255).astype(np.uint8))
    return Image.merge("LA", (grey, opaque))


def _undecodable_error(path: Path, error: Exception) -> DatasetError:
    """Return what keeps a file from being decoded, in words that are true of it."""
    if isinstance(error, OSError) and error.errno is not None:
        remedy = (
            "make it readable (chmod u+r)" if isinstance(error, PermissionError) else "try again"
        )
        return DatasetError(f"{path} cannot be read: {os.strerror(error.errno)}; {remedy}")
    if isinstance(error, Image.DecompressionBombError):
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        return DatasetError(
            f"{path} has more than {most:,} pixels, the most that are decoded: save it smaller"
        )
    beginning = _first_bytes(path)
    if not beginning:
        return damaged_error(path, "it is empty")
    if _is_cut_off(error, path, beginning):
        return damaged_error(path, one_line(error))
    if isinstance(error, UnidentifiedImageError) and not _is_signed(beginning):
        return DatasetError(
            f"{path} is no image that can be read here, whatever its name says: it begins with "
            f"{beginning[:12]!r}; convert it to PNG or JPEG, or delete it"
        )
    return DatasetError(
        f"{path} cannot be decoded ({one_line(error)}): it is of a kind that Pillow does not read, "
        "or not whole; save it anew as PNG or JPEG with 8 bits a channel, or replace it"
    )


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(SMALLEST)


def _is_signed(beginning: bytes) -> bool:
    """Return whether a file begins as images do, as far as it goes."""
    if beginning[4:12] in (b"ftypavif", b"jP  \r\n\x87\n"):
        return True
    return any(sign.startswith(beginning[: len(sign)]) for sign in SIGNATURES)


def _is_cut_off(error: Exception, path: Path, beginning: bytes) -> bool:
    """Return whether a file has lost its end, or its checksums are wrong."""
    if beginning.startswith(b"RIFF") and len(beginning) >= 8:  # how WebP says its length
        return path.stat().st_size < 8 + int.from_bytes(beginning[4:8], "little")
    if isinstance(error, UnidentifiedImageError):
        return len(beginning) < SMALLEST and _is_signed(beginning)
    if isinstance(error, EOFError | struct.error | zlib.error | IndexError):
        return True
    text = str(error).lower()
    return any(sign in text for sign in CUT_OFF)
