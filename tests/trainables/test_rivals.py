"""The rivals of LaMix, each against numbers by hand or another implementation of its parts."""

import copy
from functools import cache

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lamix_study.testing.contract import seeded
from lamix_study.testing.regularizers import CLASSES, make, make_batch
from tests.trainables.test_training import train
from trainables.checkpoints import open_checkpoints
from trainables.mixing import cutmix, cutmix_box
from trainables.regularizers.confidence_penalty import mean_entropy
from trainables.regularizers.fmix import largest_share, low_frequency_image
from trainables.regularizers.resizemix import paste_resized
from trainables.regularizers.saliencymix import most_salient_pixels
from trainables.targets import soft_target_binary_cross_entropy
from trainables.training import Trainer
from trainables.training_step import StepCache


def comparison_of(regularizer: nn.Module, net: nn.Module, *, images: int = 4, step: int = 0):
    """Return a batch and what the regularizer compares of it."""
    images_NCHW, labels_N = make_batch(images)
    variant = regularizer.variant(step, seed=0)
    batch = regularizer.batch(images_NCHW, labels_N, variant=variant, generator=seeded())
    return batch, regularizer.compare(net, batch)


# Any loss for any regularizer


@pytest.mark.parametrize("name", ["vanilla", "mixup", "cutmix", "manifold_mixup", "fmix"])
def test_every_regularizer_trains_by_the_loss_of_its_settings(name: str) -> None:
    net, regularizer = make({"name": name, "loss": "binary_cross_entropy"})
    _, compared = comparison_of(regularizer, net)
    loss = regularizer.loss(net, *make_batch(4), step=0, generator=seeded())
    expected = soft_target_binary_cross_entropy(compared.logits_NC, compared.targets_NC)
    torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize(("classes", "share"), [(10, 0.111), (100, 0.0101)])
def test_the_binary_loss_begins_with_a_small_share_of_the_gradient(classes, share) -> None:
    logits_NC = torch.zeros(1, classes, requires_grad=True)
    targets_NC = torch.eye(classes)[:1]
    soft_target_binary_cross_entropy(logits_NC, targets_NC).backward()
    binary = logits_NC.grad.norm()
    logits_NC.grad = None
    F.cross_entropy(logits_NC, targets_NC).backward()
    assert float(binary / logits_NC.grad.norm()) == pytest.approx(share, rel=0.01)


# Confidence penalty


def test_the_entropy_of_a_uniform_prediction_is_the_logarithm_of_the_classes() -> None:
    assert float(mean_entropy(torch.zeros(3, 10))) == pytest.approx(2.302585)


def test_the_confidence_penalty_is_the_loss_less_a_share_of_the_entropy() -> None:
    # Two classes with p = (.8, .2): the loss is -ln .8 = .2231, the entropy .5004 nats.
    net, regularizer = make({"name": "confidence_penalty", "weight": 0.1})
    logits_NC = torch.full((1, CLASSES), -100.0)
    logits_NC[0, :2] = torch.tensor([0.8, 0.2]).log()
    net.forward = lambda images: logits_NC
    images_NCHW, _ = make_batch(1)
    loss = regularizer.loss(
        net, images_NCHW, torch.zeros(1, dtype=torch.int64), step=0, generator=seeded()
    )
    assert float(loss) == pytest.approx(0.22314 - 0.1 * 0.50040, abs=1e-5)


# Online label smoothing


def test_the_soft_label_is_the_mean_of_the_right_predictions_of_the_last_epoch() -> None:
    net, regularizer = make({"name": "online_label_smoothing"})
    # Of class 0 two images are right, with .6 and .8 for it, and one is wrong; of class 1 none is.
    p_NC = torch.full((4, CLASSES), 0.0)
    p_NC[0, :2], p_NC[1, :2] = torch.tensor([0.6, 0.4]), torch.tensor([0.8, 0.2])
    p_NC[2, 2], p_NC[3, 2] = 1.0, 1.0
    labels_N = torch.tensor([0, 0, 0, 1])
    net.forward = lambda images: p_NC.clamp_min(1e-30).log()
    images_NCHW, _ = make_batch(4)
    step = {"step": 0, "generator": seeded()}
    uniform = F.cross_entropy(net(images_NCHW), 0.5 * torch.eye(CLASSES)[labels_N] + 0.05)
    loss = regularizer.loss(net, images_NCHW, labels_N, **step)
    torch.testing.assert_close(loss, uniform)  # the first epoch's table is uniform
    regularizer.begin_epoch(net, epoch=2, epochs=3)
    expected = torch.zeros(CLASSES)
    expected[:2] = torch.tensor([0.7, 0.3])
    torch.testing.assert_close(regularizer.soft_labels_CC[0], expected)
    torch.testing.assert_close(regularizer.soft_labels_CC[1], torch.full((CLASSES,), 0.1))
    assert not regularizer.counts_C.any() and not regularizer.sums_CC.any()
    batch = regularizer.batch(images_NCHW, labels_N, variant=None, generator=seeded())
    target_C = regularizer.compare(net, batch).targets_NC[0]
    torch.testing.assert_close(target_C[:2], torch.tensor([0.85, 0.15]))


def test_comparing_leaves_no_trace_in_the_sums() -> None:
    net, regularizer = make({"name": "online_label_smoothing"})
    before = copy.deepcopy(regularizer.state_dict())
    comparison_of(regularizer, net, images=64)
    for name, value in regularizer.state_dict().items():
        assert torch.equal(value, before[name]), name


# Self-distillation


def test_the_teacher_is_the_network_of_the_last_epoch_and_its_share_grows() -> None:
    net, regularizer = make({"name": "self_distillation", "last_share": 0.8})
    batch, first = comparison_of(regularizer, net)
    regularizer.begin_epoch(net, epoch=1, epochs=4)
    assert torch.equal(first.targets_NC, batch.targets_NC)
    regularizer.begin_epoch(net, epoch=2, epochs=4)  # α = .8 · 2/4 = .4
    teacher = copy.deepcopy(net).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(0.5)
        predicted_NC = torch.softmax(teacher(batch.images_NCHW), dim=1)
    _, second = comparison_of(regularizer, net)
    torch.testing.assert_close(second.targets_NC, 0.6 * batch.targets_NC + 0.4 * predicted_NC)
    assert net.training


def test_the_teacher_is_no_parameter_and_part_of_a_checkpoint() -> None:
    net, regularizer = make({"name": "self_distillation"}, network="preact_resnet18")
    assert not list(regularizer.parameters())
    kept = sum(t.numel() for t in regularizer.state_dict().values())
    assert kept == 1 + sum(t.numel() for t in net.state_dict().values())


def test_the_teacher_learns_nothing_of_the_batch() -> None:
    net, regularizer = make({"name": "self_distillation"}, network="preact_resnet18")
    regularizer.begin_epoch(net, epoch=2, epochs=4)
    before = copy.deepcopy(regularizer.state_dict())
    statistics = net.stages[0][1].num_batches_tracked.clone()
    regularizer.loss(net, *make_batch(8), step=0, generator=seeded()).backward()
    assert net.stages[0][1].num_batches_tracked == statistics + 1  # by the student's pass alone
    for name, value in regularizer.state_dict().items():
        assert torch.equal(value, before[name]), name


# Both of them keep something from epoch to epoch


def online_trial(name: str) -> dict:
    # A teacher has statistics of BatchNorm too; a table of labels does not care.
    network = "preact_resnet18" if name == "self_distillation" else "lenet"
    return {
        "dataset": {"name": "digits", "train_images": 150, "test_images": 50},
        "network": {"name": network, **({"width": 4} if network != "lenet" else {})},
        "regularizer": {"name": name},
        "training": {"epochs": 4, "batch_size": 16, "learning_rate": 0.05, "milestones": [2]},
    }


@cache
def undisturbed(name: str) -> list[dict[str, float]]:
    return train(Trainer(online_trial(name), seed=1))


@pytest.mark.parametrize("name", ["online_label_smoothing", "self_distillation"])
@pytest.mark.parametrize(("epochs", "steps"), [(1, 0), (2, 0), (1, 3), (2, 5)])
def test_a_trial_restored_anywhere_equals_one_that_ran_through(
    name: str, epochs: int, steps: int, tmp_path
) -> None:
    config = online_trial(name)
    before = Trainer(config, seed=1)
    for _ in range(epochs):
        before.train_epoch()
    left = iter(range(steps - 1))
    if steps:
        assert before.train_epoch(pause=lambda: next(left, None) is None) is None
    store = open_checkpoints(str(tmp_path))
    store.save("key", before.state_dict())
    after = Trainer(config, seed=1)
    after.load_state_dict(store.load("key"))
    assert train(after) == undisturbed(name)


@pytest.mark.parametrize("name", ["online_label_smoothing", "self_distillation"])
def test_a_trial_takes_nothing_over_of_what_the_last_one_has_kept(name: str) -> None:
    warmth = StepCache()
    config = {**online_trial(name), "regularizer": {"name": name, "smoothing": 0.1}}
    last = Trainer(config, seed=2, warmth=warmth)
    for _ in range(2):
        last.train_epoch()
    after = Trainer(online_trial(name), seed=1, warmth=warmth)
    assert after.step is last.step
    assert train(after) == undisturbed(name)


@pytest.mark.parametrize("name", ["online_label_smoothing", "self_distillation"])
def test_what_is_kept_changes_the_targets_from_the_second_epoch_on(name: str) -> None:
    plain = Trainer(online_trial(name), seed=1)
    plain.regularizer.begin_epoch = lambda network, *, epoch, epochs: None
    kept, never = undisturbed(name), train(plain)
    assert kept[0] == never[0] and kept[1] != never[1]


@pytest.mark.parametrize("name", ["online_label_smoothing", "self_distillation"])
def test_diagnostics_change_nothing_of_a_trial_that_keeps_something(name: str) -> None:
    config = online_trial(name)
    watched = Trainer({**config, "diagnostics": {"soft_targets": True, "images": 8}}, seed=1)
    assert train(watched) == undisturbed(name)


# Where the partner goes


def test_a_resized_partner_is_that_of_interpolate_at_its_place() -> None:
    images_NCHW, _ = make_batch(3, size=16)
    permutation_N = torch.tensor([1, 2, 0])
    box = tuple(torch.tensor(edge) for edge in (2, 5, 9, 15))
    mixed_NCHW, lam = paste_resized(images_NCHW, permutation_N, box)
    pasted = F.interpolate(images_NCHW[permutation_N], (7, 10), mode="bilinear")
    expected = images_NCHW.clone()
    expected[:, :, 2:9, 5:15] = pasted
    torch.testing.assert_close(mixed_NCHW, expected)
    assert float(lam) == pytest.approx(1 - 70 / 256)


def test_resizemix_pastes_between_a_tenth_and_eight_tenths_of_the_side() -> None:
    net, regularizer = make({"name": "resizemix"})
    images_NCHW, labels_N = make_batch(2)
    sides = set()
    for seed in range(300):
        batch = regularizer.batch(images_NCHW, labels_N, variant=None, generator=seeded(seed))
        top, left, bottom, right = (int(edge) for edge in regularizer._draw_box(batch))
        assert 0 <= top < bottom <= 32 and 0 <= left < right <= 32
        assert bottom - top == right - left
        sides.add(bottom - top)
    assert sides == set(range(3, 26))  # int(32 · τ), τ from .1 to .8


def test_the_mask_of_fmix_has_the_largest_pixels_and_whole_pixels_of_lam() -> None:
    image_HW = torch.tensor([[0.1, 0.9], [0.5, 0.3]])
    own_HW, lam = largest_share(image_HW, torch.tensor(0.6))  # 2.4 pixels
    assert own_HW.tolist() == [[False, True], [True, False]]
    assert float(lam) == 0.5
    for lam in (0.0, 1.0):
        own_HW, share = largest_share(image_HW, torch.tensor(lam))
        assert bool(own_HW.all()) is bool(lam) and float(share) == lam


def test_the_greater_the_decay_the_smoother_the_image() -> None:
    def roughness(decay: float) -> float:
        image_HW = low_frequency_image(32, 32, decay=decay, generator=seeded())
        return float(image_HW.diff(dim=0).square().mean() / image_HW.var())

    # White noise differs from its neighbour by twice its variance.
    assert roughness(0.0) == pytest.approx(2, rel=0.15)
    assert roughness(0.0) > 2 * roughness(1.0) > 10 * roughness(3.0)


def test_the_most_salient_pixel_lies_on_what_stands_out() -> None:
    images_NCHW = 0.01 * torch.randn(2, 3, 32, 32, generator=seeded())
    images_NCHW[0, :, 20:23, 8:11] += 1
    images_NCHW[1, :, 5:8, 25:28] -= 1
    (y0, x0), (y1, x1) = most_salient_pixels(images_NCHW).tolist()
    assert abs(y0 - 21) <= 2 and abs(x0 - 9) <= 2
    assert abs(y1 - 6) <= 2 and abs(x1 - 26) <= 2


def test_boxes_for_each_image_are_those_of_each_image_alone() -> None:
    images_NCHW, _ = make_batch(3)
    permutation_N = torch.tensor([2, 0, 1])
    centers_N2 = torch.tensor([[0, 0], [16, 20], [31, 5]])
    lam = torch.tensor(0.7)
    mixed_NCHW, lam_N = cutmix(images_NCHW, permutation_N, cutmix_box(32, 32, lam, centers_N2))
    for n in range(3):
        alone_NCHW, lam_alone = cutmix(
            images_NCHW, permutation_N, cutmix_box(32, 32, lam, centers_N2[n])
        )
        assert torch.equal(mixed_NCHW[n], alone_NCHW[n]) and lam_N[n] == lam_alone


def test_saliencymix_with_probability_zero_is_vanilla() -> None:
    net, regularizer = make({"name": "saliencymix", "probability": 0.0})
    _, vanilla = make({"name": "vanilla"})
    losses = [
        r.loss(net, *make_batch(8), step=0, generator=seeded()) for r in (regularizer, vanilla)
    ]
    torch.testing.assert_close(*losses)


@pytest.mark.parametrize(("probability", "other"), [(0.0, "mixup"), (1.0, "cutmix")])
def test_switching_never_or_always_is_mixup_or_cutmix(probability: float, other: str) -> None:
    net, regularizer = make({"name": "mixup_cutmix", "switch_probability": probability})
    _, alone = make({"name": other})
    batch = make_batch(8)
    losses = [r.loss(net, *batch, step=3, generator=seeded()) for r in (regularizer, alone)]
    assert torch.equal(*losses)


def test_half_of_the_batches_are_cutmix() -> None:
    _, regularizer = make({"name": "mixup_cutmix"})
    drawn = [regularizer.variant(step, seed=7) for step in range(1000)]
    assert set(drawn) == {"mixup", "cutmix"}
    assert 430 < drawn.count("cutmix") < 570


# LaMix


def test_lamix_may_leave_original_batches_their_own_labels() -> None:
    net, regularizer = make({"name": "lamix", "soften_originals": False})
    batch, original = comparison_of(regularizer, net, step=0)
    assert torch.equal(original.targets_NC, batch.targets_NC)
    _, mixed = comparison_of(regularizer, net, step=1)
    _, softened = make({"name": "lamix"})
    _, expected = comparison_of(softened, net, step=1)
    torch.testing.assert_close(mixed.targets_NC, expected.targets_NC)
