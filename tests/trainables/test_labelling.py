"""PuzzleMix's mask as a labelling problem: the exact solver, the fast one, and the energy."""

import itertools

import pytest
import torch
from torch.nn import functional as F

from trainables.mixing.labelling import GridEnergy, belief_propagation, exact_labelling
from trainables.mixing.puzzlemix import mask_energy


def random_energy(grids: int, side: int, *, seed: int) -> GridEnergy:
    generator = torch.Generator().manual_seed(seed)
    unary_3NRC = torch.rand((3, grids, side, side), generator=generator)
    weights = 2 * torch.rand((2, grids, side, side), generator=generator)
    below_NRC, right_NRC = weights * torch.rand((1, grids, 1, 1), generator=generator)
    below_NRC[:, -1], right_NRC[:, :, -1] = 0, 0
    return GridEnergy(unary_3NRC, below_NRC, right_NRC)


def least_energy(energy: GridEnergy) -> torch.Tensor:
    """The least over all labellings of 3x3 grids, by looking at each of the 3^9."""
    labels_LRC = torch.tensor(list(itertools.product(range(3), repeat=9))).reshape(-1, 3, 3)
    one_hot = F.one_hot(labels_LRC, 3).double().permute(3, 1, 2, 0)
    below, right = (labels_LRC.diff(dim=dim).square().double() / 4 for dim in (1, 2))
    energies_NL = torch.einsum("knrc,krcl->nl", energy.unary_3NRC.double(), one_hot)
    energies_NL += energy.below_NRC[:, :-1].double().flatten(1) @ below.flatten(1).T
    energies_NL += energy.right_NRC[:, :, :-1].double().flatten(1) @ right.flatten(1).T
    return energies_NL.min(dim=1).values


def puzzle_problem(blocks: int, lam: float, *, images: int = 64, seed: int = 0):
    """Smooth random images with patches of saliency; returns the arguments of `mask_energy`."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(images, 3, 8, 8, generator=generator)
    noise = torch.randn(images, 3, 32, 32, generator=generator)
    pixels = F.interpolate(coarse, size=32, mode="bicubic") + 0.3 * noise
    fine = torch.randn(images, 1, 36, 36, generator=generator).square()
    envelope = torch.rand(images, 1, 6, 6, generator=generator)
    envelope = F.interpolate(envelope, size=36, mode="bilinear").square()
    saliency = F.avg_pool2d(fine * envelope, 5, stride=1).squeeze(1)
    permutation = torch.randperm(images, generator=generator)
    return (pixels, permutation, saliency, lam), {"blocks": blocks}


def test_energy_of_a_labelling_worked_by_hand() -> None:
    energy = GridEnergy(
        unary_3NRC=torch.tensor([[[[1.0, 2.0]]], [[[10.0, 20.0]]], [[[100.0, 200.0]]]]),
        below_NRC=torch.zeros(1, 1, 2),
        right_NRC=torch.tensor([[[0.4, 0.0]]]),
    )
    values = [energy.of(torch.tensor([[labels]])).item() for labels in ([0, 0], [0, 1], [0, 2])]
    assert values == pytest.approx([3.0, 21.1, 201.4])


def test_exact_labelling_equals_brute_force() -> None:
    energy = random_energy(1000, 3, seed=0)
    torch.testing.assert_close(energy.of(exact_labelling(energy)), least_energy(energy).float())


def test_exact_labelling_needs_no_convex_costs_and_no_positive_ones() -> None:
    energy = random_energy(50, 3, seed=1)
    energy = GridEnergy(-5 * energy.unary_3NRC, energy.below_NRC, energy.right_NRC)
    torch.testing.assert_close(energy.of(exact_labelling(energy)), least_energy(energy).float())


def test_both_solvers_choose_each_block_alone_where_nothing_joins_them() -> None:
    unary_3NRC = torch.tensor([[0.0, 5, 6], [1, 4, 4], [2, 4.5, 3]]).reshape(3, 1, 1, 3)
    energy = GridEnergy(unary_3NRC, torch.zeros(1, 1, 3), torch.zeros(1, 1, 3))
    for solver in (exact_labelling, belief_propagation):
        assert solver(energy).tolist() == [[[0, 1, 2]]]


@pytest.mark.parametrize("blocks", [2, 4, 8, 16])
def test_belief_propagation_comes_near_the_least_energy(blocks: int) -> None:
    for seed, lam in enumerate((0.05, 0.5, 0.8)):
        arguments, options = puzzle_problem(blocks, lam, seed=seed)
        energy = mask_energy(*arguments, **options)
        best, fast = exact_labelling(energy), belief_propagation(energy)
        least, reached = energy.of(best), energy.of(fast)
        assert (reached >= least * (1 - 1e-5)).all()
        assert reached.mean() <= 1.001 * least.mean()
        ratio_gap = (best.float().mean(dim=(1, 2)) - fast.float().mean(dim=(1, 2))).abs() / 2
        assert ratio_gap.mean() < 0.01
        assert (best == fast).float().mean() > 0.98


def test_a_grid_is_solved_alike_alone_and_in_a_batch() -> None:
    arguments, options = puzzle_problem(8, 0.4, images=8)
    energy = mask_energy(*arguments, **options)
    alone = GridEnergy(energy.unary_3NRC[:, 3:4], energy.below_NRC[3:4], energy.right_NRC[3:4])
    for solver in (exact_labelling, belief_propagation):
        assert torch.equal(solver(energy)[3:4], solver(alone))


def test_energy_is_that_of_the_pixels_across_the_border() -> None:
    """Two equal rows of two blocks of a pixel: what pairs side by side cost, worked by hand."""
    own, partner = torch.tensor([0.0, 0.5]), torch.tensor([1.0, 0.25])
    images = torch.stack((own, partner)).reshape(2, 1, 1, 2).expand(2, 1, 2, 2).contiguous()
    energy = mask_energy(
        images, torch.tensor([1, 0]), torch.ones(2, 2, 2), 0.5, blocks=2, prior_weight=0.0
    )
    beta = 1.2 / 2 / 16

    def pair_cost(left: torch.Tensor, right: torch.Tensor) -> float:
        return beta * 0.5 * (left[0] - right[1]).abs().item()

    def value(left: int, right: int) -> float:
        labels_RC = torch.tensor([[left, right], [left, right]])
        return energy.of(labels_RC.expand(2, -1, -1))[0].item()

    base = value(0, 0) - 2 * pair_cost(own, own)
    for left, right in itertools.product((0, 2), repeat=2):
        shown = [own if label == 0 else partner for label in (left, right)]
        unlike = 2 * beta if left != right else 0.0
        expected = base + 2 * pair_cost(*shown) + unlike
        assert value(left, right) == pytest.approx(expected, abs=1e-6)


def test_edges_do_not_depend_on_the_normalisation() -> None:
    (images, *rest), options = puzzle_problem(4, 0.3, images=8)
    mean, std = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([2.0, 3.0, 0.5])
    shifted = (images - mean.reshape(3, 1, 1)) / std.reshape(3, 1, 1)
    energy, same = mask_energy(images, *rest, **options), mask_energy(shifted, *rest, **options)
    torch.testing.assert_close(energy.below_NRC, same.below_NRC)
    torch.testing.assert_close(energy.unary_3NRC, same.unary_3NRC)
