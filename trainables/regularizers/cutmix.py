"""CutMix. Yun et al. 2019, arXiv:1905.04899."""

from typing import Annotated, Literal

import torch

from trainables import mixing, randomness
from trainables.networks import Network
from trainables.regularizers._boxes import random_box
from trainables.regularizers._regularizer import (
    RegularizerModule,
    SmoothingSettings,
    TargetComparison,
    TrainingBatch,
)
from trainables.settings import Exempt, Positive, Share, settings
from trainables.targets import mix_targets


@settings
class Settings(SmoothingSettings):
    """CutMix: a box of the partner pasted into each image, the target mixed by area."""

    name: Literal["cutmix"] = "cutmix"
    alpha: Annotated[Positive, Exempt("cost", "λ is one draw per batch at every α")] = 1.0
    """α of λ ~ Beta(α, α), above 0; 1 draws λ uniformly from [0, 1], as the paper does."""
    probability: Annotated[
        Share, Exempt("cost", "a batch that is not mixed gets an empty box, at the same cost")
    ] = 1.0
    """Share of the batches that are mixed, in [0, 1]; CutMix's own CIFAR recipes use 0.5 or 1."""

    def build(self, *, num_classes: int, num_features: int) -> "CutMix":
        """Build the loss."""
        del num_features
        return CutMix(self, num_classes=num_classes)


class CutMix(RegularizerModule[Settings]):
    """One λ, one box and one permutation per batch."""

    def compare(self, network: Network, batch: TrainingBatch) -> TargetComparison:
        """Return what one training step compares."""
        generator, device = batch.generator, batch.images_NCHW.device
        lam = randomness.draw_beta(self.settings.alpha, generator=generator)
        if self.settings.probability < 1:
            mixed = torch.rand((), generator=generator, device=device) < self.settings.probability
            lam = lam.masked_fill(~mixed, 1.0)  # an empty box; on the device, nothing waits
        permutation_N = batch.permutation()
        box = random_box(batch.images_NCHW, lam, generator=generator)
        mixed_NCHW, lam = mixing.cutmix(batch.images_NCHW, permutation_N, box)
        targets_NC = mix_targets(batch.targets_NC, permutation_N, lam)
        return TargetComparison(logits_NC=network(mixed_NCHW), targets_NC=targets_NC, mixed=True)
