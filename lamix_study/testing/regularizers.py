"""The contract of every regularizer."""

import random
from typing import Any

import numpy as np
import pydantic
import pytest
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from lamix_study.testing.contract import ComponentContract, Settings, seeded
from lamix_study.testing.operations import Taken, described
from trainables import networks, regularizers
from trainables.configuration import settings_key
from trainables.mixing import transport
from trainables.networks import Network
from trainables.regularizers import RegularizerModule, TargetComparison

CLASSES = 10

SMALL_CASES = (  # network, channels, size, images, bfloat16
    *(("lenet", 1, 32, images, bfloat16) for images in (1, 2, 127, 128) for bfloat16 in (0, 1)),
    ("lenet", 3, 64, 2, 0),
    *(("preact_resnet18", 3, 32, images, 0) for images in (1, 2)),
    ("preact_resnet18", 3, 64, 2, 0),
    ("preact_resnet18", 3, 64, 2, 1),
)
LARGE_CASES = (("preact_resnet18", 1, 32, 127, 1), ("preact_resnet18", 3, 32, 128, 0))
"""For the defaults alone: they take the time of all others together."""


def make(
    chosen: Settings, *, network: str = "lenet", channels: int = 3, size: int = 32
) -> tuple[Network, RegularizerModule[Any]]:
    """Return a network and a regularizer, the same ones every time."""
    options = {"width": 4} if network == "preact_resnet18" else {}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = networks.build(
            network, num_classes=CLASSES, in_channels=channels, image_size=size, **options
        )
        num_features = net.classifier.in_features
        regularizer = regularizers.build(chosen, num_classes=CLASSES, num_features=num_features)
        regularizer.attach(net)
    return net, regularizer


def make_batch(images: int, *, channels: int = 3, size: int = 32) -> tuple[Tensor, Tensor]:
    """Return images_NCHW and labels_N, the same ones every time."""
    generator = torch.Generator().manual_seed(images)
    images_NCHW = torch.randn(images, channels, size, size, generator=generator)
    return images_NCHW, torch.randint(CLASSES, (images,), generator=generator)


def loss_and_gradients(
    chosen: Settings, *, step: int, seed: int = 0
) -> tuple[Tensor, list[Tensor | None]]:
    """Return the loss of a step, and the gradient of every parameter."""
    net, regularizer = make(chosen, network="preact_resnet18")
    loss = regularizer.loss(net, *make_batch(6), step=step, generator=seeded(seed))
    loss.backward()
    parameters = [*net.parameters(), *regularizer.parameters()]
    return loss.detach(), [parameter.grad for parameter in parameters]


def operations(
    regularizer: RegularizerModule[Any], net: Network, *, step: int, seed: int, images: int = 4
) -> list[Any]:
    """Return what a step asks of the device.

    Raises:
        RecordingFailedError: if it waits for an answer.
    """
    batch, generator = make_batch(images), seeded(seed)
    net.zero_grad()
    regularizer.zero_grad()
    with Taken() as taken:
        regularizer.loss(net, *batch, step=step, generator=generator).backward()
    return [
        (func, [described(value) for value in tree_leaves((args, kwargs, result))])
        for func, args, kwargs, result in taken.operations
    ]


def recordable(chosen: Settings) -> tuple[Network, RegularizerModule[Any]]:
    """Return a network and a regularizer whose tables are made; skip one that waits, as it says."""
    net, regularizer = make(chosen)
    if regularizer.waits_for_device:
        pytest.skip("it says so itself")
    for step in range(16):
        regularizer.loss(net, *make_batch(2), step=step, generator=seeded())
    return net, regularizer


class RegularizerContract(ComponentContract):
    """What every regularizer keeps, whatever it does."""

    @pytest.fixture
    def as_on_a_gpu(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let PuzzleMix's blocks all ask again: on a CPU those that were refused are counted."""
        monkeypatch.setattr(transport, "_who_asks_again", lambda refused_S: slice(None))

    def test_losses_are_finite_and_targets_sum_to_one(self, chosen: Settings) -> None:
        """On batches of any size, grey and coloured, in float32 and under autocast to bfloat16."""
        seen: list[TargetComparison] = []
        for case in (*SMALL_CASES, *(LARGE_CASES if set(chosen) == {"name"} else ())):
            network, channels, size, images, bfloat16 = case
            net, regularizer = make(chosen, network=network, channels=channels, size=size)
            regularizer.observer = seen.append
            batch = make_batch(images, channels=channels, size=size)
            for step in (0, 1):
                with torch.autocast("cpu", torch.bfloat16, enabled=bool(bfloat16)):
                    loss = regularizer.loss(net, *batch, step=step, generator=seeded())
                loss.backward()
                assert loss.shape == () and loss.dtype == torch.float32
                assert loss.isfinite(), (*case, step)
            gradients = [parameter.grad for parameter in net.parameters()]
            assert all(gradient.isfinite().all() for gradient in gradients if gradient is not None)
            assert net.training
        assert len(seen) >= 2 * 8
        for comparison in seen:
            targets_NC = comparison.targets_NC.detach()
            assert targets_NC.shape[1] == CLASSES and (targets_NC >= 0).all()
            torch.testing.assert_close(targets_NC.sum(dim=1), torch.ones(len(targets_NC)))

    def test_the_generator_is_the_only_randomness(self, chosen: Settings) -> None:
        """The same generator gives the same step, and no other generator is touched."""
        for step in (0, 1):
            torch.manual_seed(1)
            loss, gradients = loss_and_gradients(chosen, step=step)
            torch.manual_seed(2)
            np.random.seed(2)  # noqa: NPY002  # the global state is what is asked after
            random.seed(2)
            before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # type: ignore[index]  # noqa: NPY002  # the global state is what is asked after
            same_loss, same_gradients = loss_and_gradients(chosen, step=step)
            assert torch.equal(loss, same_loss)
            for one, other in zip(gradients, same_gradients, strict=True):
                if one is None or other is None:
                    assert one is other
                else:
                    assert torch.equal(one, other)
            assert torch.equal(before[0], torch.get_rng_state())
            assert (before[1] == np.random.get_state()[1]).all()  # type: ignore[index]  # noqa: NPY002  # the global state is what is asked after
            assert before[2] == random.getstate()

    @pytest.mark.parametrize("network", ["lenet", "preact_resnet18"])
    def test_every_parameter_learns(self, chosen: Settings, network: str) -> None:
        """Over two steps, those of the network and those of the regularizer itself."""
        net, regularizer = make(chosen, network=network)
        batch = make_batch(16)
        for step in (0, 1):
            regularizer.loss(net, *batch, step=step, generator=seeded()).backward()
        for module in (net, regularizer):
            for name, parameter in module.named_parameters():
                assert parameter.grad is not None and parameter.grad.any(), name

    def test_no_step_waits_for_the_device(self, chosen: Settings, as_on_a_gpu: None) -> None:
        """A step that waits is slow on a GPU; one that must says so by `waits_for_device`."""
        recordable(chosen)
        net, regularizer = make(chosen, network="preact_resnet18")
        for step in range(4):
            assert operations(regularizer, net, step=step, seed=0)

    def test_steps_of_one_variant_ask_the_same_of_the_device(
        self, chosen: Settings, as_on_a_gpu: None
    ) -> None:
        """Whatever is drawn: a step that is recorded once stands for all of its variant."""
        net, regularizer = recordable(chosen)
        asked: dict[Any, Any] = {}
        for seed in (0, 1):
            for step in range(8):
                variant = regularizer.variant(step, seed=seed)
                found = operations(regularizer, net, step=step, seed=seed)
                assert found == asked.setdefault(variant, found)
        assert len(asked) < 16

    def test_no_step_knows_the_value_of_a_dial(self, chosen: Settings, as_on_a_gpu: None) -> None:
        """A step that is recorded once serves a sweep over the dials."""
        net, regularizer = recordable(chosen)
        for dial in regularizer.dials:
            try:
                _, other = make({**chosen, dial: 0.3})
            except pydantic.ValidationError:
                continue  # ignored with these settings, and so refused
            keys = [settings_key(made.settings, "step") for made in (regularizer, other)]
            assert keys[0] == keys[1]
            for step in range(2):
                expected = operations(regularizer, net, step=step, seed=0)
                assert operations(other, net, step=step, seed=0) == expected
                one, another = (
                    made.loss(net, *make_batch(4), step=step, generator=seeded())
                    for made in (regularizer, other)
                )
                assert not torch.equal(one, another)

    def test_the_dials_are_no_part_of_a_checkpoint(self, chosen: Settings) -> None:
        """A dial is a buffer that holds what the settings say."""
        _, regularizer = make(chosen)
        assert "smoothing" in regularizer.dials
        assert not set(regularizer.dials) & set(regularizer.state_dict())
        for dial in regularizer.dials:
            assert getattr(regularizer, dial) == getattr(regularizer.settings, dial)

    def test_an_observer_is_shown_what_the_loss_compares(self, chosen: Settings) -> None:
        """The loss is that of the comparison which the observer is shown."""
        net, regularizer = make(chosen)
        seen: list[TargetComparison] = []
        regularizer.observer = seen.append
        for step in (0, 1):
            loss = regularizer.loss(net, *make_batch(4), step=step, generator=seeded())
            assert torch.equal(seen[step].loss(), loss)

    def test_the_batch_is_left_as_it_was(self, chosen: Settings) -> None:
        """Neither images nor labels are changed in place."""
        net, regularizer = make(chosen)
        images_NCHW, labels_N = make_batch(5)
        before = images_NCHW.clone(), labels_N.clone()
        for step in (0, 1):
            loss = regularizer.loss(net, images_NCHW, labels_N, step=step, generator=seeded())
            loss.backward()
        assert torch.equal(images_NCHW, before[0]) and torch.equal(labels_N, before[1])
        assert images_NCHW.grad is None and not images_NCHW.requires_grad

    def test_the_settings_name_themselves(self, chosen: Settings) -> None:
        """The regularizer's own settings bear the name that it was asked for by."""
        _, regularizer = make(chosen)
        assert isinstance(regularizer, nn.Module) and regularizer.settings.name == chosen["name"]
