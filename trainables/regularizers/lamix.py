"""LaMix. "Bypassing the Random Input Mixing in Mixup", ICLR 2021 submission, Section 2.

One mixed input per pair, whatever λ (Eq. 4); its target is the local soft label, mixed by λ
(Eq. 2), blended with a global soft label that a second linear layer makes from the same embedding
(Eq. 9 and 10). Mini-batches of original and of mixed inputs alternate (Section 2.4).
"""

from typing import Literal, Self

import torch
from pydantic import model_validator
from torch import Tensor, nn

from trainables import mixing
from trainables.networks import Network
from trainables.regularizers._regularizer import RegularizerModule, SmoothingSettings
from trainables.settings import Flag, Share, settings
from trainables.targets import (
    global_soft_label,
    mix_targets,
    smooth_one_hot,
    soft_target_binary_cross_entropy,
    soft_target_cross_entropy,
)


@settings
class Settings(SmoothingSettings):
    """LaMix; where the paper leaves a choice, the default is its literal reading."""

    name: Literal["lamix"] = "lamix"
    beta: Share = 0.5
    """Share of the local label, in [0, 1]; 1 means no global label (Eq. 10)."""
    mixing: Literal["average"] = "average"
    """How the input is mixed: `average` is ½x_i + ½x_j (Eq. 4)."""
    global_label: Literal["learned", "uniform", "none"] = "learned"
    """`learned` is Eq. 9; `uniform` is the control 1/C; `none` leaves the local label (Table 8)."""
    detach_global_label: Flag = False
    """Whether the loss's gradient stops at the global label, so that it never learns from it."""
    lam: Literal["uniform", "half", "per_sample"] = "uniform"
    """λ of the label: one draw from U(0, 1) per batch, λ = ½, or one draw per sample."""
    original_batches: Flag = True
    """Whether mini-batches of original inputs alternate with mixed ones; Table 7 is without."""
    alternation: Literal["even_odd", "coin_flip", "both"] = "even_odd"
    """Original batches at even steps; at random; or original and mixed at each step (twice the
    work, the mean of both losses)."""
    loss: Literal["cross_entropy", "binary_cross_entropy"] = "cross_entropy"
    """Eq. 11, or the loss of PuzzleMix's code: binary cross entropy of the softmax output."""

    @model_validator(mode="after")
    def _refuse_ignored_settings(self) -> Self:
        if self.global_label == "none" and self.beta != 0.5:
            raise ValueError("`beta` is ignored with `global_label: none`; leave it out")
        if self.global_label != "learned" and self.detach_global_label:
            raise ValueError(
                f"`detach_global_label` is ignored with `global_label: {self.global_label}`"
            )
        if not self.original_batches and self.alternation != "even_odd":
            raise ValueError("`alternation` is ignored with `original_batches: false`")
        return self

    def build(self, *, num_classes: int, num_features: int) -> "LaMix":
        """Build the loss and its layer W_t of M·C + C parameters."""
        return LaMix(self, num_classes=num_classes, num_features=num_features)


class LaMix(RegularizerModule):
    """The classifier and the global label share the embedding; W_t is dropped at test time."""

    def __init__(self, settings: Settings, *, num_classes: int, num_features: int) -> None:
        super().__init__()
        self.settings = settings
        self.num_classes = num_classes
        self.global_head: nn.Linear | None = None
        """W_t of Eq. 9."""
        if settings.global_label == "learned":
            self.global_head = nn.Linear(num_features, num_classes)

    def loss(
        self,
        network: Network,
        images_NCHW: Tensor,
        labels_N: Tensor,
        *,
        step: int,
        generator: torch.Generator,
    ) -> Tensor:
        """Return the loss of one training step."""
        local_NC = smooth_one_hot(labels_N, self.num_classes, self.settings.smoothing)
        mixed = self._mix(images_NCHW, local_NC, generator)
        if not self.settings.original_batches:
            return self._loss(network, *mixed)
        match self.settings.alternation:
            case "even_odd":
                return self._loss(network, *((images_NCHW, local_NC) if step % 2 == 0 else mixed))
            case "coin_flip":
                coin = torch.rand((), generator=generator, device=images_NCHW.device) < 0.5
                original = (images_NCHW, local_NC)
                # Chosen on the device: asking the coin here would wait for it every step.
                chosen = (torch.where(coin, *pair) for pair in zip(original, mixed, strict=True))
                return self._loss(network, *chosen)
            case "both":
                original_loss = self._loss(network, images_NCHW, local_NC)
                return (original_loss + self._loss(network, *mixed)) / 2

    def soft_targets(self, features_NM: Tensor, local_NC: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the training target of Eq. 10 and the global soft label of Eq. 9, both (N, C).

        The global label is None where there is none.
        """
        beta = self.settings.beta
        if self.settings.global_label == "none":
            return local_NC, None
        if self.global_head is None:
            global_NC = torch.full_like(local_NC, 1 / self.num_classes)
        else:
            global_NC = global_soft_label(self.global_head(features_NM))  # Eq. 9
        if self.settings.detach_global_label:
            global_NC = global_NC.detach()
        return beta * local_NC + (1 - beta) * global_NC, global_NC  # Eq. 10

    def _mix(
        self, images_NCHW: Tensor, local_NC: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return the mixed batch and its local soft label."""
        device, batch = images_NCHW.device, len(images_NCHW)
        permutation_N = torch.randperm(batch, generator=generator, device=device)
        lam: Tensor | float
        match self.settings.lam:
            case "uniform":
                lam = torch.rand((), generator=generator, device=device)
            case "half":
                lam = 0.5
            case "per_sample":
                lam = torch.rand(batch, generator=generator, device=device)
        mixed_NCHW = mixing.mixup(images_NCHW, permutation_N, 0.5)  # Eq. 4
        return mixed_NCHW, mix_targets(local_NC, permutation_N, lam)  # Eq. 2

    def _loss(self, network: Network, images_NCHW: Tensor, local_NC: Tensor) -> Tensor:
        features_NM = network.features(images_NCHW)  # Eq. 6
        logits_NC = network.classifier(features_NM)  # Eq. 7
        targets_NC, _ = self.soft_targets(features_NM, local_NC)
        if self.settings.loss == "binary_cross_entropy":
            return soft_target_binary_cross_entropy(logits_NC, targets_NC)
        return soft_target_cross_entropy(logits_NC, targets_NC)  # Eq. 11
