"""Image files to tensors, on as many threads as torch may use."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from trainables.datasets._files import damaged_error, one_line
from trainables.datasets._images import DatasetError, resize_bytes

CHUNK = 256
"""Images that a thread decodes at a time; handed out singly, small ones cost half as much again."""


def decode_all(paths: Sequence[Path], size: int, fit: Callable[[Tensor, Path], Tensor]) -> Tensor:
    """Return the images of the files in colour, images_NCHW with C = 3 and H = W = `size`.

    Args:
        paths: of the files, each in any format that Pillow reads, with 8 bits a channel.
        size: height and width of the result, in pixels.
        fit: makes image_CHW of a file that size, or raises.

    Raises:
        DatasetError: naming the first file that cannot be decoded.
    """
    images_NCHW = torch.empty(len(paths), 3, size, size, dtype=torch.uint8)

    def fill(first: int) -> None:
        for index in range(first, min(first + CHUNK, len(paths))):
            images_NCHW[index] = fit(_decode_image(paths[index]), paths[index])

    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
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
        with Image.open(path) as image:
            if image.mode.startswith(("I", "F")):  # which convert("RGB") would cut off at 255
                raise ValueError(f"its pixels are of Pillow's mode {image.mode}, not of 8 bits")
            pixels_HWC = np.array(image.convert("RGB"))
            return torch.from_numpy(pixels_HWC).permute(2, 0, 1)
    except Exception as error:  # Pillow's readers raise whatever a damaged file leads them to
        raise damaged_error(path, one_line(error)) from error
