"""Checks of arguments that cost no wait for the device."""

import torch
from torch import Tensor


def check_lam(lam: Tensor | float) -> None:
    """Refuse a λ on the host outside [0, 1]; the values of a tensor are not looked at."""
    if not isinstance(lam, Tensor) and not 0 <= lam <= 1:
        raise ValueError(f"`lam` must be in [0, 1], but got {lam}")


def check_pairs(images_NCHW: Tensor, permutation_N: Tensor) -> None:
    """Refuse images that cannot be mixed, and partners that are not one for each."""
    if images_NCHW.ndim != 4 or not images_NCHW.is_floating_point():
        raise ValueError(
            "the images must be floating point of shape (N, C, H, W), but got "
            f"{images_NCHW.dtype} of shape {tuple(images_NCHW.shape)}"
        )
    if permutation_N.shape != images_NCHW.shape[:1]:
        raise ValueError(
            f"the permutation must have the shape {tuple(images_NCHW.shape[:1])}, but got "
            f"{tuple(permutation_N.shape)}"
        )


def lam_like(lam: Tensor | float, like: Tensor, *, dtype: torch.dtype | None = None) -> Tensor:
    """Return λ as a tensor on the device of `like`, and of its type unless `dtype` says another."""
    dtype = dtype or like.dtype
    if isinstance(lam, Tensor):
        return lam.to(device=like.device, dtype=dtype)
    # Filled there: a number that is copied there would be waited for.
    return torch.full((), lam, dtype=dtype, device=like.device)
