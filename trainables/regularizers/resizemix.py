"""ResizeMix. Qin et al. 2020, arXiv:2012.11101, Section 3.2.

The partner is shrunk to τ of its side, τ ~ U(.1, .8), and pasted whole at a random place; the
target is mixed by area. Nothing of the partner is cut off, so its label stays true.
"""

from typing import Literal, Self

import torch
from pydantic import model_validator
from torch import Tensor

from trainables import mixing
from trainables.mixing.cutmix import Box
from trainables.networks import Network
from trainables.regularizers._regularizer import (
    RegularizerModule,
    SmoothingSettings,
    TargetComparison,
    TrainingBatch,
)
from trainables.settings import Share, settings
from trainables.targets import mix_targets


@settings
class Settings(SmoothingSettings):
    """The whole partner, shrunk, pasted into each image."""

    name: Literal["resizemix"] = "resizemix"
    smallest: Share = 0.1
    """The least scale τ of the partner's side, in [0, 1]."""
    largest: Share = 0.8
    """The greatest scale τ, in [0, 1], not below `smallest`."""

    @model_validator(mode="after")
    def _refuse_an_empty_range(self) -> Self:
        if self.smallest > self.largest:
            raise ValueError(
                f"`smallest <= largest` must hold, but got smallest={self.smallest}, "
                f"largest={self.largest}"
            )
        return self

    def build(self, *, num_classes: int, num_features: int) -> "ResizeMix":
        """Build the loss."""
        del num_features
        return ResizeMix(self, num_classes=num_classes)


class ResizeMix(RegularizerModule[Settings]):
    """One scale, one place and one permutation per batch; every batch is mixed."""

    def compare(self, network: Network, batch: TrainingBatch) -> TargetComparison:
        """Return what one training step compares."""
        permutation_N = batch.permutation()
        box = self._draw_box(batch)
        mixed_NCHW, lam = paste_resized(batch.images_NCHW, permutation_N, box)
        targets_NC = mix_targets(batch.targets_NC, permutation_N, lam)
        return TargetComparison(logits_NC=network(mixed_NCHW), targets_NC=targets_NC, mixed=True)

    def _draw_box(self, batch: TrainingBatch) -> Box:
        """Return where the partner goes: at least a pixel, wholly within the image."""
        settings, device = self.settings, batch.images_NCHW.device
        height, width = batch.images_NCHW.shape[2:]
        draws = torch.rand(3, generator=batch.generator, device=device, dtype=torch.float64)
        scale, y, x = draws.unbind()
        scale = settings.smallest + (settings.largest - settings.smallest) * scale
        rows, columns = ((size * scale).long().clamp_min(1) for size in (height, width))
        top, left = (y * (height - rows + 1)).long(), (x * (width - columns + 1)).long()
        return top, left, top + rows, left + columns


def paste_resized(images_NCHW: Tensor, permutation_N: Tensor, box: Box) -> tuple[Tensor, Tensor]:
    """Paste each partner, resized to the box by bilinear interpolation, into each image.

    The box stays on the device, so that its size shapes no tensor: each pixel of the image looks
    up where in the partner it would come from, and those outside the box are dropped.

    Returns:
        the mixed images_NCHW, and the share of each image that is its own, a scalar.
    """
    height, width = images_NCHW.shape[2:]
    top, left, bottom, right = box
    resized_NCHW = images_NCHW[permutation_N]
    for axis, size, start, end in ((2, height, top, bottom), (3, width, left, right)):
        resized_NCHW = _stretch(resized_NCHW, axis=axis, size=size, start=start, end=end)
    inside_N1HW = mixing.box_mask(height, width, box)
    area = (bottom - top) * (right - left)
    return torch.where(inside_N1HW, resized_NCHW, images_NCHW), 1 - area / (height * width)


def _stretch(images_NCHW: Tensor, *, axis: int, size: int, start: Tensor, end: Tensor) -> Tensor:
    """Return images whose pixels from `start` to `end` of an axis show all of that axis."""
    at = torch.arange(size, device=images_NCHW.device) - start + 0.5
    source = (at * size / (end - start) - 0.5).clamp(0, size - 1)  # as `F.interpolate` has it
    low = source.long()
    high = (low + 1).clamp_max(size - 1)
    shape = [1, 1, 1, 1]
    shape[axis] = size
    share = (source - low).to(images_NCHW.dtype).reshape(shape)
    low_part, high_part = (images_NCHW.index_select(axis, index) for index in (low, high))
    return low_part * (1 - share) + high_part * share
