"""The list of what test images go through, and what each does to them.

- `clean`: nothing.
- `fgsm`: the fast gradient sign method, x + ε·sign(∂ loss / ∂x). Goodfellow et al. 2015,
  arXiv:1412.6572, Section 4. The loss is the cross entropy of the true label, ε is in grey levels
  of 0 to 255, and the result is clipped to them, so it is bytes again.
- `corruption`: see `corruptions`.
- `occlusion`: a square in the middle is black, of 1/8 to 5/8 of the image's side; after the
  occluded samples by which CutMix is tested (Yun et al. 2019, arXiv:1905.04899, Section 4.4).
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from trainables.batches import PixelNormaliser
from trainables.networks import Network
from trainables.robustness import corruptions
from trainables.robustness.corruptions import SEVERITIES, STRENGTHS
from trainables.robustness_document import CLEAN, CORRUPTION, FGSM, OCCLUSION, Kind

FGSM_PIXELS = (4, 8)
"""ε of the attacks, of 255."""
EIGHTHS = 8
"""The square of an occlusion grows by this part of the image's side from severity to severity."""


@dataclass(frozen=True)
class Perturbation:
    """One thing that test images go through."""

    kind: Kind
    name: str = ""
    """Which corruption; else empty."""
    severity: int = 0
    """1 to 5; ε in pixels of an attack; 0 of clean images."""


PERTURBATIONS: tuple[Perturbation, ...] = (
    Perturbation(CLEAN),
    *(Perturbation(FGSM, severity=pixels) for pixels in FGSM_PIXELS),
    *(Perturbation(CORRUPTION, name, severity) for name in STRENGTHS for severity in SEVERITIES),
    *(Perturbation(OCCLUSION, severity=severity) for severity in SEVERITIES),
)


def depends_on_network(perturbation: Perturbation) -> bool:
    """Return whether each network gets images of its own."""
    return perturbation.kind == FGSM


def perturb(bytes_NCHW: Tensor, perturbation: Perturbation) -> Tensor:
    """Return the images that every network gets, as bytes."""
    if perturbation.kind == CORRUPTION:
        return corruptions.corrupt(bytes_NCHW, perturbation.name, perturbation.severity)
    if perturbation.kind == OCCLUSION:
        return occlude(bytes_NCHW, perturbation.severity)
    return bytes_NCHW


def occlude(bytes_NCHW: Tensor, severity: int) -> Tensor:
    """Return the images with a black square in the middle, of severity/8 of the side."""
    side = bytes_NCHW.shape[-1]
    hole = max(round(side * severity / EIGHTHS), 1)
    first = (side - hole) // 2
    occluded = bytes_NCHW.clone()
    occluded[..., first : first + hole, first : first + hole] = 0
    return occluded


def attack(
    network: Network, normalise: PixelNormaliser, bytes_NCHW: Tensor, labels_N: Tensor, pixels: int
) -> Tensor:
    """Return the images of the fast gradient sign method as bytes.

    Args:
        network: in evaluation mode.
        normalise: bytes to what the network takes. Its scale is positive, so that a gradient has
            the same sign before and after.
        bytes_NCHW: the images, on the network's device.
        labels_N: their classes.
        pixels: ε, of 255.
    """
    images_NCHW = normalise(bytes_NCHW).requires_grad_()
    with torch.enable_grad():
        loss = F.cross_entropy(network(images_NCHW), labels_N, reduction="sum")
    (slope_NCHW,) = torch.autograd.grad(loss, images_NCHW)
    moved_NCHW = bytes_NCHW.int() + pixels * slope_NCHW.sign().int()
    return moved_NCHW.clamp(0, 255).to(torch.uint8)
