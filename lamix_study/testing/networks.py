"""The contract of every network, held at a small size that is derived from its settings."""

import dataclasses
from typing import Any

import pydantic
import pytest
import torch
from torch import nn

from lamix_study.testing.contract import ComponentContract, Settings
from trainables import networks, plugins
from trainables.networks import Network


def small_options(name: str) -> dict[str, Any]:
    """Return each integer setting of the network at a sixteenth of its default, at least 1.

    A setting that refuses this keeps its default.
    """
    options: dict[str, Any] = {}
    cls: Any = plugins.settings_classes("trainables.networks")[name]
    for field in dataclasses.fields(cls):
        if type(field.default) is int:
            wanted = options | {field.name: max(1, field.default // 16)}
            if is_buildable(name, wanted):
                options = wanted
    return options


def is_buildable(name: str, options: dict[str, Any]) -> bool:
    """Return whether the network accepts these options."""
    try:
        with torch.device("meta"):
            networks.build(name, num_classes=2, **options)
    except (pydantic.ValidationError, ValueError):
        return False
    return True


def build_small(name: str, *, options: Settings | None = None, **shape: int) -> Network:
    """Build the network at its small size, with the same weights every time.

    Args:
        name: of the network.
        options: further settings, stronger than the small ones.
        shape: `num_classes` (10), `in_channels`, `image_size`.
    """
    torch.manual_seed(0)
    chosen = {"num_classes": 10, **shape, **small_options(name), **(options or {})}
    return networks.build(name, **chosen)


def _built(chosen: Settings, **shape: int) -> Network:
    options = {key: value for key, value in chosen.items() if key != "name"}
    return build_small(chosen["name"], options=options, **shape)


class NetworkContract(ComponentContract):
    """What every network keeps, whatever is in it."""

    @pytest.mark.parametrize(("image_size", "in_channels"), [(32, 1), (32, 3), (64, 3)])
    def test_every_network_trains_on_a_batch_of_one(
        self, chosen: Settings, image_size: int, in_channels: int
    ) -> None:
        """Every parameter has a gradient, and a finite one."""
        network = _built(chosen, num_classes=7, in_channels=in_channels, image_size=image_size)
        images_NCHW = torch.randn(1, in_channels, image_size, image_size)
        logits_NC = network.train()(images_NCHW)
        assert logits_NC.shape == (1, 7)
        logits_NC.sum().backward()
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None and parameter.grad.isfinite().all(), name

    def test_logits_are_the_classifier_of_the_features(self, chosen: Settings) -> None:
        """Class activation maps and the global soft label rely on it."""
        network = _built(chosen, num_classes=200).eval()
        images_NCHW = torch.randn(2, 3, 32, 32)
        features_NM = network.features(images_NCHW)
        assert isinstance(network.classifier, nn.Linear)
        assert features_NM.shape == (2, network.classifier.in_features)
        assert network(images_NCHW).equal(network.classifier(features_NM))

    def test_stages_return_maps_and_the_neck_vectors(self, chosen: Settings) -> None:
        """Manifold Mixup mixes maps before a stage, CAM reads the last one's."""
        network = _built(chosen)
        maps_NCHW = network.stages(torch.randn(2, 3, 32, 32))
        assert maps_NCHW.ndim == 4 and maps_NCHW.shape[2] > 1
        assert network.neck(maps_NCHW).ndim == 2

    def test_the_same_seed_gives_the_same_weights(self, chosen: Settings) -> None:
        """All weights come from torch's global generator."""
        first, second = _built(chosen).state_dict(), _built(chosen).state_dict()
        assert all(first[key].equal(second[key]) for key in first)
