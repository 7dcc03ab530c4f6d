"""Labels on a grid of blocks that cost the least: PuzzleMix's mask as a problem of its own.

Kim et al. 2020, arXiv:2009.06962, Section 4.1. The label l in {0, 1, 2} of a block stands for the
share 1 − l/2 of its own image in the mixture. The energy of a labelling is

    E(l) = Σ_s D_s(l_s) + Σ_(s,t) w_st · (l_s − l_t)² / 4

over the blocks s and the pairs (s, t) of neighbours. The smoothness (l_s − l_t)² is convex in the
difference, so one minimum cut finds the least energy (Ishikawa 2003); the authors' own solver, a
sequence of swaps, only approaches it.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

LABELS = 3


@dataclass(frozen=True)
class GridEnergy:
    """The energies of a batch of grids of R rows and C columns."""

    unary_3NRC: Tensor
    """D: what each label costs each block."""
    below_NRC: Tensor
    """w ≥ 0 of each block with the one below it; zero in the last row."""
    right_NRC: Tensor
    """w ≥ 0 of each block with the one to its right; zero in the last column."""

    def of(self, labels_NRC: Tensor) -> Tensor:
        """Return the energy of a labelling of each grid, shape (N,)."""
        unary_NRC = self.unary_3NRC.gather(0, labels_NRC.unsqueeze(0)).squeeze(0)
        below_NRC = self.below_NRC[:, :-1] * labels_NRC.diff(dim=1).square() / 4
        right_NRC = self.right_NRC[:, :, :-1] * labels_NRC.diff(dim=2).square() / 4
        unary_N, below_N, right_N = (
            term_NRC.sum(dim=(1, 2)) for term_NRC in (unary_NRC, below_NRC, right_NRC)
        )
        return unary_N + below_N + right_N


def exact_labelling(energy: GridEnergy) -> Tensor:
    """Return a labelling of the least energy, labels_NRC, by one minimum cut for each grid.

    It works on the CPU, whatever the device. Costs are rounded to integers of about 2^-29 of all
    costs of the grid together: the energy is the least to 2e-6 of that sum at 16x16 blocks.
    """
    grids = (energy.unary_3NRC.unbind(1), energy.below_NRC, energy.right_NRC)
    arrays = ((part.double().cpu().numpy() for part in parts) for parts in zip(*grids, strict=True))
    labels = np.stack([_minimum_cut(*grid) for grid in arrays])
    return torch.from_numpy(labels).to(energy.unary_3NRC.device)


def _minimum_cut(unary: np.ndarray, below: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the labels (R, C) of one grid.

    Each block has two nodes, [l ≥ 1] and [l ≥ 2]; a node is true on the source's side of the cut.
    """
    # Late: SciPy takes a third of a second, which every trial's process would wait for.
    from scipy.sparse import coo_array, csr_array
    from scipy.sparse.csgraph import breadth_first_order, maximum_flow

    rows, columns = below.shape
    if not np.isfinite(unary).all():
        return np.zeros((rows, columns), dtype=np.int64)  # the network diverged; its loss says so
    block = np.arange(rows * columns).reshape(rows, columns)
    at_least_1, at_least_2 = 2 * block, 2 * block + 1
    source, sink = 2 * block.size, 2 * block.size + 1
    unary = unary - unary.min(axis=0)  # a constant per block changes no choice; capacities are ≥ 0
    # The flow is at most all that leaves the source, so neither it nor a residual passes int32.
    scale = 2.0**29 / max(unary.sum() + below.sum() + right.sum(), 1e-30)
    infinite = 2**30
    d0, d1, d2 = np.rint(scale * unary).astype(np.int64)
    edges = [
        (np.full_like(block, source), at_least_1, d0),  # cut: l = 0
        (at_least_1, at_least_2, d1),  # cut: l = 1
        (at_least_2, np.full_like(block, sink), d2),  # cut: l = 2
        (at_least_2, at_least_1, np.full_like(block, infinite)),  # l ≥ 2 means l ≥ 1
    ]
    pairs = (
        (np.s_[:-1, :], np.s_[1:, :], below[:-1, :]),
        (np.s_[:, :-1], np.s_[:, 1:], right[:, :-1]),
    )
    for first, second, weight in pairs:
        quarter = np.rint(scale * weight / 4).astype(np.int64)
        for here, there in ((first, second), (second, first)):
            edges += [  # together w/4 for labels that differ by one, w for 2 beside 0
                (at_least_1[here], at_least_1[there], quarter),
                (at_least_2[here], at_least_2[there], quarter),
                (at_least_2[here], at_least_1[there], 2 * quarter),
            ]
    start, end, capacity = (
        np.concatenate([part.ravel() for part in parts]) for parts in zip(*edges, strict=True)
    )
    shape = (sink + 1, sink + 1)
    capacities = csr_array(coo_array((capacity.astype(np.int32), (start, end)), shape=shape))
    residual = csr_array(capacities - maximum_flow(capacities, source, sink).flow)
    residual.eliminate_zeros()
    reached = np.zeros(sink + 1, dtype=np.int64)
    reached[breadth_first_order(residual, source, return_predecessors=False)] = 1
    labels: NDArray[np.int64] = reached[at_least_1] + reached[at_least_2]
    return labels


def belief_propagation(
    energy: GridEnergy, *, iterations: int = 30, damping: float = 0.2, appearance: float = 0.6
) -> Tensor:
    """Return a labelling of nearly the least energy, labels_NRC, for all grids at once.

    Damped tree-reweighted min-sum (Wainwright, Jaakkola and Willsky 2005), every message in every
    iteration; nothing waits for the device. The costs D must be convex in the label,
    D(0) − 2·D(1) + D(2) ≥ 0. Then all messages are, and a message is its two slopes
    m(1) − m(0) ≤ m(2) − m(1): two numbers in place of three, and the label of the least belief is
    the number of negative slopes.

    Args:
        energy: of grids on any device.
        iterations: how often each block hears from its four neighbours.
        damping: share of the old message that is kept, in [0, 1).
        appearance: ρ in (0, 1], the share of the trees that hold an edge. 1 is plain min-sum,
            which counts what returns in a circle as news; a spanning tree of a grid holds about
            half the edges, and a little more settles sooner.
    """
    # The grids go last: what neighbours tell each other then lies in long stretches of memory.
    slopes_2RCN = energy.unary_3NRC.diff(dim=0).movedim(1, 3).contiguous()
    quarter_4RCN = _weights_to_neighbours(energy).movedim(1, 3).contiguous() / (4 * appearance)
    smoothing = _Smoothing(quarter_4RCN)
    belief_2RCN = torch.empty_like(slopes_2RCN)
    heard_24RCN = torch.zeros_like(slopes_2RCN).unsqueeze(1).repeat(1, 4, 1, 1, 1)
    told_24RCN, untold_24RCN = torch.empty_like(heard_24RCN), torch.empty_like(heard_24RCN)
    passed = _passed_on(told_24RCN, heard_24RCN)

    def update_beliefs() -> None:
        torch.sum(heard_24RCN, dim=1, out=belief_2RCN)
        belief_2RCN.mul_(appearance).add_(slopes_2RCN)

    for _ in range(iterations):
        update_beliefs()
        # A block tells each neighbour what it believes but for what that neighbour told it.
        torch.sub(belief_2RCN.unsqueeze(1), heard_24RCN, out=untold_24RCN)
        smoothing.apply(untold_24RCN, out_24RCN=told_24RCN)
        for told, heard in passed:
            heard.lerp_(told, 1 - damping)
    update_beliefs()
    return (belief_2RCN < 0).sum(dim=0).movedim(2, 0).contiguous()


def _weights_to_neighbours(energy: GridEnergy) -> Tensor:
    """Return w of each block with the ones above, below, left and right; zero beyond the edge."""
    below_NRC, right_NRC = energy.below_NRC, energy.right_NRC
    above_NRC, left_NRC = below_NRC.roll(1, dims=1), right_NRC.roll(1, dims=2)
    return torch.stack((above_NRC, below_NRC, left_NRC, right_NRC))


def _passed_on(told_24RCN: Tensor, heard_24RCN: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return what blocks tell the neighbour on each side, each beside where that one hears it."""
    to_above, to_below, to_left, to_right = told_24RCN.unbind(1)
    from_above, from_below, from_left, from_right = heard_24RCN.unbind(1)
    return [
        (to_below[:, :-1], from_above[:, 1:]),
        (to_above[:, 1:], from_below[:, :-1]),
        (to_right[:, :, :-1], from_left[:, :, 1:]),
        (to_left[:, :, 1:], from_right[:, :, :-1]),
    ]


class _Smoothing:
    """Takes the slopes of convex functions h to those of min_i h(i) + w·(i − j)²/4.

    Minimising a sum of convex functions merges their slopes in order. The smoothness has −3u, −u,
    u and 3u with u = w/4; of all six the third and the fourth are those between labels 0, 1 and 2.
    """

    def __init__(self, quarter_4RCN: Tensor) -> None:
        """Take u, and the memory for what lies between: new memory costs as much as the sums."""
        self.u_4RCN, self.minus_u_4RCN = quarter_4RCN, -quarter_4RCN
        self.u3_4RCN, self.minus_u3_4RCN = 3 * quarter_4RCN, -3 * quarter_4RCN
        self.low_4RCN, self.high_4RCN = torch.empty_like(quarter_4RCN).repeat(2, 1, 1, 1, 1)

    def apply(self, slopes_24RCN: Tensor, *, out_24RCN: Tensor) -> None:
        """Write what becomes of slopes p ≤ q."""
        p_4RCN, q_4RCN = slopes_24RCN.unbind(0)
        third_4RCN, fourth_4RCN = out_24RCN.unbind(0)
        torch.clamp(q_4RCN, self.minus_u3_4RCN, self.minus_u_4RCN, out=self.low_4RCN)
        torch.clamp(p_4RCN, self.u_4RCN, self.u3_4RCN, out=self.high_4RCN)
        torch.clamp(p_4RCN, self.low_4RCN, self.u_4RCN, out=third_4RCN)
        torch.clamp(q_4RCN, self.minus_u_4RCN, self.high_4RCN, out=fourth_4RCN)
