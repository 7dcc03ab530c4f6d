"""Moves of blocks that bring what is salient under the mask. PuzzleMix's transport.

Kim et al. 2020, arXiv:2009.06962, Section 4.2. Moving block s to place t costs

    c(s, t) = cost · distance(s, t) − saliency_s · [mask_t > 0]

with squared distance in units of the grid's side. As in the authors' code, each block proposes the
cheapest place that has not refused it, each place keeps its cheapest proposer and refuses the
others, and this is repeated as many times as the grid has blocks to a side.
"""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

NEAREST = 52
"""How many places a block considers: so many bits a float64 holds exactly. On a grid of 16x16 a
block in its middle looks 4 places far; to pay, a longer way takes over 5% of all saliency."""


@torch.no_grad()
def transport_plan(saliency_NRC: Tensor, wanted_NRC: Tensor, *, cost: float) -> Tensor:
    """Return which block comes to each place, source_NT with T = R·C.

    A place that nobody came to keeps its own block; it is never a wanted one, since the first to
    propose to a wanted place is the block that is there. Nothing waits for the device.

    Args:
        saliency_NRC: of each block, summing to 1 over the grid.
        wanted_NRC: bool, the places that the mask shows.
        cost: of moving by the length of the grid, in units of saliency.
    """
    batch, rows, columns = saliency_NRC.shape
    nearest = _nearest_places(rows, columns, saliency_NRC.device)
    saliency_S = saliency_NRC.flatten()  # S = N·T: all blocks of all grids, and all places
    self_S = torch.arange(len(saliency_S), device=saliency_S.device)
    first_NT = self_S.reshape(batch, -1)[:, :1].expand(-1, rows * columns)
    first_S = first_NT.flatten()
    entry_S = (self_S - first_S) * nearest.reach
    open_2S = nearest.as_bits(wanted_NRC.flatten(1))
    price_S, best_S = torch.full_like(saliency_S, torch.inf).repeat(2, 1)
    place_S, kind_S, bit_S = torch.zeros_like(self_S).repeat(3, 1)
    kinds_21 = torch.arange(2, device=saliency_S.device).unsqueeze(1)
    asking: Tensor | slice = slice(None)
    for _ in range(max(rows, columns)):
        price_A, entry_A, kind_A, bit_A = nearest.cheapest(
            open_2S[:, asking], entry_S[asking], saliency_S[asking], cost=cost
        )
        place_A = first_S[asking] + nearest.place_E.index_select(0, entry_A)
        price_S[asking], place_S[asking] = price_A, place_A
        kind_S[asking], bit_S[asking] = kind_A, bit_A
        best_S.scatter_reduce_(0, place_A, price_A, "amin")
        refused_S = price_S > best_S.index_select(0, place_S)
        asking = _who_asks_again(refused_S)
        if isinstance(asking, Tensor) and not len(asking):
            break
        closed_2A = bit_S[asking] * refused_S[asking] * (kind_S[asking] == kinds_21)
        open_2S[:, asking] -= closed_2A
    # Equal prices are settled by the lower index, whatever the order of the writes.
    nobody = len(self_S)
    rival_S = self_S.masked_fill(refused_S, nobody)
    source_S = torch.full_like(self_S, nobody).scatter_reduce_(0, place_S, rival_S, "amin")
    source_S = torch.where(source_S < nobody, source_S, self_S)
    return source_S.reshape(batch, -1) - first_NT


def _who_asks_again(refused_S: Tensor) -> Tensor | slice:
    """Return the refused blocks or, on an accelerator, all.

    The others only ask again where they already are. To select those who are refused is to wait
    for how many there are: free on the CPU alone.
    """
    return refused_S.nonzero().squeeze(1) if refused_S.device.type == "cpu" else slice(None)


def move_blocks(images_NCHW: Tensor, source_NT: Tensor, *, rows: int, columns: int) -> Tensor:
    """Return images whose t-th block, counted row by row, is block source_NT[:, t]."""
    height, width = images_NCHW.shape[2:]
    high, wide = height // rows, width // columns
    down_R1 = torch.arange(rows, device=source_NT.device).unsqueeze(1) * (high * width)
    across_C = torch.arange(columns, device=source_NT.device) * wide
    corner_NT = (down_R1 + across_C).flatten()[source_NT]
    y_H1 = torch.arange(high, device=source_NT.device).unsqueeze(1)
    x_W = torch.arange(wide, device=source_NT.device)
    # Where each pixel comes from: its block's corner and its place in the block. One look-up of
    # pixels is several times faster than to cut the images into blocks and put them together.
    within_H1W = (y_H1 * width + x_W).unsqueeze(1)
    pixel_NRHCW = corner_NT.reshape(-1, rows, 1, columns, 1) + within_H1W
    pixel_N1P = pixel_NRHCW.flatten(1).unsqueeze(1)
    index_NCP = pixel_N1P.expand(-1, images_NCHW.shape[1], -1)
    return images_NCHW.flatten(2).gather(2, index_NCP).reshape(images_NCHW.shape)


@dataclass(frozen=True)
class _NearestPlaces:
    """For each of the T blocks of a grid, its K nearest places, from its own on.

    Of the two kinds of place, wanted (0) and not (1), a block's cheapest is the nearest still open.
    So its open places of a kind are the bits of an integer, the nearest the lowest bit, and no
    array of T·T costs is ever made.
    """

    reach: int
    """K."""
    place_E: Tensor
    """Of all blocks, one after the other: entry t·K + k is the k-th nearest to block t."""
    distance_E: Tensor
    """Squared, in units of the squared length of the grid's longer side."""
    bit_TT: Tensor
    """2^k where the place (row) is the k-th nearest to the block (column), else 0; float64."""

    def as_bits(self, wanted_NT: Tensor) -> Tensor:
        """Return the open places of each kind, for all blocks of all grids, (2, N·T) integers."""
        kinds_2NT = torch.stack((wanted_NT, ~wanted_NT)).double()
        return (kinds_2NT @ self.bit_TT).long().flatten(1)

    def cheapest(
        self, open_2A: Tensor, entry_A: Tensor, saliency_A: Tensor, *, cost: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return price, entry, kind and bit of each block's cheapest open place, all of shape (A,).

        The price is infinite where no place is open.

        Args:
            open_2A: the open places of each kind, as bits.
            entry_A: each block's first entry, of its own place.
            saliency_A: of each block.
            cost: of moving by the length of the grid.
        """
        bit_2A = open_2A & -open_2A
        # A power of two is exact in float32, whose exponent is its logarithm.
        rank_2A = (bit_2A.float().view(torch.int32) >> 23) - 127
        entry_2A = entry_A + rank_2A.clamp_min(0)
        price_2A = cost * self.distance_E.index_select(0, entry_2A.flatten()).view_as(entry_2A)
        price_2A[0] -= saliency_A
        price_A, kind_A = price_2A.masked_fill(rank_2A < 0, torch.inf).min(dim=0)
        wanted_A = kind_A == 0
        entry_A = torch.where(wanted_A, entry_2A[0], entry_2A[1])
        return price_A, entry_A, kind_A, torch.where(wanted_A, bit_2A[0], bit_2A[1])


@cache
def _nearest_places(rows: int, columns: int, device: torch.device) -> _NearestPlaces:
    yx_T2 = torch.cartesian_prod(torch.arange(rows), torch.arange(columns))
    squared_TT = (yx_T2.unsqueeze(0) - yx_T2.unsqueeze(1)).square().sum(dim=2)
    squared_TK, place_TK = (part[:, :NEAREST] for part in squared_TT.sort(dim=1, stable=True))
    power_K = torch.pow(2.0, torch.arange(place_TK.shape[1], dtype=torch.float64))
    bit_TT = torch.zeros(squared_TT.shape, dtype=torch.float64)
    bit_TT.scatter_(1, place_TK, power_K.expand_as(place_TK))
    length = max(rows, columns, 2) - 1
    tables = (place_TK.flatten(), squared_TK.flatten() / length**2, bit_TT.T)
    return _NearestPlaces(place_TK.shape[1], *(table.contiguous().to(device) for table in tables))
