"""Mixup and CutMix by turns, as in timm's `Mixup` (Wightman, pytorch-image-models, data/mixup.py).

Each batch is mixed by one of the two, drawn at random. timm's partner is the batch in reverse
order; here it is a random permutation, as in all other regularizers.
"""

from typing import Literal

from trainables import mixing, randomness
from trainables.networks import Network
from trainables.regularizers._boxes import random_box
from trainables.regularizers._regularizer import (
    RegularizerModule,
    SmoothingSettings,
    TargetComparison,
    TrainingBatch,
)
from trainables.settings import Positive, Share, settings
from trainables.targets import mix_targets

DRAWS = 2**32
"""How many numbers the draw of a step's method is one of."""


@settings
class Settings(SmoothingSettings):
    """Mixup or CutMix, one of them for each batch."""

    name: Literal["mixup_cutmix"] = "mixup_cutmix"
    mixup_alpha: Positive = 1.0
    """α of Mixup's λ ~ Beta(α, α), above 0; timm's recipes for transformers use 0.8."""
    cutmix_alpha: Positive = 1.0
    """α of CutMix's λ ~ Beta(α, α), above 0."""
    switch_probability: Share = 0.5
    """Share of the batches that CutMix mixes, in [0, 1]; Mixup mixes the others."""

    def build(self, *, num_classes: int, num_features: int) -> "MixupCutMix":
        """Build the loss."""
        del num_features
        return MixupCutMix(self, num_classes=num_classes)


class MixupCutMix(RegularizerModule[Settings]):
    """One method, one λ and one permutation per batch; every batch is mixed."""

    def variant(self, step: int, *, seed: int) -> str:
        """Return the method of the step."""
        draw = randomness.derive_seed(seed, "switch", step) % DRAWS
        return "cutmix" if draw < self.settings.switch_probability * DRAWS else "mixup"

    def compare(self, network: Network, batch: TrainingBatch) -> TargetComparison:
        """Return what one training step compares."""
        images_NCHW, generator = batch.images_NCHW, batch.generator
        if batch.variant == "cutmix":
            lam = randomness.draw_beta(self.settings.cutmix_alpha, generator=generator)
            permutation_N = batch.permutation()
            box = random_box(images_NCHW, lam, generator=generator)
            mixed_NCHW, lam = mixing.cutmix(images_NCHW, permutation_N, box)
        else:
            lam = randomness.draw_beta(self.settings.mixup_alpha, generator=generator)
            permutation_N = batch.permutation()
            mixed_NCHW = mixing.mixup(images_NCHW, permutation_N, lam)
        targets_NC = mix_targets(batch.targets_NC, permutation_N, lam)
        return TargetComparison(logits_NC=network(mixed_NCHW), targets_NC=targets_NC, mixed=True)
