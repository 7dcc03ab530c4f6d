"""timm's models as networks: all layouts of features, small images, mistakes in words."""

import copy
import sys

import pydantic
import pytest
import torch

from lamix_study.testing import NetworkContract
from trainables import networks
from trainables.code_digest import trial_code
from trainables.configuration import parse_configuration
from trainables.trial_key import hash_configuration

SMALL_VIT = {"patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 2}


class TestContract(NetworkContract):
    settings = [
        {"name": "timm", "model": "resnet18d"},
        {"name": "timm", "model": "mobilenetv3_small_050"},
        {"name": "timm", "model": "vit_tiny_patch16_224", "options": SMALL_VIT},
    ]


def build(model, **shape):
    options = {"num_classes": 7, "image_size": 32, **shape}
    return networks.build("timm", model=model, **options)


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        ("resnet18d", (2, 512, 4, 4)),  # maps
        ("swin_tiny_patch4_window7_224", (2, 768, 1, 1)),  # channels last
        ("vit_tiny_patch16_224", (2, 192, 5, 1)),  # a class token and 2x2 patches
    ],
)
def test_features_become_maps_whatever_their_layout(model, shape):
    with torch.device("meta"):
        network = build(model).eval()
        images_NCHW = torch.empty(2, 3, 32, 32)
    assert network.stages(images_NCHW).shape == shape
    assert network(images_NCHW).shape == (2, 7)


def test_the_network_computes_what_timms_own_model_does():
    import timm

    torch.manual_seed(0)
    network = build("resnet18d", image_size=64).eval()
    theirs = timm.create_model("resnet18d", num_classes=7).eval()
    theirs.load_state_dict(network.stages[0].model.state_dict() | classifier_of(network))
    images_NCHW = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(network(images_NCHW), theirs(images_NCHW))


def classifier_of(network):
    return {f"fc.{name}": value for name, value in network.classifier.state_dict().items()}


@pytest.mark.parametrize(
    ("stem", "size", "maps"), [("auto", 32, 4), ("timm", 32, 1), ("auto", 64, 2), ("small", 64, 8)]
)
def test_small_images_get_a_small_stem(stem, size, maps):
    with torch.device("meta"):
        network = build("resnet18d", image_size=size, stem=stem)
        assert network.stages(torch.empty(2, 3, size, size)).shape[2:] == (maps, maps)


def test_a_copy_of_the_network_has_a_model_of_its_own():
    network = build("mobilenetv3_small_050").eval()
    twin = copy.deepcopy(network)
    assert twin.neck._model[0] is twin.stages[0].model
    names = [name for name, _ in network.named_parameters()]
    assert len(names) == len(set(names)) and not any(name.startswith("neck") for name in names)


def trial(**network):
    return parse_configuration(
        {
            "dataset": {"name": "digits"},
            "network": {"name": "timm", **network},
            "regularizer": {"name": "vanilla"},
        }
    )


def test_options_are_part_of_the_key_and_timms_version_of_the_code():
    plain, dropped = trial(), trial(options={"drop_path_rate": 0.1})
    keys = [hash_configuration(each, data="d", seed=0) for each in (plain, dropped)]
    assert keys[0] != keys[1] and hash(dropped) == hash(trial(options={"drop_path_rate": 0.1}))
    assert "timm" in trial_code(plain).versions


@pytest.mark.parametrize(
    ("network", "said"),
    [
        ({"model": "resnet18dd"}, "timm has no model `resnet18dd`; did you mean `resnet18d`"),
        ({"options": {"drop_pth_rate": 0.1}}, "timm cannot build resnet18d with the options"),
        ({"options": {"num_classes": 3}}, "`num_classes` follows from the data"),
        ({"model": "coat_tiny"}, "has features of several scales"),
    ],
)
def test_a_mistake_is_told_in_words(network, said):
    with pytest.raises(pydantic.ValidationError, match=said):
        trial(**network)


def test_without_timm_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(pydantic.ValidationError, match=r"pip install 'lamix-study\[timm\]'"):
        trial(model="resnet26")
