"""SaliencyMix. Uddin et al. 2021, arXiv:2006.01791, Section 3.

CutMix whose box lies around the most salient pixel of the partner, so that what is pasted is worth
its label. The authors find it with a detector of OpenCV; here it is the spectral residual, another
that needs no training (Hou & Zhang 2007, "Saliency Detection: A Spectral Residual Approach",
CVPR). Each pair has a box of its own, as the paper describes it; their code takes that of the
batch's first partner for all.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from trainables import mixing, randomness
from trainables.networks import Network
from trainables.regularizers._regularizer import (
    RegularizerModule,
    SmoothingSettings,
    TargetComparison,
    TrainingBatch,
)
from trainables.settings import Positive, Share, settings
from trainables.targets import mix_targets

BLUR = 2.5 / 64
"""Standard deviation of the blur of a saliency map, in sides of the image, as its authors have it
for maps of 64 pixels."""


@settings
class Settings(SmoothingSettings):
    """A box around the partner's most salient pixel pasted into each image."""

    name: Literal["saliencymix"] = "saliencymix"
    alpha: Positive = 1.0
    """α of λ ~ Beta(α, α), above 0; 1 draws λ uniformly from [0, 1]."""
    probability: Share = 1.0
    """Share of the batches that are mixed, in [0, 1]."""

    def build(self, *, num_classes: int, num_features: int) -> "SaliencyMix":
        """Build the loss."""
        del num_features
        return SaliencyMix(self, num_classes=num_classes)


class SaliencyMix(RegularizerModule[Settings]):
    """One λ and one permutation per batch, one box per pair."""

    def compare(self, network: Network, batch: TrainingBatch) -> TargetComparison:
        """Return what one training step compares."""
        images_NCHW, generator = batch.images_NCHW, batch.generator
        lam = randomness.draw_beta(self.settings.alpha, generator=generator)
        if self.settings.probability < 1:
            coin = torch.rand((), generator=generator, device=generator.device)
            lam = lam.masked_fill(coin >= self.settings.probability, 1.0)  # empty boxes
        permutation_N = batch.permutation()
        centers_N2 = most_salient_pixels(images_NCHW)[permutation_N]
        height, width = images_NCHW.shape[2:]
        box = mixing.cutmix_box(height, width, lam, centers_N2)
        mixed_NCHW, lam_N = mixing.cutmix(images_NCHW, permutation_N, box)
        targets_NC = mix_targets(batch.targets_NC, permutation_N, lam_N)
        return TargetComparison(logits_NC=network(mixed_NCHW), targets_NC=targets_NC, mixed=True)


def most_salient_pixels(images_NCHW: Tensor) -> Tensor:
    """Return row and column of the greatest saliency of each image, (N, 2), int64."""
    saliency_NHW = spectral_residual(images_NCHW)
    at_N = saliency_NHW.flatten(1).argmax(dim=1)
    width = images_NCHW.shape[3]
    return torch.stack((at_N // width, at_N % width), dim=1)


def spectral_residual(images_NCHW: Tensor) -> Tensor:
    """Return the saliency of each pixel, (N, H, W), float32 and not scaled.

    What remains of the log amplitude spectrum once its local mean is taken off, with the phase as
    it was, transformed back, squared and blurred.
    """
    spectrum_NHW = torch.fft.fft2(images_NCHW.float().mean(dim=1))
    log_amplitude_NHW = spectrum_NHW.abs().clamp_min(1e-8).log()
    around_NHW = F.pad(log_amplitude_NHW, (1, 1, 1, 1), mode="circular")  # a spectrum is periodic
    residual_NHW = log_amplitude_NHW - F.avg_pool2d(around_NHW, 3, stride=1)
    phase_NHW = spectrum_NHW / spectrum_NHW.abs().clamp_min(1e-8)
    sharp_NHW = torch.fft.ifft2(residual_NHW.exp() * phase_NHW).abs().square()
    blurred_NHW: Tensor = torch.fft.ifft2(torch.fft.fft2(sharp_NHW) * _blur_spectrum(sharp_NHW))
    return blurred_NHW.real


def _blur_spectrum(like_NHW: Tensor) -> Tensor:
    """Return the spectrum of a Gaussian blur, (H, W)."""
    height, width = like_NHW.shape[1:]
    y_H1 = torch.fft.fftfreq(height, device=like_NHW.device).unsqueeze(1) * height
    x_W = torch.fft.fftfreq(width, device=like_NHW.device) * width
    return torch.exp(-2 * (torch.pi * BLUR) ** 2 * (y_H1.square() + x_W.square()))
