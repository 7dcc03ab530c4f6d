"""Mixup. Zhang et al. 2018, arXiv:1710.09412; LaMix, Eq. 1 and 2."""

from typing import Literal

import torch
from torch import Tensor

from trainables import mixing, randomness
from trainables.networks import Network
from trainables.regularizers._regularizer import Comparison, RegularizerModule, SmoothingSettings
from trainables.settings import Positive, settings
from trainables.targets import mix_targets, smooth_one_hot


@settings
class Settings(SmoothingSettings):
    """Mixup: λ·x_i + (1 − λ)·x_j with the target λ·y_i + (1 − λ)·y_j."""

    name: Literal["mixup"] = "mixup"
    alpha: Positive = 1.0
    """α of λ ~ Beta(α, α), above 0; 1 draws λ uniformly from [0, 1], as the paper does."""

    def build(self, *, num_classes: int, num_features: int) -> "Mixup":
        """Build the loss."""
        del num_features
        return Mixup(self, num_classes=num_classes)


class Mixup(RegularizerModule):
    """One λ and one permutation per batch; every batch is mixed."""

    def __init__(self, settings: Settings, *, num_classes: int) -> None:
        super().__init__()
        self.settings = settings
        self.num_classes = num_classes

    def compare(
        self,
        network: Network,
        images_NCHW: Tensor,
        labels_N: Tensor,
        *,
        step: int,
        generator: torch.Generator,
    ) -> Comparison:
        """Return what one training step compares."""
        lam = randomness.beta(self.settings.alpha, generator=generator)
        permutation_N = torch.randperm(
            len(labels_N), generator=generator, device=images_NCHW.device
        )
        mixed_NCHW = mixing.mixup(images_NCHW, permutation_N, lam)
        targets_NC = smooth_one_hot(labels_N, self.num_classes, self.settings.smoothing)
        targets_NC = mix_targets(targets_NC, permutation_N, lam)  # Eq. 2
        return Comparison(logits_NC=network(mixed_NCHW), targets_NC=targets_NC, mixed=True)
