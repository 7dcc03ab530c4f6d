"""Where the box of CutMix lies. Yun et al. 2019, arXiv:1905.04899."""

import torch
from torch import Tensor

from trainables import mixing
from trainables.mixing.cutmix import Box


def random_box(images_NCHW: Tensor, lam: Tensor, *, generator: torch.Generator) -> Box:
    """Draw one box of about 1 − λ of the area, its centre anywhere on the images."""
    height, width = images_NCHW.shape[2:]
    # In float64 so that the product cannot round up to the size itself.
    y, x = torch.rand(2, generator=generator, device=images_NCHW.device, dtype=torch.float64)
    return mixing.cutmix_box(height, width, lam, torch.stack((y * height, x * width)).long())
