"""Common corruptions. Hendrycks & Dietterich 2019, arXiv:1903.12261.

The strengths of the five severities are those of CIFAR-10-C, by the authors' program for images of
32x32 pixels; they are used at every size. Of the corruptions those are here that need no pictures
of their own (as frost does) and no warping: three of noise, a blur, two of light and two of what
digital images go through. Gaussian blur is one of the authors' additional four, the others are of
the benchmark's fifteen.

A corrupted image is bytes again, as from a file. All draws are a function of the corruption and its
severity alone, so that every network sees the same images.
"""

import io
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from trainables.randomness import keyed_generator

SEVERITIES = (1, 2, 3, 4, 5)
CHUNK = 1000
"""Images that are corrupted at once; it is part of which draws an image gets."""

STRENGTHS: dict[str, tuple[float, ...]] = {
    "gaussian_noise": (0.04, 0.06, 0.08, 0.09, 0.10),  # standard deviation of pixels in [0, 1]
    "shot_noise": (500, 250, 100, 75, 50),  # photons of a white pixel
    "impulse_noise": (0.01, 0.02, 0.03, 0.05, 0.07),  # share of values that turn black or white
    "gaussian_blur": (0.4, 0.6, 0.7, 0.8, 1.0),  # standard deviation in pixels
    "brightness": (0.05, 0.1, 0.15, 0.2, 0.3),  # added to the value of hue, saturation, value
    "contrast": (0.75, 0.5, 0.4, 0.3, 0.15),  # factor of the distance from the image's mean
    "pixelate": (0.95, 0.9, 0.85, 0.75, 0.65),  # the sides shrink to this, and grow again
    "jpeg": (80, 65, 58, 50, 40),  # the encoder's quality
}
"""Corruption → its strength at each severity."""


def corrupt(bytes_NCHW: Tensor, corruption: str, severity: int) -> Tensor:
    """Return corrupted images as bytes, on the CPU.

    Args:
        bytes_NCHW: uint8, of one or three channels.
        corruption: a key of `STRENGTHS`.
        severity: 1 to 5.
    """
    strength = STRENGTHS[corruption][severity - 1]
    generator = keyed_generator("corruption", corruption, severity)
    made = [
        _corrupt_chunk(part.cpu(), corruption, strength, generator)
        for part in bytes_NCHW.split(CHUNK)
    ]
    return torch.cat(made)


def _corrupt_chunk(
    bytes_NCHW: Tensor, corruption: str, strength: float, generator: torch.Generator
) -> Tensor:
    if corruption in _BY_PICTURE:
        return _each_picture(bytes_NCHW, _BY_PICTURE[corruption], strength)
    pixels_NCHW = bytes_NCHW.double() / 255
    return _as_bytes(_BY_PIXELS[corruption](pixels_NCHW, strength, generator))


def _as_bytes(pixels_NCHW: Tensor) -> Tensor:
    return (pixels_NCHW.clamp(0, 1) * 255).round().to(torch.uint8)


def _gaussian_noise(pixels_NCHW: Tensor, sd: float, generator: torch.Generator) -> Tensor:
    drawn = torch.randn(pixels_NCHW.shape, generator=generator, dtype=pixels_NCHW.dtype)
    return pixels_NCHW + sd * drawn


def _shot_noise(pixels_NCHW: Tensor, photons: float, generator: torch.Generator) -> Tensor:
    return torch.poisson(pixels_NCHW * photons, generator=generator) / photons


def _impulse_noise(pixels_NCHW: Tensor, share: float, generator: torch.Generator) -> Tensor:
    drawn = torch.rand(pixels_NCHW.shape, generator=generator, dtype=pixels_NCHW.dtype)
    white = (drawn < share / 2).to(pixels_NCHW.dtype)
    return torch.where(drawn < share, white, pixels_NCHW)


def _gaussian_blur(pixels_NCHW: Tensor, sd: float, generator: torch.Generator) -> Tensor:
    del generator
    reach = int(4 * sd + 0.5)
    at = torch.arange(-reach, reach + 1, dtype=pixels_NCHW.dtype)
    weights = torch.exp(-(at**2) / (2 * sd**2))
    weights = weights / weights.sum()
    padded = F.pad(pixels_NCHW, (reach,) * 4, mode="replicate")
    rows = padded.unfold(2, 2 * reach + 1, 1) @ weights
    return rows.unfold(3, 2 * reach + 1, 1) @ weights


def _brightness(pixels_NCHW: Tensor, added: float, generator: torch.Generator) -> Tensor:
    """Raise the value: with hue and saturation as they are all channels grow by one factor."""
    del generator
    value_N1HW = pixels_NCHW.amax(1, keepdim=True)
    wanted_N1HW = (value_N1HW + added).clamp(max=1)
    is_black = value_N1HW == 0
    factor_N1HW = wanted_N1HW / value_N1HW.masked_fill(is_black, 1)
    return torch.where(is_black, wanted_N1HW, pixels_NCHW * factor_N1HW)


def _contrast(pixels_NCHW: Tensor, factor: float, generator: torch.Generator) -> Tensor:
    del generator
    mean_NC11 = pixels_NCHW.mean((2, 3), keepdim=True)
    return mean_NC11 + factor * (pixels_NCHW - mean_NC11)


def _pixelate(picture: Image.Image, share: float) -> Image.Image:
    width, height = picture.size
    small = max(int(width * share), 1), max(int(height * share), 1)
    return picture.resize(small, Image.Resampling.BOX).resize(picture.size, Image.Resampling.BOX)


def _jpeg(picture: Image.Image, quality: float) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=int(quality))
    return Image.open(file)


def _each_picture(
    bytes_NCHW: Tensor, change: Callable[[Image.Image, float], Image.Image], strength: float
) -> Tensor:
    made = []
    for picture_CHW in bytes_NCHW:
        held = picture_CHW.permute(1, 2, 0).squeeze(2).numpy()
        changed = np.array(change(Image.fromarray(held), strength))
        made.append(torch.from_numpy(changed.reshape(picture_CHW.shape[1:] + (-1,))))
    return torch.stack(made).permute(0, 3, 1, 2).contiguous()


_BY_PIXELS: dict[str, Callable[[Tensor, float, torch.Generator], Tensor]] = {
    "gaussian_noise": _gaussian_noise,
    "shot_noise": _shot_noise,
    "impulse_noise": _impulse_noise,
    "gaussian_blur": _gaussian_blur,
    "brightness": _brightness,
    "contrast": _contrast,
}
_BY_PICTURE: dict[str, Callable[[Image.Image, float], Image.Image]] = {
    "pixelate": _pixelate,
    "jpeg": _jpeg,
}
