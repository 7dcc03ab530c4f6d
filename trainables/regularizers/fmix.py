"""FMix. Harris et al. 2020, arXiv:2002.12047, Section 4.

The mask is a random image of low frequencies, cut at the value that leaves it a share λ: patches of
any shape with smooth edges, where CutMix has one rectangle.
"""

from typing import Literal

import torch
from torch import Tensor

from trainables import randomness
from trainables.networks import Network
from trainables.regularizers._regularizer import (
    RegularizerModule,
    SmoothingSettings,
    TargetComparison,
    TrainingBatch,
)
from trainables.settings import NonNegative, Positive, settings
from trainables.targets import mix_targets


@settings
class Settings(SmoothingSettings):
    """Both images side by side, told apart by a mask of low frequencies."""

    name: Literal["fmix"] = "fmix"
    alpha: Positive = 1.0
    """α of λ ~ Beta(α, α), above 0; 1 draws λ uniformly from [0, 1]."""
    decay: NonNegative = 3.0
    """δ: amplitudes fall with the frequency to this power; the larger, the larger the patches."""

    def build(self, *, num_classes: int, num_features: int) -> "FMix":
        """Build the loss."""
        del num_features
        return FMix(self, num_classes=num_classes)


class FMix(RegularizerModule[Settings]):
    """One λ, one mask and one permutation per batch; every batch is mixed."""

    def compare(self, network: Network, batch: TrainingBatch) -> TargetComparison:
        """Return what one training step compares."""
        images_NCHW, generator = batch.images_NCHW, batch.generator
        height, width = images_NCHW.shape[2:]
        lam = randomness.draw_beta(self.settings.alpha, generator=generator)
        permutation_N = batch.permutation()
        image_HW = low_frequency_image(
            height, width, decay=self.settings.decay, generator=generator
        )
        own_HW, lam = largest_share(image_HW, lam)
        mixed_NCHW = torch.where(own_HW, images_NCHW, images_NCHW[permutation_N])
        targets_NC = mix_targets(batch.targets_NC, permutation_N, lam)
        return TargetComparison(logits_NC=network(mixed_NCHW), targets_NC=targets_NC, mixed=True)


def low_frequency_image(
    height: int, width: int, *, decay: float, generator: torch.Generator
) -> Tensor:
    """Return the inverse Fourier transform of noise divided by frequency^decay, (H, W), float32."""
    device = generator.device
    y_H1 = torch.fft.fftfreq(height, device=device).unsqueeze(1)
    x_F = torch.fft.rfftfreq(width, device=device)
    frequencies_HF = (y_H1.square() + x_F.square()).sqrt().clamp_min(1 / max(height, width))
    real_HF, imaginary_HF = torch.randn(
        (2, *frequencies_HF.shape), generator=generator, device=device
    ) / frequencies_HF.pow(decay)
    noise_HW: Tensor = torch.fft.irfft2(torch.complex(real_HF, imaginary_HF), s=(height, width))
    return noise_HW


def largest_share(image_HW: Tensor, lam: Tensor) -> tuple[Tensor, Tensor]:
    """Return where the largest share λ of all pixels lies, and that share as whole pixels have it.

    Args:
        image_HW: any values.
        lam: λ in [0, 1], a scalar.

    Returns:
        a boolean mask (H, W), and the scalar share of it that is true.
    """
    pixels = image_HW.numel()
    ranks = image_HW.flatten().argsort(descending=True, stable=True).argsort(stable=True)
    count = (lam * pixels).round()
    return (ranks < count).reshape(image_HW.shape), count / pixels
