"""What every regularizer is: a pair (ψ, T) with its schedule of original and mixed batches."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Annotated, Any, Generic, Protocol, TypeVar, final

import torch
from torch import Tensor, nn

from trainables.networks import Network
from trainables.settings import Exempt, Share, exempt_settings, settings
from trainables.targets import Loss, smooth_one_hot, soft_target_loss

DIAL = Exempt("step", "a step reads it from the device, as a buffer of its name")
"""Marks a number of a regularizer that one recorded step serves at every value: a dial."""


@dataclass(frozen=True, kw_only=True)
class TrainingBatch:
    """What a training step is given."""

    images_NCHW: Tensor
    """The original images, augmented and normalised, any number from 1."""
    labels_N: Tensor
    """Their class indices."""
    targets_NC: Tensor
    """Their one-hot targets, smoothed if that is asked for."""
    variant: Any
    """What the host has decided about the step, by `RegularizerModule.variant`."""
    generator: torch.Generator
    """The only source of randomness, on the images' device."""

    def permutation(self) -> Tensor:
        """Draw the partner of each image, an index (N,)."""
        size, device = len(self.images_NCHW), self.images_NCHW.device
        return torch.randperm(size, generator=self.generator, device=device)


@dataclass(frozen=True, kw_only=True)
class TargetComparison:
    """What a training step compares: the network's predictions and their targets."""

    logits_NC: Tensor
    targets_NC: Tensor
    """What is trained on, each row summing to 1 (Eq. 2 or 10)."""
    mixed: bool | Tensor
    """Whether the inputs are mixtures; a tensor, one truth for all or one a row, stays on the
    device."""
    global_NC: Tensor | None = None
    """The global soft label within the targets (Eq. 9); None where there is none."""
    by: Loss = "cross_entropy"
    """The loss that compares them; a training step has that of the regularizer's settings."""
    added_loss: Tensor | None = None
    """A scalar to add to it: what PuzzleMix may keep of the original batch, or a penalty."""

    def loss(self) -> Tensor:
        """Return the scalar loss."""
        loss = soft_target_loss(self.by, self.logits_NC, self.targets_NC)
        return loss if self.added_loss is None else loss + self.added_loss


@settings
class SmoothingSettings:
    """The settings that all regularizers share."""

    smoothing: Annotated[
        Share, Exempt("cost", "targets of every smoothing are sums of the same terms"), DIAL
    ] = 0.0
    """ε of uniform label smoothing of the one-hot targets, in [0, 1]; 0 means none."""
    loss: Loss = "cross_entropy"
    """`cross_entropy` (Eq. 11), or `binary_cross_entropy`: that of the softmax output as in
    PuzzleMix's code, a mean over classes. At the start its gradient is .11 (10 classes) or .010
    (100) of the other's, so a learning rate for one does not serve the other."""

    def check(self, *, network: Network, image_size: int) -> None:
        """Accept any network and images; a regularizer that does not says so here."""


AnySmoothing = TypeVar("AnySmoothing", bound=SmoothingSettings)


class RegularizerModule(nn.Module, ABC, Generic[AnySmoothing]):
    """A loss on a batch. It may hold parameters, used in training alone."""

    smoothing: Tensor

    def __init__(self, settings: AnySmoothing, *, num_classes: int) -> None:
        super().__init__()
        self.settings = settings
        self.dials = tuple(exempt_settings(type(settings), "step"))
        """Settings that a step reads from the device, as buffers of their names: a step that is
        recorded once serves a sweep over them."""
        for name in self.dials:
            # In float64, so that sums with it are those with the number itself.
            number = torch.tensor(getattr(settings, name), dtype=torch.float64)
            self.register_buffer(name, number, persistent=False)
        self.num_classes = num_classes
        self.observer: Callable[[TargetComparison], None] | None = None
        """Shown what each training step compares, if set; it must not wait for the device."""

    @abstractmethod
    def compare(self, network: Network, batch: TrainingBatch) -> TargetComparison:
        """Return what one training step compares, of a network in training mode."""

    def attach(self, network: Network) -> None:
        """Make room for what the regularizer keeps of a network, once, before the trial starts.

        What is kept is a buffer, so that a checkpoint holds it and a recorded step finds it.
        """

    def begin_epoch(self, network: Network, *, epoch: int, epochs: int) -> None:
        """Do what is done once an epoch, before its first step and never again after a restore.

        Buffers are changed in place: a recorded step reads them where they are.

        Args:
            network: as the last epoch left it.
            epoch: the one that begins, counted from 1.
            epochs: of the whole trial.
        """

    def keep(self, batch: TrainingBatch, comparison: TargetComparison) -> None:
        """Take down what later epochs need of a training step, in buffers and without waiting.

        `compare` itself leaves no trace, since diagnostics ask it too.
        """

    def variant(self, step: int, *, seed: int) -> Hashable:
        """Return what the host decides about a step: nothing, unless a regularizer says otherwise.

        Steps of one variant ask the same of the device, which draws all else: one that is recorded
        stands for them all.

        Args:
            step: counts the training steps of the trial from 0.
            seed: of the step's generator, from which the host can draw without waiting.
        """
        del step, seed
        return None

    @property
    def waits_for_device(self) -> bool:
        """Whether a step looks at what the device has computed, so that it cannot be recorded."""
        return False

    @final
    def batch(
        self, images_NCHW: Tensor, labels_N: Tensor, *, variant: Any, generator: torch.Generator
    ) -> TrainingBatch:
        """Return what `compare` is given."""
        return TrainingBatch(
            images_NCHW=images_NCHW,
            labels_N=labels_N,
            targets_NC=smooth_one_hot(labels_N, self.num_classes, self.smoothing),
            variant=variant,
            generator=generator,
        )

    @final
    def loss(
        self,
        network: Network,
        images_NCHW: Tensor,
        labels_N: Tensor,
        *,
        step: int,
        generator: torch.Generator,
    ) -> Tensor:
        """Return the scalar loss of one training step.

        Args:
            network: in training mode.
            images_NCHW: the original batch, augmented and normalised, any size from 1.
            labels_N: its class indices.
            step: counts the training steps of the trial from 0.
            generator: the only source of randomness, on the images' device.
        """
        variant = self.variant(step, seed=generator.initial_seed())
        batch = self.batch(images_NCHW, labels_N, variant=variant, generator=generator)
        return self.loss_of(network, batch)

    @final
    def loss_of(self, network: Network, batch: TrainingBatch) -> Tensor:
        """Return the scalar loss of one training step whose variant is known."""
        compared = self.compare(network, batch)
        comparison = replace(compared, by=self.settings.loss)
        self.keep(batch, comparison)
        if self.observer is not None:
            self.observer(comparison)
        loss: Tensor = comparison.loss()
        return loss


class RegularizerSettings(Protocol):
    """What the `Settings` of a regularizer module provide."""

    name: str

    def build(self, *, num_classes: int, num_features: int) -> "RegularizerModule[Any]":
        """Build the regularizer for features_NM with M = `num_features`."""
        ...

    def check(self, *, network: Network, image_size: int) -> None:
        """Raise ValueError, naming the setting, if they do not fit the network or the images."""
        ...
