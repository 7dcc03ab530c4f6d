"""CutMix's input. Yun et al. 2019, arXiv:1905.04899, Section 3.1; the box as in its code."""

import torch
from torch import Tensor

from trainables.mixing._arguments import check_lam, check_pairs, lam_like

Box = tuple[Tensor, Tensor, Tensor, Tensor]
"""top, left, bottom, right; the last two are exclusive. Integers on the device, scalars or one per
image (shape (N,))."""


def cutmix_box(height: int, width: int, lam: Tensor | float, center_yx: Tensor) -> Box:
    """Return the box of about (1 − λ)·height·width pixels around `center_yx`, cut at the border.

    Its sides are int(size·√(1 − λ)), then it reaches side // 2 to both sides of the centre.

    Args:
        height: of the image, in pixels.
        width: of the image, in pixels.
        lam: λ in [0, 1], a scalar.
        center_yx: row in [0, height) and column in [0, width) of the centre, shape (2,) for one
            box or (N, 2) for one per image.

    Raises:
        ValueError: if λ is a number outside [0, 1].
    """
    check_lam(lam)
    # In float64, as NumPy has it in the original, so that int() cuts at the same λ.
    share = torch.sqrt(1 - lam_like(lam, center_yx, dtype=torch.float64))
    half_height, half_width = ((size * share).long() // 2 for size in (height, width))
    center_y, center_x = center_yx.unbind(-1)
    top, left = (center_y - half_height).clamp_min(0), (center_x - half_width).clamp_min(0)
    bottom = (center_y + half_height).clamp_max(height)
    right = (center_x + half_width).clamp_max(width)
    return top, left, bottom, right


def cutmix(images_NCHW: Tensor, permutation_N: Tensor, box: Box) -> tuple[Tensor, Tensor]:
    """Paste each partner's box into each image.

    Returns:
        the mixed images_NCHW, and λ of the area: the share of each image that is its own, a scalar
        or one per image as the box is.

    Raises:
        ValueError: if a shape does not fit.
    """
    check_pairs(images_NCHW, permutation_N)
    height, width = images_NCHW.shape[2:]
    top, left, bottom, right = box
    # A mask rather than a slice: the box stays on the device, and its size is no tensor's shape.
    inside_N1HW = box_mask(height, width, box)
    mixed_NCHW = torch.where(inside_N1HW, images_NCHW[permutation_N], images_NCHW)
    area = (bottom - top) * (right - left)
    return mixed_NCHW, 1 - area / (height * width)


def box_mask(height: int, width: int, box: Box) -> Tensor:
    """Return where an image lies in its box, boolean, (N, 1, H, W), or N = 1 for one box of all."""
    top, left, bottom, right = (edge.reshape(-1, 1, 1, 1) for edge in box)
    rows_H1 = torch.arange(height, device=top.device).unsqueeze(1)
    columns_W = torch.arange(width, device=top.device)
    return (rows_H1 >= top) & (rows_H1 < bottom) & (columns_W >= left) & (columns_W < right)
