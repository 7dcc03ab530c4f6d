"""The networks against published parameter counts, hand arithmetic and torchvision."""

import pydantic
import pytest
import torch
from torch import nn
from torchvision import models

from lamix_study.testing import NetworkContract
from lamix_study.testing.networks import build_small
from trainables import networks, plugins
from trainables.networks import preact_resnet18_bottleneck2d
from trainables.networks._pooling import HalvingMaxPool
from trainables.networks.preact_resnet18 import PreActBlock
from trainables.networks.wide_resnet28_10 import WideBlock


def count_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


# A classifier of M features has M + 1 parameters a class: those for 200 classes are the count for
# 10 and 190 (M + 1).
@pytest.mark.parametrize(
    ("name", "features", "of_10", "of_100"),
    [
        ("preact_resnet18", 512, 11_171_274, 11_217_444),
        ("resnet50", 2048, 23_520_842, 23_705_252),
        ("lenet", 84, 62_006, 69_656),
        ("densenet121", 1024, 6_956_298, 7_048_548),
        ("wide_resnet28_10", 640, 36_479_194, 36_536_884),
        # Without its classifier PreAct ResNet-18 has 11,171,274 - 513 * 10. The tanh layers have
        # 513 * 2 + 3 * 100 + 101 * 512 = 53,038, and there are 512 features again.
        ("preact_resnet18_bottleneck2d", 512, 11_224_312, 11_270_482),
    ],
)
def test_parameter_counts_are_the_published_ones(
    name: str, features: int, of_10: int, of_100: int
) -> None:
    with torch.device("meta"):
        counts = {c: count_parameters(networks.build(name, num_classes=c)) for c in (10, 100, 200)}
    assert counts == {10: of_10, 100: of_100, 200: of_10 + 190 * (features + 1)}


@pytest.mark.parametrize(
    ("name", "variant", "of_10", "of_100"),
    [
        ("preact_resnet18", "puzzlemix", 11_171_146, 11_217_316),
        ("preact_resnet18", "he2016", 11_172_170, 11_218_340),
        # Counted layer by layer in the next test.
        ("resnet50", "puzzlemix", 23_509_066, 23_693_476),
        ("resnet50", "he2016", 23_513_162, 23_697_572),
    ],
)
def test_the_variants_have_the_parameters_of_their_sources(name, variant, of_10, of_100) -> None:
    with torch.device("meta"):
        counts = [
            count_parameters(networks.build(name, num_classes=c, variant=variant))
            for c in (10, 100)
        ]
    assert counts == [of_10, of_100]


def test_the_pre_activation_resnet50_has_the_parameters_of_its_layers() -> None:
    total, channels = 3 * 64 * 9, 64  # the stem
    for width, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for block in range(blocks):
            convolutions = channels * width + 9 * width * width + width * 4 * width
            projection = channels * 4 * width if block == 0 else 0
            statistics = 2 * (channels + width + width)
            total += convolutions + projection + statistics
            channels = 4 * width
    assert total + 10 * (2048 + 1) == 23_509_066


@pytest.mark.parametrize("name", ["preact_resnet18", "resnet50"])
@pytest.mark.parametrize("variant", ["puzzlemix", "he2016"])
def test_an_identity_shortcut_of_the_other_variants_carries_its_input(name, variant) -> None:
    network = networks.build(name, num_classes=10, width=4, variant=variant)
    block = network.stages[1][1]
    for parameter in block.parameters():
        parameter.data.zero_()
    maps_NCHW = torch.randn(2, 4 if name == "preact_resnet18" else 16, 8, 8)
    assert torch.equal(block(maps_NCHW), maps_NCHW)


@pytest.mark.parametrize("name", ["preact_resnet18", "resnet50"])
def test_the_last_maps_are_activated_in_the_network_of_he_et_al_alone(name) -> None:
    images_NCHW = torch.randn(2, 3, 32, 32)
    least = {
        variant: float(
            networks.build(name, num_classes=10, width=4, variant=variant)
            .stages(images_NCHW)
            .detach()
            .min()
        )
        for variant in ("puzzlemix", "he2016")
    }
    assert least["he2016"] == 0 and least["puzzlemix"] < 0


@pytest.mark.parametrize("name", ["preact_resnet18", "resnet50"])
@pytest.mark.parametrize(("size", "like"), [(32, 1), (64, 2)])
def test_an_automatic_stem_is_that_of_the_images_size(name, size, like) -> None:
    chosen = networks.build(name, num_classes=10, width=4, image_size=size, stem_stride="auto")
    assert chosen.stages[0][0].stride == (like, like)


def test_lenet_has_the_parameters_of_its_five_layers() -> None:
    convolutions = 6 * (3 * 25 + 1) + 16 * (6 * 25 + 1)
    fully_connected = 120 * (16 * 5 * 5 + 1) + 84 * (120 + 1) + 10 * (84 + 1)
    assert convolutions + fully_connected == 62_006
    assert count_parameters(networks.build("lenet", num_classes=10)) == 62_006


def test_lenet_flattens_13x13_maps_of_64x64_images() -> None:
    # (((64 - 4) / 2) - 4) / 2 = 13
    network = networks.build("lenet", num_classes=10, image_size=64)
    assert network.neck[1].in_features == 16 * 13 * 13


def test_wide_resnet_has_28_convolutions_with_its_projections() -> None:
    # From width 2 on, for at width 1 the first stage needs no projection.
    network = networks.build("wide_resnet28_10", num_classes=10, width=2)
    assert sum(isinstance(module, nn.Conv2d) for module in network.modules()) == 28


def test_densenet_has_121_layers() -> None:
    network = build_small("densenet121")
    layers = (isinstance(module, nn.Conv2d | nn.Linear) for module in network.modules())
    assert sum(layers) == 121


def test_resnet_has_50_layers_without_its_four_projections() -> None:
    network = build_small("resnet50")
    layers = (isinstance(module, nn.Conv2d | nn.Linear) for module in network.modules())
    assert sum(layers) == 50 + 4


class TestContract(NetworkContract):
    settings = [{"name": name} for name in plugins.component_names("trainables.networks")]


@pytest.mark.parametrize("name", ["preact_resnet18", "preact_resnet18_bottleneck2d", "resnet50"])
def test_stem_stride_two_gives_64x64_images_the_maps_of_32x32(name: str) -> None:
    network = networks.build(name, num_classes=10, width=4, stem_stride=2)
    assert network.stages(torch.randn(2, 3, 64, 64)).shape[2:] == (4, 4)


def test_a_doubled_width_doubles_the_features() -> None:
    for name, option in (("preact_resnet18", "width"), ("resnet50", "width")):
        narrow = networks.build(name, num_classes=10, **{option: 4})
        wide = networks.build(name, num_classes=10, **{option: 8})
        assert wide.classifier.in_features == 2 * narrow.classifier.in_features


@pytest.mark.parametrize(("name", "smallest"), [("lenet", 16), ("densenet121", 8)])
def test_images_too_small_for_the_network_are_refused(name: str, smallest: int) -> None:
    rule = f"{name} needs images of at least {smallest}x{smallest} pixels, but got 7x7"
    with pytest.raises(ValueError, match=rule):
        build_small(name, image_size=7)
    network = build_small(name, image_size=smallest).eval()
    assert network(torch.randn(1, 3, smallest, smallest)).shape == (1, 10)


@pytest.mark.parametrize(
    ("options", "path"),
    [({"width": 0}, "width"), ({"stem_stride": 3}, "stem_stride"), ({"depth": 34}, "depth")],
)
def test_a_bad_option_is_named(options: dict[str, int], path: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=path):
        networks.build("resnet50", num_classes=10, **options)


def test_embed_returns_the_two_bottleneck_units() -> None:
    network = build_small("preact_resnet18_bottleneck2d").eval()
    images_NCHW = torch.randn(3, 3, 32, 32)
    embeddings_N2 = preact_resnet18_bottleneck2d.embed(network, images_NCHW)
    assert embeddings_N2.shape == (3, 2)
    assert embeddings_N2.abs().max() <= 1
    # All that the classifier knows has passed through the two units.
    expansion = network.neck.get_submodule("expansion")
    assert network(images_NCHW).equal(network.classifier(expansion(embeddings_N2)))


def test_bottleneck_has_the_stages_of_preact_resnet18() -> None:
    images_NCHW = torch.randn(2, 3, 32, 32)
    plain = build_small("preact_resnet18").stages(images_NCHW)
    assert build_small("preact_resnet18_bottleneck2d").stages(images_NCHW).equal(plain)


def test_identity_shortcut_of_preact_resnet18_carries_the_activated_maps() -> None:
    block = PreActBlock(2, 2, stride=1).eval()
    nn.init.zeros_(block.conv2.weight)
    maps_NCHW = torch.tensor([-1.0, 1.0]).view(1, 2, 1, 1)
    # BN in its initial state divides by sqrt(1 + 1e-5).
    expected = torch.tensor([0.0, 1 / (1 + 1e-5) ** 0.5]).view(1, 2, 1, 1)
    torch.testing.assert_close(block(maps_NCHW), expected)


def test_identity_shortcut_of_wide_resnet_carries_the_maps_themselves() -> None:
    block = WideBlock(2, 2, stride=1).eval()
    nn.init.zeros_(block.conv2.weight)
    maps_NCHW = torch.tensor([-1.0, 1.0]).view(1, 2, 1, 1)
    assert block(maps_NCHW).equal(maps_NCHW)


def with_small_image_stem(network: nn.Module, channels: int) -> nn.Conv2d:
    stem = nn.Conv2d(3, channels, 3, padding=1, bias=False)
    for parameter in network.parameters():  # BN's own initial values would hide swapped layers
        nn.init.uniform_(parameter, -0.1, 0.1)
    return stem


def assert_same_logits(ours: nn.Module, theirs: nn.Module) -> None:
    """Copy the weights in the order of the layers and compare in both modes."""
    weights = zip(ours.state_dict(), theirs.state_dict().values(), strict=True)
    ours.load_state_dict(dict(weights))
    ours, theirs = ours.double(), theirs.double()
    images_NCHW = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    torch.testing.assert_close(ours.train()(images_NCHW), theirs.train()(images_NCHW))
    torch.testing.assert_close(ours.eval()(images_NCHW), theirs.eval()(images_NCHW))


def test_resnet50_equals_torchvisions_with_a_small_image_stem() -> None:
    torch.manual_seed(0)
    theirs = models.resnet50(num_classes=10)
    theirs.conv1 = with_small_image_stem(theirs, 64)
    theirs.maxpool = nn.Identity()
    assert_same_logits(networks.build("resnet50", num_classes=10), theirs)


def test_densenet121_equals_torchvisions_with_a_small_image_stem() -> None:
    torch.manual_seed(0)
    theirs = models.DenseNet(8, (6, 12, 24, 16), num_init_features=16, num_classes=10)
    theirs.features.conv0 = with_small_image_stem(theirs, 16)
    for name in ("norm0", "relu0", "pool0"):
        setattr(theirs.features, name, nn.Identity())
    assert_same_logits(networks.build("densenet121", num_classes=10, growth=8), theirs)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [(28, 28), (5, 7), (2, 3), (1, 4), (10, 1)])
def test_pooling_gives_the_same_numbers_with_and_without_a_gradient(size, dtype, layout) -> None:
    maps = torch.randn((3, 4, *size), generator=torch.Generator().manual_seed(0)).to(dtype)
    maps = maps.mul(2).round().contiguous(memory_format=layout)  # many are equal
    if min(size) > 1:
        maps[0, 0, 0, 1] = torch.nan
        maps[1, 2, 1, 0] = -torch.inf
    maps.requires_grad_()
    try:
        expected = nn.MaxPool2d(2)(maps)
    except RuntimeError:
        with pytest.raises(RuntimeError, match="Output size is too small"):
            HalvingMaxPool()(maps)
        return
    trained = HalvingMaxPool()(maps)
    assert trained.grad_fn is not None
    with torch.inference_mode():
        evaluated = HalvingMaxPool()(maps)
    for found in (trained, evaluated, HalvingMaxPool()(maps.detach())):
        torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)
        assert found.dtype == dtype


def test_pooling_in_lenet_before_the_relu_changes_neither_output_nor_gradient() -> None:
    torch.manual_seed(0)
    network = networks.build("lenet", num_classes=10, in_channels=1)
    images = torch.randn(8, 1, 32, 32)

    def as_published(maps):  # convolution, ReLU, pooling
        for convolution, _, _ in network.stages:
            maps = nn.functional.max_pool2d(convolution(maps).relu(), 2)
        return network.classifier(network.neck(maps))

    gradients = []
    for forward in (network, as_published):
        network.zero_grad()
        logits = forward(images)
        nn.functional.cross_entropy(logits, torch.arange(8)).backward()
        gradients.append([logits, *(weight.grad for weight in network.parameters())])
    assert all(map(torch.equal, *gradients))
