"""Mixup. Zhang et al. 2018, arXiv:1710.09412; LaMix, Eq. 1 and 2."""

from typing import Annotated, Literal

from trainables import mixing, randomness
from trainables.networks import Network
from trainables.regularizers._regularizer import (
    RegularizerModule,
    SmoothingSettings,
    TargetComparison,
    TrainingBatch,
)
from trainables.settings import Exempt, Positive, settings
from trainables.targets import mix_targets


@settings
class Settings(SmoothingSettings):
    """Mixup: λ·x_i + (1 − λ)·x_j with the target λ·y_i + (1 − λ)·y_j."""

    name: Literal["mixup"] = "mixup"
    alpha: Annotated[Positive, Exempt("cost", "λ is one draw per batch at every α")] = 1.0
    """α of λ ~ Beta(α, α), above 0; 1 draws λ uniformly from [0, 1], as the paper does."""

    def build(self, *, num_classes: int, num_features: int) -> "Mixup":
        """Build the loss."""
        del num_features
        return Mixup(self, num_classes=num_classes)


class Mixup(RegularizerModule[Settings]):
    """One λ and one permutation per batch; every batch is mixed."""

    def compare(self, network: Network, batch: TrainingBatch) -> TargetComparison:
        """Return what one training step compares."""
        lam = randomness.draw_beta(self.settings.alpha, generator=batch.generator)
        permutation_N = batch.permutation()
        mixed_NCHW = mixing.mixup(batch.images_NCHW, permutation_N, lam)
        targets_NC = mix_targets(batch.targets_NC, permutation_N, lam)  # Eq. 2
        return TargetComparison(logits_NC=network(mixed_NCHW), targets_NC=targets_NC, mixed=True)
