"""Mixup's input. Zhang et al. 2018, arXiv:1710.09412; LaMix, Eq. 1 and, with λ = ½, Eq. 4."""

from torch import Tensor

from trainables.mixing._arguments import check_lam, check_pairs, lam_like


def mixup(images_NCHW: Tensor, permutation_N: Tensor, lam: Tensor | float) -> Tensor:
    """Return λ·x_i + (1 − λ)·x_π(i).

    Args:
        images_NCHW: the batch, floating point.
        permutation_N: the partner of each image, an index into the batch; fixed points are allowed.
        lam: λ in [0, 1], a scalar or one per image (shape (N,)); 1 returns the batch itself.

    Raises:
        ValueError: if a shape does not fit, or λ is a number outside [0, 1].
    """
    check_pairs(images_NCHW, permutation_N)
    check_lam(lam)
    lam_N111 = lam_like(lam, images_NCHW).reshape(-1, 1, 1, 1)
    return lam_N111 * images_NCHW + (1 - lam_N111) * images_NCHW[permutation_N]
