"""The contract of every regularizer, joined by existing, then what each one promises."""

import copy
import importlib

import pydantic
import pytest
import torch
from torch import nn

from lamix_study.testing import RegularizerContract
from lamix_study.testing.contract import seeded
from lamix_study.testing.regularizers import CLASSES, make, make_batch
from trainables import plugins, regularizers, targets
from trainables.configuration import parse_configuration
from trainables.regularizers._puzzle import PuzzleSettings, puzzle_batch

NAMES = plugins.component_names("trainables.regularizers")
VARIANTS = [  # beside every regularizer's defaults
    {"name": "vanilla", "smoothing": 0.1},
    {"name": "cutmix", "probability": 0.5, "alpha": 0.2},
    {"name": "manifold_mixup", "layers": [2]},
    {"name": "puzzlemix", "solver": "exact", "loss": "cross_entropy", "transport": "none"},
    {
        "name": "puzzlemix",
        "clean_weight": 1.0,
        "adversarial_probability": 0.5,
        "transport": "block",
        "smoothing": 0.1,
    },
    {"name": "lamix", "global_label": "uniform", "lam": "per_sample"},
    {"name": "lamix", "global_label": "none", "original_batches": False},
    {"name": "lamix", "alternation": "coin_flip"},
    {"name": "lamix", "mixing": "puzzlemix", "loss": "binary_cross_entropy"},
    {"name": "lamix", "mixing": "puzzlemix", "label_from": "mask", "alternation": "both"},
    {
        "name": "lamix",
        "mixing": "puzzlemix",
        "puzzlemix": {"blocks": [4], "clean_weight": 0.5, "adversarial_probability": 0.1},
        "alternation": "coin_flip",
    },
]
SETTINGS = [{"name": name} for name in NAMES] + VARIANTS


@pytest.fixture
def training_targets(monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """All targets that any loss is given from here on."""
    seen: list[torch.Tensor] = []
    modules = [targets] + [
        importlib.import_module(f"trainables.regularizers.{name}") for name in (*NAMES, "_puzzle")
    ]
    for name in ("soft_target_cross_entropy", "soft_target_binary_cross_entropy"):
        loss = getattr(targets, name)

        def spy(logits_NC, targets_NC, loss=loss):
            seen.append(targets_NC.detach())
            return loss(logits_NC, targets_NC)

        for module in modules:
            if hasattr(module, name):
                monkeypatch.setattr(module, name, spy)
    return seen


class TestContract(RegularizerContract):
    settings = SETTINGS


def test_the_regularizers_of_the_paper_are_there() -> None:
    assert {"vanilla", "mixup", "cutmix", "puzzlemix", "lamix", "manifold_mixup"} <= set(NAMES)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "mixup", "alpha": 0.0}, "greater than 0"),
        ({"name": "cutmix", "probability": 1.1}, "less than or equal to 1"),
        ({"name": "lamix", "beta": -0.1}, "greater than or equal to 0"),
        ({"name": "lamix", "puzzlemix": {}}, "ignored with `mixing: average`"),
        ({"name": "lamix", "label_from": "mask"}, "an average has no mask"),
        (
            {"name": "lamix", "mixing": "puzzlemix", "label_from": "mask", "lam": "half"},
            "`lam` is ignored",
        ),
        ({"name": "lamix", "mixing": "puzzlemix", "puzzlemix": {"bloks": [2]}}, "bloks"),
        ({"name": "lamix", "original_batches": False, "alternation": "both"}, "is ignored"),
        ({"name": "lamix", "global_label": "none", "beta": 0.3}, "`beta` is ignored"),
        ({"name": "puzzlemix", "blocks": []}, "at least 1 item"),
        ({"name": "puzzlemix", "data_smoothness": 1.5}, "less than or equal to 1"),
        ({"name": "puzzlemix", "transport": "none", "transport_cost": 0.5}, "is ignored"),
        ({"name": "puzzlemix", "adversarial_epsilon": 4.0}, "is ignored"),
        ({"name": "manifold_mixup", "layers": [-1]}, "greater than or equal to 0"),
    ],
)
def test_bad_and_ignored_settings_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=message):
        regularizers.build(settings, num_classes=10, num_features=84)


# LaMix


def lamix_loss(net: nn.Module, regularizer: nn.Module, lam: float) -> torch.Tensor:
    images, labels = make_batch(8)
    mixed_NCHW, local_NC, clean_loss = regularizer.mix(
        net,
        images,
        targets.smooth_one_hot(labels, CLASSES, 0.0),
        permutation_N=torch.arange(8).roll(1),
        lam=lam,
        blocks=4,
        generator=seeded(),
    )
    return regularizer.compare_batch(
        net, mixed_NCHW, local_NC, mixed=True, clean_loss=clean_loss
    ).loss()


@pytest.mark.parametrize("mixing", ["average", "puzzlemix"])
def test_lamix_gradient_is_linear_in_lam(mixing: str) -> None:
    """Its input does not depend on λ: the gradient at ½ is the mean of those at 0 and 1."""
    gradients = []
    for lam in (0.0, 0.5, 1.0):
        net, regularizer = make({"name": "lamix", "mixing": mixing})
        lamix_loss(net, regularizer, lam).backward()
        parameters = [*net.parameters(), *regularizer.parameters()]
        gradients.append(torch.cat([parameter.grad.flatten() for parameter in parameters]))
    at_zero, at_half, at_one = gradients
    assert not torch.allclose(at_zero, at_one)
    torch.testing.assert_close(at_half, (at_zero + at_one) / 2, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize(("beta", "learns"), [(0.0, True), (0.5, True), (0.99, True), (1.0, False)])
def test_the_global_head_learns_from_the_loss_unless_beta_is_one(beta: float, learns: bool) -> None:
    net, regularizer = make({"name": "lamix", "beta": beta})
    lamix_loss(net, regularizer, 0.3).backward()
    assert bool(regularizer.global_head.weight.grad.any()) is learns


def test_a_detached_global_label_does_not_learn() -> None:
    net, regularizer = make({"name": "lamix", "detach_global_label": True})
    lamix_loss(net, regularizer, 0.3).backward()
    assert regularizer.global_head.weight.grad is None


def test_lamix_blends_local_and_global_label(training_targets: list[torch.Tensor]) -> None:
    net, regularizer = make({"name": "lamix", "beta": 0.7, "global_label": "uniform"})
    images, labels = make_batch(4)
    regularizer.loss(net, images, labels, step=0, generator=seeded())
    expected = 0.7 * torch.eye(CLASSES)[labels] + 0.3 / CLASSES
    torch.testing.assert_close(training_targets[-1], expected)


def test_lamix_has_one_more_linear_layer_and_its_controls_have_none() -> None:
    _, regularizer = make({"name": "lamix"})
    assert sum(parameter.numel() for parameter in regularizer.parameters()) == 84 * 10 + 10
    for global_label in ("uniform", "none"):
        _, regularizer = make({"name": "lamix", "global_label": global_label})
        assert not list(regularizer.parameters())


def test_lamix_alternates_original_and_mixed_batches() -> None:
    net, lamix = make({"name": "lamix", "global_label": "none"})
    _, vanilla = make({"name": "vanilla"})
    batch = make_batch(8)
    plain = vanilla.loss(net, *batch, step=0, generator=seeded())
    for step in range(4):
        loss = lamix.loss(net, *batch, step=step, generator=seeded())
        assert torch.equal(loss, plain) is (step % 2 == 0)


def test_lamix_over_puzzlemix_asks_for_half_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    puzzlemix = regularizers._puzzle.mixing.puzzlemix

    def spy(images_NCHW, permutation_N, saliency_NHW, lam, **options):
        seen.append(lam)
        return puzzlemix(images_NCHW, permutation_N, saliency_NHW, lam, **options)

    monkeypatch.setattr(regularizers._puzzle.mixing, "puzzlemix", spy)
    net, regularizer = make({"name": "lamix", "mixing": "puzzlemix"})
    regularizer.loss(net, *make_batch(4), step=0, generator=seeded())
    assert seen == []  # an original batch needs no saliency
    regularizer.loss(net, *make_batch(4), step=1, generator=seeded())
    assert seen == [0.5]


# PuzzleMix


def puzzle(net: nn.Module, *, images: int = 6, **options):
    images_NCHW, labels_N = make_batch(images)
    settings = PuzzleSettings(**options)
    return puzzle_batch(
        settings,
        net,
        images_NCHW,
        targets.smooth_one_hot(labels_N, CLASSES, 0.0),
        permutation_N=torch.arange(images).roll(1),
        lam=0.5,
        blocks=settings.blocks[0],
        loss="cross_entropy",
        generator=seeded(),
    )


def test_saliency_leaves_no_trace_in_the_network() -> None:
    net, _ = make({"name": "puzzlemix"}, network="preact_resnet18")
    before = copy.deepcopy(net.state_dict())
    mixed = puzzle(net)
    assert mixed.clean_loss == 0 and not mixed.clean_loss.requires_grad
    assert net.training and all(module.training for module in net.modules())
    assert all(parameter.grad is None for parameter in net.parameters())
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_an_error_on_the_way_leaves_the_network_in_training_mode() -> None:
    net, _ = make({"name": "puzzlemix"})
    with pytest.raises(ValueError, match="`blocks` must divide"):
        puzzle(net, blocks=(3,))
    assert net.training


def test_a_clean_loss_is_that_of_the_original_batch() -> None:
    net, vanilla = make({"name": "vanilla"}, network="preact_resnet18")
    clean = puzzle(copy.deepcopy(net), clean_weight=0.5).clean_loss
    loss = vanilla.loss(net, *make_batch(6), step=0, generator=seeded())
    torch.testing.assert_close(clean, 0.5 * loss)


def test_saliency_is_the_root_mean_square_of_the_input_gradient(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = []
    monkeypatch.setattr(
        regularizers._puzzle.mixing,
        "puzzlemix",
        lambda images, permutation, saliency, lam, **options: (
            seen.append(saliency),
            (images, torch.ones(len(images))),
        )[1],
    )
    net, _ = make({"name": "puzzlemix"})
    puzzle(net)
    images, labels = make_batch(6)
    images.requires_grad_()
    nn.functional.cross_entropy(net.eval()(images), labels).backward()
    torch.testing.assert_close(seen[0], images.grad.square().mean(dim=1).sqrt())


def test_all_numbers_of_blocks_are_drawn_and_the_step_says_which() -> None:
    draws = [
        regularizers._puzzle.draw_blocks(PuzzleSettings(), step=step, seed=3) for step in range(200)
    ]
    assert set(draws) == {2, 4, 8, 16}
    assert min(draws.count(blocks) for blocks in (2, 4, 8, 16)) > 30


def test_adversarial_noise_stays_within_epsilon_and_the_range_of_pixels() -> None:
    net, _ = make({"name": "puzzlemix"})
    images, _ = make_batch(6)
    low, high = images.amin(dim=(0, 2, 3)), images.amax(dim=(0, 2, 3))
    options = {"transport": "none", "blocks": (4,)}
    clean = puzzle(net, **options).images_NCHW
    noisy = puzzle(net, **options, adversarial_probability=1.0).images_NCHW
    epsilon = 10 / 255 * (high - low).reshape(3, 1, 1)
    # The masks may differ where noise moves the saliency: there the images do.
    change = (noisy - clean).abs()
    assert ((change <= epsilon + 1e-5).float().mean() > 0.5) and change.any()
    assert (noisy.amin(dim=(0, 2, 3)) >= low).all() and (noisy.amax(dim=(0, 2, 3)) <= high).all()


# The others


def test_mixups_own_loss_is_the_two_cross_entropies() -> None:
    net, regularizer = make({"name": "mixup"})
    images, labels = make_batch(8)
    loss = regularizer.loss(net, images, labels, step=0, generator=seeded(5))
    generator = seeded(5)
    lam, permutation = torch.rand((), generator=generator), torch.randperm(8, generator=generator)
    logits = net(lam * images + (1 - lam) * images[permutation])
    own, partner = (nn.functional.cross_entropy(logits, y) for y in (labels, labels[permutation]))
    torch.testing.assert_close(loss, lam * own + (1 - lam) * partner, atol=1e-6, rtol=1e-6)


def test_cutmix_with_probability_zero_is_vanilla() -> None:
    net, regularizer = make({"name": "cutmix", "probability": 0.0})
    _, vanilla = make({"name": "vanilla"})
    batch = make_batch(8)
    losses = [r.loss(net, *batch, step=0, generator=seeded()) for r in (regularizer, vanilla)]
    torch.testing.assert_close(*losses)


def test_manifold_mixup_at_layer_zero_is_mixup() -> None:
    net, manifold = make({"name": "manifold_mixup", "layers": [0], "alpha": 1.0})
    _, mixup = make({"name": "mixup"})
    batch = make_batch(8)
    losses = [r.loss(net, *batch, step=0, generator=seeded()) for r in (manifold, mixup)]
    assert torch.equal(*losses)


def test_manifold_mixup_mixes_what_the_stage_is_fed() -> None:
    net, regularizer = make({"name": "manifold_mixup", "layers": [1]})
    net.stages[0] = nn.Sequential(nn.Identity(), copy.deepcopy(net.stages[0]))
    fed: list[torch.Tensor] = []
    net.stages[0].register_forward_pre_hook(lambda _, args: fed.append(args[0]))
    net.stages[1].register_forward_pre_hook(lambda _, args: fed.append(args[0]))
    images, labels = make_batch(4)
    regularizer.loss(net, images, labels, step=0, generator=seeded())
    assert torch.equal(fed[0], images)
    assert not torch.equal(fed[1], net.stages[0](images))


def test_manifold_mixup_names_a_layer_that_is_not_there() -> None:
    with pytest.raises(ValueError, match="at most the network's number of stages, 2, but got"):
        parse_configuration(
            {
                "dataset": {"name": "digits"},
                "network": {"name": "lenet"},
                "regularizer": {"name": "manifold_mixup", "layers": [0, 3]},
            }
        )


@pytest.mark.parametrize(
    "regularizer",
    [
        {"name": "puzzlemix", "blocks": [4, 64]},
        {"name": "lamix", "mixing": "puzzlemix", "puzzlemix": {"blocks": [4, 64]}},
    ],
)
def test_blocks_that_do_not_fit_the_images_are_refused_before_anything_starts(regularizer) -> None:
    with pytest.raises(ValueError, match="must divide the images' 32 pixels, but got 64"):
        parse_configuration(
            {
                "dataset": {"name": "digits"},
                "network": {"name": "lenet"},
                "regularizer": regularizer,
            }
        )
