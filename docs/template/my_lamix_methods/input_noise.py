"""Noise on the inputs, which changes no label. Bishop 1995, Neural Computation 7(1)."""

from typing import Literal

import torch

from trainables.networks import Network
from trainables.regularizers import (
    RegularizerModule,
    SmoothingSettings,
    TargetComparison,
    TrainingBatch,
)
from trainables.settings import NonNegative, settings


@settings
class Settings(SmoothingSettings):
    """Gaussian noise on every pixel of the normalised images."""

    name: Literal["input_noise"] = "input_noise"
    sigma: NonNegative = 0.1
    """Standard deviation of the noise, at least 0; 1 is that of the pixels themselves."""

    def build(self, *, num_classes: int, num_features: int) -> "InputNoise":
        """Build the loss."""
        del num_features
        return InputNoise(self, num_classes=num_classes)


class InputNoise(RegularizerModule[Settings]):
    """Cross entropy on the noisy batch."""

    def compare(self, network: Network, batch: TrainingBatch) -> TargetComparison:
        """Return what one training step compares."""
        images_NCHW = batch.images_NCHW
        noise_NCHW = torch.empty_like(images_NCHW).normal_(generator=batch.generator)
        logits_NC = network(images_NCHW + self.settings.sigma * noise_NCHW)
        return TargetComparison(logits_NC=logits_NC, targets_NC=batch.targets_NC, mixed=False)
