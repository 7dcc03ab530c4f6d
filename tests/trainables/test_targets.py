"""Training targets and the loss against them."""

import math

import pytest
import torch
from torch.nn import functional as F

from trainables.targets import (
    global_soft_label,
    mix_targets,
    smooth_one_hot,
    soft_target_binary_cross_entropy,
    soft_target_cross_entropy,
    soft_target_loss,
)


def logits_and_labels(batch: int = 8, classes: int = 10):
    generator = torch.Generator().manual_seed(0)
    logits_NC = 3 * torch.randn(batch, classes, generator=generator)
    return logits_NC, torch.randint(classes, (batch,), generator=generator)


def test_smoothing_by_hand() -> None:
    targets = smooth_one_hot(torch.tensor([1]), 4, 0.2)
    torch.testing.assert_close(targets, torch.tensor([[0.05, 0.85, 0.05, 0.05]]))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9, 1.0])
def test_smoothed_cross_entropy_is_torchs(smoothing: float) -> None:
    logits, labels = logits_and_labels()
    ours = soft_target_cross_entropy(logits, smooth_one_hot(labels, 10, smoothing))
    theirs = F.cross_entropy(logits, labels, label_smoothing=smoothing)
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-6)


def test_smoothing_commutes_with_mixing() -> None:
    _, labels = logits_and_labels()
    permutation, lam, smoothing = torch.arange(7, -1, -1), 0.3, 0.2
    smoothed_first = mix_targets(smooth_one_hot(labels, 10, smoothing), permutation, lam)
    mixed_first = mix_targets(smooth_one_hot(labels, 10, 0.0), permutation, lam)
    mixed_first = (1 - smoothing) * mixed_first + smoothing / 10
    torch.testing.assert_close(smoothed_first, mixed_first, atol=1e-7, rtol=0)


@pytest.mark.parametrize("lam", [0.0, 0.3, 1.0])
def test_two_cross_entropies_are_the_one_with_the_mixed_target(lam: float) -> None:
    logits, labels = logits_and_labels()
    permutation = torch.arange(8).roll(3)
    mixed = mix_targets(smooth_one_hot(labels, 10, 0.0), permutation, lam)
    own, partner = F.cross_entropy(logits, labels), F.cross_entropy(logits, labels[permutation])
    two = lam * own + (1 - lam) * partner
    torch.testing.assert_close(soft_target_cross_entropy(logits, mixed), two, atol=1e-6, rtol=1e-6)


def test_mixed_targets_take_one_lam_per_sample() -> None:
    targets = mix_targets(torch.eye(2), torch.tensor([1, 0]), torch.tensor([0.25, 1.0]))
    assert targets.tolist() == [[0.25, 0.75], [0.0, 1.0]]


def test_a_saturated_global_label_is_bounded_by_the_sigmoid() -> None:
    logits = torch.full((1, 10), -50.0)
    logits[0, 3] = 50.0
    label = global_soft_label(logits)[0]
    assert label[3].item() == pytest.approx(math.e / (math.e + 9), abs=1e-6)
    assert label[3].item() == pytest.approx(0.23197, abs=5e-6)
    assert label[0].item() == pytest.approx(0.08534, abs=5e-6)


@pytest.mark.parametrize("classes", [2, 10, 100])
def test_zero_logits_give_the_uniform_global_label(classes: int) -> None:
    label = global_soft_label(torch.zeros(1, classes))
    torch.testing.assert_close(label, torch.full((1, classes), 1 / classes))


def test_the_cross_entropys_gradient_reaches_the_targets() -> None:
    logits, labels = logits_and_labels()
    targets = smooth_one_hot(labels, 10, 0.1).requires_grad_()
    soft_target_cross_entropy(logits, targets).backward()
    torch.testing.assert_close(targets.grad, -F.log_softmax(logits, dim=1) / 8)


def test_binary_cross_entropy_is_torchs_on_the_softmax_output() -> None:
    logits, labels = logits_and_labels()
    targets = mix_targets(smooth_one_hot(labels, 10, 0.0), torch.arange(8).roll(1), 0.4)
    ours = soft_target_binary_cross_entropy(logits, targets)
    theirs = F.binary_cross_entropy(logits.softmax(dim=1), targets)
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-5)


def test_losses_stay_finite_at_extreme_logits() -> None:
    logits = torch.tensor([[1e4, -1e4, 0.0]], requires_grad=True)
    for name in ("cross_entropy", "binary_cross_entropy"):
        for label in range(3):
            targets = smooth_one_hot(torch.tensor([label]), 3, 0.0)
            loss = soft_target_loss(name, logits, targets)
            (gradient,) = torch.autograd.grad(loss, logits)
            assert loss.isfinite() and gradient.isfinite().all()


def test_losses_are_computed_in_float32() -> None:
    logits, labels = logits_and_labels()
    targets = smooth_one_hot(labels, 10, 0.0)
    for name in ("cross_entropy", "binary_cross_entropy"):
        assert soft_target_loss(name, logits.bfloat16(), targets).dtype == torch.float32
