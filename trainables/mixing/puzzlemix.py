"""PuzzleMix's input. Kim et al. 2020, arXiv:2009.06962; the terms as in the authors' code.

Each block of the grid shows its own image, its partner's or their average, so that what is salient
is shown, neighbours agree and the share of the own image is about λ; then blocks move to where
they are shown.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from trainables.mixing._arguments import check_lam, check_pairs, lam_like
from trainables.mixing.labelling import LABELS, GridEnergy, belief_propagation, exact_labelling
from trainables.mixing.transport import move_blocks, transport_plan

Solver = Literal["belief_propagation", "exact"]
Transport = int | Literal["block", "none"]


def puzzlemix(
    images_NCHW: Tensor,
    permutation_N: Tensor,
    saliency_NHW: Tensor,
    lam: Tensor | float,
    *,
    blocks: int,
    label_smoothness: float = 1.2,
    data_smoothness: float = 0.5,
    prior_weight: float = 0.2,
    neighbour_size: int = 4,
    transport: Transport = 4,
    transport_cost: float = 0.8,
    solver: Solver = "belief_propagation",
    pasted: tuple[Tensor, Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """Mix each image with its partner, block by block.

    Args:
        images_NCHW: the batch, normalised or not: the range of each channel in the batch stands
            for the range [0, 1] of a pixel.
        permutation_N: the partner of each image, an index into the batch; fixed points are allowed.
        saliency_NHW: how much each pixel matters, at least 0; its scale does not matter.
        lam: λ in [0, 1], a scalar or one per image (shape (N,)): the share of the own image aimed
            at.
        blocks: to each side of the grid; divides the height and the width.
        label_smoothness: β of the paper, at least 0: the cost of unlike labels side by side.
        data_smoothness: γ, in [0, 1]: the cost of an edge between neighbours' pixels.
        prior_weight: η, at least 0: the cost of a share of the own image far from λ.
        neighbour_size: side in pixels of the patches whose difference is an edge; at most that,
            and a divisor of the block's side.
        transport: side in pixels of what moves, likewise; or whole blocks, or none.
        transport_cost: of moving by the length of the grid, in units of saliency.
        solver: `exact` is the reference, on the CPU; `belief_propagation` stays on the device.
        pasted: (own_NCHW, partner_NCHW), to mix in place of the images and their partners; the
            mask is found without them.

    Returns:
        the mixed images_NCHW, and λ of the mask: the share of each that is its own image, (N,).

    Raises:
        ValueError: if shapes do not fit or `blocks` does not divide the height and the width.
    """
    _check_arguments(images_NCHW, permutation_N, saliency_NHW, lam, blocks)
    energy = mask_energy(
        images_NCHW,
        permutation_N,
        saliency_NHW,
        lam,
        blocks=blocks,
        label_smoothness=label_smoothness,
        data_smoothness=data_smoothness,
        prior_weight=prior_weight,
        neighbour_size=neighbour_size,
    )
    labels_NRC = exact_labelling(energy) if solver == "exact" else belief_propagation(energy)
    mask_NRC = 1 - labels_NRC / (LABELS - 1)
    own_NCHW, partner_NCHW = pasted or (images_NCHW, images_NCHW[permutation_N])
    if transport != "none":
        own_NCHW, partner_NCHW = _transport_images(
            own_NCHW, partner_NCHW, permutation_N, saliency_NHW, mask_NRC, transport, transport_cost
        )
    mask_N1HW = _enlarge_grid(mask_NRC, *images_NCHW.shape[2:]).unsqueeze(1).to(images_NCHW.dtype)
    mixed_NCHW = torch.lerp(partner_NCHW, own_NCHW, mask_N1HW)
    return mixed_NCHW, mask_NRC.mean(dim=(1, 2))


def _check_arguments(
    images_NCHW: Tensor,
    permutation_N: Tensor,
    saliency_NHW: Tensor,
    lam: Tensor | float,
    blocks: int,
) -> None:
    check_pairs(images_NCHW, permutation_N)
    check_lam(lam)
    batch, _, height, width = images_NCHW.shape
    if saliency_NHW.shape != (batch, height, width):
        raise ValueError(
            f"the saliency must have the shape {(batch, height, width)}, but got "
            f"{tuple(saliency_NHW.shape)}"
        )
    if blocks < 1 or height % blocks or width % blocks:
        raise ValueError(
            "`blocks` must divide the height and the width of the images, but got "
            f"blocks={blocks} and {height}x{width} pixels"
        )


@torch.no_grad()
def mask_energy(
    images_NCHW: Tensor,
    permutation_N: Tensor,
    saliency_NHW: Tensor,
    lam: Tensor | float,
    *,
    blocks: int,
    label_smoothness: float = 1.2,
    data_smoothness: float = 0.5,
    prior_weight: float = 0.2,
    neighbour_size: int = 4,
) -> GridEnergy:
    """Return the costs of the labels 0 (own image), 1 (average) and 2 (partner).

    The arguments are those of `puzzlemix`. The cost of an edge between two images is linear in
    what either block shows; it is taken apart into what each block pays whatever the other shows,
    and a weight on their labels' difference.
    """
    saliency_NRC = _saliency_shares(saliency_NHW, blocks, blocks)
    smoothness = label_smoothness / blocks / 16
    below_22NRC, right_22NRC = (
        smoothness * data_smoothness * edges_22NRC
        for edges_22NRC in _border_differences(images_NCHW, permutation_N, blocks, neighbour_size)
    )
    # To show the one image is to hide what is salient in the other.
    shown_2NRC = torch.stack((saliency_NRC[permutation_N], saliency_NRC))
    for edges_22NRC, axis in ((below_22NRC, 2), (right_22NRC, 3)):
        # The last row or column holds zeros, which roll round to the first.
        shown_2NRC += edges_22NRC.mean(dim=1) + edges_22NRC.mean(dim=0).roll(1, dims=axis)
    own_NRC, partner_NRC = shown_2NRC
    unary_3NRC = torch.stack((own_NRC, (own_NRC + partner_NRC) / 2, partner_NRC))
    below_NRC, right_NRC = (
        # At least 0 already, since γ ≤ 1 and no difference is above 1; but for rounding.
        (smoothness + (unlike - alike) / 2).clamp_min(0)
        for unlike, alike in map(_unlike_and_alike, (below_22NRC, right_22NRC))
    )
    below_NRC[:, -1].zero_()
    right_NRC[:, :, -1].zero_()
    prior_3N11 = prior_weight / blocks**2 * _label_prior(lam_like(lam, saliency_NRC))
    return GridEnergy(unary_3NRC + prior_3N11, below_NRC, right_NRC)


def _saliency_shares(saliency_NHW: Tensor, rows: int, columns: int) -> Tensor:
    """Return the saliency of each block, summing to 1 over the grid; uniform where all is 0."""
    height, width = saliency_NHW.shape[1:]
    pooled_NRC = F.avg_pool2d(saliency_NHW.float(), (height // rows, width // columns)) + 1e-30
    return pooled_NRC / pooled_NRC.sum(dim=(1, 2), keepdim=True)


def _border_differences(
    images_NCHW: Tensor, permutation_N: Tensor, blocks: int, neighbour_size: int
) -> tuple[Tensor, Tensor]:
    """Return the differences at the borders of each block with the one below and to the right.

    The first two axes, (22), say what the block and its neighbour show: 0 the own image, 1 the
    partner. Differences are of pixels in [0, 1]; the last row or column is 0.
    """
    high, wide = (_moved_side(size // blocks, neighbour_size) for size in images_NCHW.shape[2:])
    patches_NCHW = F.avg_pool2d(_unit_range(images_NCHW), (high, wide))
    patches = patches_NCHW.unflatten(3, (blocks, -1)).unflatten(2, (blocks, -1))  # N C R h C w
    below_22NRC = _pair_differences(
        patches[:, :, :-1, -1], patches[:, :, 1:, 0], permutation_N, dim=(3, 6)
    )
    right_22NRC = _pair_differences(
        patches[..., :-1, -1], patches[..., 1:, 0], permutation_N, dim=(3, 5)
    )
    return F.pad(below_22NRC, (0, 0, 0, 1)), F.pad(right_22NRC, (0, 1))


def _pair_differences(
    before: Tensor, after: Tensor, permutation_N: Tensor, *, dim: tuple[int, ...]
) -> Tensor:
    """Return |before − after| for own and partner image each, averaged over `dim`."""
    before_2N = torch.stack((before, before[permutation_N]))
    after_2N = torch.stack((after, after[permutation_N]))
    return (before_2N.unsqueeze(1) - after_2N.unsqueeze(0)).abs().mean(dim=dim)


def _unlike_and_alike(edges_22NRC: Tensor) -> tuple[Tensor, Tensor]:
    (own_own, own_partner), (partner_own, partner_partner) = edges_22NRC
    return own_partner + partner_own, own_own + partner_partner


def _label_prior(lam: Tensor) -> Tensor:
    """Return −log of the labels' probabilities λ², 2λ(1−λ) and (1−λ)², shape (3, 1 or N, 1, 1).

    λ is kept off its ends, where they would be infinite; between, they are convex in the label.
    """
    lam = lam.clamp(1e-4, 1 - 1e-4).reshape(-1, 1, 1)
    return -torch.stack((lam**2, 2 * lam * (1 - lam), (1 - lam) ** 2)).log()


def _unit_range(images_NCHW: Tensor) -> Tensor:
    """Return the images with each channel's range in the batch mapped to [0, 1].

    It undoes a normalisation without being told its mean and standard deviation.
    """
    low_1C11, high_1C11 = pixel_range(images_NCHW)
    return (images_NCHW - low_1C11).float() / (high_1C11 - low_1C11).float().clamp_min(1e-12)


def pixel_range(images_NCHW: Tensor) -> tuple[Tensor, Tensor]:
    """Return the least and the greatest value of each channel in the batch, (1, C, 1, 1) each."""
    low_1C11 = images_NCHW.amin(dim=(0, 2, 3), keepdim=True)
    return low_1C11, images_NCHW.amax(dim=(0, 2, 3), keepdim=True)


def _moved_side(block: int, at_most: int) -> int:
    """Return the greatest divisor of the block's side that is at most `at_most`."""
    return next(side for side in range(min(block, at_most), 0, -1) if block % side == 0)


def _transport_images(
    own_NCHW: Tensor,
    partner_NCHW: Tensor,
    permutation_N: Tensor,
    saliency_NHW: Tensor,
    mask_NRC: Tensor,
    transport: int | Literal["block"],
    cost: float,
) -> tuple[Tensor, Tensor]:
    """Return both images with their salient parts moved to where the mask shows them."""
    height, width = own_NCHW.shape[2:]
    high, wide = height // mask_NRC.shape[1], width // mask_NRC.shape[2]
    if transport != "block":
        high, wide = _moved_side(high, transport), _moved_side(wide, transport)
    rows, columns = height // high, width // wide
    shares_NRC = _saliency_shares(saliency_NHW, rows, columns)
    mask_NRC = _enlarge_grid(mask_NRC, rows, columns)
    # Own images and partners together: half as many kernels.
    own_NT, partner_NT = transport_plan(
        torch.cat((shares_NRC, shares_NRC[permutation_N])),
        torch.cat((mask_NRC, 1 - mask_NRC)) > 0,
        cost=cost,
    ).chunk(2)
    return (
        move_blocks(own_NCHW, own_NT, rows=rows, columns=columns),
        move_blocks(partner_NCHW, partner_NT, rows=rows, columns=columns),
    )


def _enlarge_grid(grid_NRC: Tensor, rows: int, columns: int) -> Tensor:
    """Return the grid with each block repeated to fill `rows` and `columns`."""
    down, across = rows // grid_NRC.shape[1], columns // grid_NRC.shape[2]
    return grid_NRC.repeat_interleave(down, dim=1).repeat_interleave(across, dim=2)
