"""The mixed input: numbers by hand, invariants, then timm and torchvision."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import timm.data.mixup
import torch
from torchvision.transforms import v2

from trainables import mixing


def batch(images: int = 4, *, channels: int = 3, height: int = 16, width: int = 16):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(images, channels, height, width, generator=generator)


def reversal(images: int) -> torch.Tensor:
    return torch.arange(images - 1, -1, -1)


def test_mixup_by_hand() -> None:
    images = torch.tensor([1.0, 3.0]).reshape(2, 1, 1, 1)
    mixed = mixing.mixup(images, torch.tensor([1, 0]), 0.25)
    assert mixed.flatten().tolist() == [2.5, 1.5]


def test_lam_one_returns_the_original_batch_and_zero_the_partners() -> None:
    images, permutation = batch(), reversal(4)
    assert torch.equal(mixing.mixup(images, permutation, 1.0), images)
    assert torch.equal(mixing.mixup(images, permutation, 0.0), images[permutation])


def test_mixup_takes_one_lam_per_image() -> None:
    images, permutation = batch(), reversal(4)
    lam = torch.tensor([0.0, 0.3, 0.6, 1.0])
    mixed = mixing.mixup(images, permutation, lam)
    for index in range(4):
        alone = mixing.mixup(images, permutation, lam[index])
        assert torch.equal(mixed[index], alone[index])


def test_reversal_gives_timms_batch() -> None:
    images, labels = batch(), torch.tensor([0, 1, 2, 3])
    theirs = timm.data.mixup.Mixup(mixup_alpha=1.0, label_smoothing=0.0, num_classes=4)
    theirs._params_per_batch = lambda: (0.3, False)
    expected, _ = theirs(images.clone(), labels)
    torch.testing.assert_close(mixing.mixup(images, reversal(4), 0.3), expected)


def test_roll_by_one_gives_torchvisions_batch() -> None:
    images, labels = batch(), torch.tensor([0, 1, 2, 3])
    theirs = v2.MixUp(num_classes=4)
    theirs._dist = SimpleNamespace(sample=lambda shape: 0.3)
    expected, _ = theirs(images, labels)
    permutation = torch.arange(4).roll(1)
    torch.testing.assert_close(mixing.mixup(images, permutation, 0.3), expected)


@pytest.mark.parametrize("lam", [-0.1, 1.1, math.nan])
def test_a_lam_outside_its_range_is_refused(lam: float) -> None:
    images, permutation = batch(), reversal(4)
    with pytest.raises(ValueError, match=r"`lam` must be in \[0, 1\], but got"):
        mixing.mixup(images, permutation, lam)
    with pytest.raises(ValueError, match="`lam` must be"):
        mixing.cutmix_box(16, 16, lam, torch.tensor([3, 3]))
    with pytest.raises(ValueError, match="`lam` must be"):
        mixing.puzzlemix(images, permutation, torch.ones(4, 16, 16), lam, blocks=2)


def test_shapes_that_do_not_fit_are_refused() -> None:
    images = batch()
    with pytest.raises(ValueError, match="permutation"):
        mixing.mixup(images, reversal(3), 0.5)
    with pytest.raises(ValueError, match="floating point of shape"):
        mixing.mixup(images[0], reversal(3), 0.5)
    with pytest.raises(ValueError, match="torch.uint8"):
        mixing.mixup(images.to(torch.uint8), reversal(4), 0.5)


def test_cutmix_box_by_hand() -> None:
    box = mixing.cutmix_box(32, 32, 0.75, torch.tensor([10, 30]))  # side 16
    assert [int(edge) for edge in box] == [2, 22, 18, 32]


def test_cutmix_pastes_the_box_and_counts_its_area() -> None:
    images = torch.arange(2.0).reshape(2, 1, 1, 1).expand(2, 1, 4, 4)
    box = tuple(torch.tensor(edge) for edge in (1, 0, 3, 2))
    mixed, lam = mixing.cutmix(images, torch.tensor([1, 0]), box)
    assert mixed[0, 0].tolist() == [[0, 0, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]]
    assert lam == 0.75
    assert mixed[0].mean() == 1 - lam


@pytest.mark.parametrize(("lam", "whole"), [(1.0, True), (0.0, False)])
def test_the_ends_of_lam_cut_nothing_and_all(lam: float, whole: bool) -> None:
    images, permutation = batch(), reversal(4)
    box = mixing.cutmix_box(16, 16, lam, torch.tensor([8, 8]))
    mixed, area_lam = mixing.cutmix(images, permutation, box)
    assert torch.equal(mixed, images if whole else images[permutation])
    assert area_lam == lam


CENTERS = [(0, 0), (31, 47), (16, 20), (5, 40)]


@pytest.mark.parametrize("center", CENTERS)
@pytest.mark.parametrize("sixteenths", [0, 2, 6, 10, 14, 16])
def test_cutmix_box_is_timms(
    center: tuple[int, int], sixteenths: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Sides of an even number of pixels: of an odd one the original and torchvision drop the last,
    # and newer versions of timm keep it.
    lam = 1 - (sixteenths / 16) ** 2
    draws = iter(center)
    monkeypatch.setattr(np.random, "randint", lambda *args, **kwargs: next(draws))
    top, bottom, left, right = timm.data.mixup.rand_bbox((2, 3, 32, 48), lam)
    box = mixing.cutmix_box(32, 48, lam, torch.tensor(center))
    assert [int(edge) for edge in box] == [top, left, bottom, right]


@pytest.mark.parametrize("center", CENTERS)
@pytest.mark.parametrize("lam", [0.0, 0.1, 0.37, 0.5, 0.99])
def test_cutmix_is_torchvisions(
    center: tuple[int, int], lam: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = batch(height=32, width=48)
    theirs = v2.CutMix(num_classes=4)
    theirs._dist = SimpleNamespace(sample=lambda shape: lam)
    draws = iter(center[::-1])  # the column first
    monkeypatch.setattr(torch, "randint", lambda *args, **kwargs: torch.tensor([next(draws)]))
    expected, targets = theirs(images, torch.arange(4))
    box = mixing.cutmix_box(32, 48, lam, torch.tensor(center))
    mixed, area_lam = mixing.cutmix(images, torch.arange(4).roll(1), box)
    assert torch.equal(mixed, expected)
    assert targets[0, 0].item() == pytest.approx(area_lam.item(), abs=1e-6)


def puzzle_arguments(images: int = 8, *, height: int = 32, width: int = 32):
    generator = torch.Generator().manual_seed(1)
    saliency = torch.rand(images, height, width, generator=generator) ** 4
    return batch(images, height=height, width=width), reversal(images), saliency


@pytest.mark.parametrize("solver", ["belief_propagation", "exact"])
@pytest.mark.parametrize("transport", ["none", "block", 1, 4])
def test_puzzlemix_lam_is_the_share_of_the_own_image(solver: str, transport: str | int) -> None:
    _, permutation, saliency = puzzle_arguments()
    permutation = torch.tensor([4, 5, 6, 7, 0, 1, 2, 3])
    images = torch.tensor([1.0] * 4 + [0.0] * 4).reshape(8, 1, 1, 1).expand(8, 3, 32, 32)
    mixed, lam = mixing.puzzlemix(
        images, permutation, saliency, 0.4, blocks=8, solver=solver, transport=transport
    )
    torch.testing.assert_close(mixed[:4].mean(dim=(1, 2, 3)), lam[:4])
    torch.testing.assert_close(mixed[4:].mean(dim=(1, 2, 3)), 1 - lam[4:])
    assert set(mixed.unique().tolist()) <= {0.0, 0.5, 1.0}


def test_puzzlemix_of_an_image_with_itself_is_the_image() -> None:
    images, _, saliency = puzzle_arguments()
    mixed, _ = mixing.puzzlemix(images, torch.arange(8), saliency, 0.3, blocks=4, transport="none")
    torch.testing.assert_close(mixed, images)


def test_puzzlemix_shows_more_of_the_own_image_the_greater_lam_is() -> None:
    images, permutation, saliency = puzzle_arguments()
    shares = [
        mixing.puzzlemix(images, permutation, saliency, lam, blocks=8)[1].mean().item()
        for lam in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    assert shares == sorted(shares)
    assert shares[0] < 0.2 and shares[-1] > 0.8


def test_puzzlemix_takes_one_lam_per_image() -> None:
    images, permutation, saliency = puzzle_arguments()
    _, together = mixing.puzzlemix(
        images, permutation, saliency, torch.linspace(0.1, 0.9, 8), blocks=4
    )
    for index, lam in enumerate(torch.linspace(0.1, 0.9, 8)):
        _, alone = mixing.puzzlemix(images, permutation, saliency, lam, blocks=4)
        assert together[index] == alone[index]


def test_puzzlemix_ignores_the_scale_of_the_saliency_and_bears_none() -> None:
    images, permutation, saliency = puzzle_arguments()
    mixed, lam = mixing.puzzlemix(images, permutation, saliency, 0.6, blocks=4)
    scaled, _ = mixing.puzzlemix(images, permutation, 2**-20 * saliency, 0.6, blocks=4)
    assert torch.equal(mixed, scaled)
    flat, lam = mixing.puzzlemix(0 * images, permutation, 0 * saliency, 0.6, blocks=4)
    assert torch.equal(flat, 0 * images) and lam.isfinite().all()


@pytest.mark.parametrize(
    ("size", "blocks"), [((28, 28), 4), ((28, 28), 14), ((32, 64), 8), ((8, 8), 8), ((5, 7), 1)]
)
def test_puzzlemix_takes_any_size_that_the_blocks_divide(
    size: tuple[int, int], blocks: int
) -> None:
    images, permutation, saliency = puzzle_arguments(3, height=size[0], width=size[1])
    mixed, lam = mixing.puzzlemix(images, permutation, saliency, 0.5, blocks=blocks)
    assert mixed.shape == images.shape and lam.shape == (3,)
    assert mixed.isfinite().all()


@pytest.mark.parametrize(("size", "blocks"), [(28, 8), (8, 16), (32, 0), (32, 3)])
def test_puzzlemix_refuses_blocks_that_do_not_fit(size: int, blocks: int) -> None:
    images, permutation, saliency = puzzle_arguments(2, height=size, width=size)
    message = f"`blocks` must divide .* got blocks={blocks} and {size}x{size} pixels"
    with pytest.raises(ValueError, match=message):
        mixing.puzzlemix(images, permutation, saliency, 0.5, blocks=blocks)


def test_puzzlemix_refuses_a_saliency_of_another_shape() -> None:
    images, permutation, saliency = puzzle_arguments()
    with pytest.raises(ValueError, match="saliency must have the shape"):
        mixing.puzzlemix(images, permutation, saliency[:, 1:], 0.5, blocks=4)


def test_puzzlemix_pastes_other_images_under_the_same_mask() -> None:
    images, permutation, saliency = puzzle_arguments()
    options = {"blocks": 4, "transport": "none"}
    mixed, lam = mixing.puzzlemix(images, permutation, saliency, 0.5, **options)
    ones, zeros = torch.ones_like(images), torch.zeros_like(images)
    mask, same_lam = mixing.puzzlemix(
        images, permutation, saliency, 0.5, pasted=(ones, zeros), **options
    )
    assert torch.equal(lam, same_lam)
    torch.testing.assert_close(mixed, mask * images + (1 - mask) * images[permutation])


@pytest.mark.parametrize("solver", ["belief_propagation", "exact"])
def test_puzzlemix_bears_the_saliency_of_a_network_that_diverged(solver: str) -> None:
    images, permutation, saliency = puzzle_arguments()
    _, lam = mixing.puzzlemix(
        images, permutation, saliency * torch.nan, 0.5, blocks=4, solver=solver
    )
    assert lam.isfinite().all()
