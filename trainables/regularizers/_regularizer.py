"""What every regularizer is: a pair (ψ, T) with its schedule of original and mixed batches."""

from typing import Protocol

import torch
from torch import Tensor, nn

from trainables.networks import Network
from trainables.settings import Share, settings


class Regularizer(Protocol):
    """A loss on a batch. It is an `nn.Module` and may hold parameters, used in training alone."""

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
        ...


class RegularizerModule(nn.Module, Regularizer):
    """An `nn.Module` that is a regularizer."""


class RegularizerSettings(Protocol):
    """What the `Settings` of a regularizer module provide."""

    name: str

    def build(self, *, num_classes: int, num_features: int) -> RegularizerModule:
        """Build the regularizer for features_NM with M = `num_features`."""
        ...

    def check(self, *, network: Network, image_size: int) -> None:
        """Raise ValueError, naming the setting, if they do not fit the network or the images."""
        ...


@settings
class SmoothingSettings:
    """The setting that all regularizers share."""

    smoothing: Share = 0.0
    """ε of uniform label smoothing of the one-hot targets, in [0, 1]; 0 means none."""

    def check(self, *, network: Network, image_size: int) -> None:
        """Accept any network and images; a regularizer that does not says so here."""
