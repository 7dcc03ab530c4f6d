"""Confidence penalty. Pereyra et al. 2017, arXiv:1701.06548, Section 3.2.

The loss less a share of the predictions' entropy: like label smoothing it keeps the network from
certainty, but by its own predictions instead of the uniform distribution.
"""

from typing import Annotated, Literal

import torch
from torch import Tensor

from trainables.networks import Network
from trainables.regularizers._regularizer import (
    DIAL,
    RegularizerModule,
    SmoothingSettings,
    TargetComparison,
    TrainingBatch,
)
from trainables.settings import Exempt, NonNegative, settings


@settings
class Settings(SmoothingSettings):
    """No mixing; the entropy of the predictions is rewarded."""

    name: Literal["confidence_penalty"] = "confidence_penalty"
    weight: Annotated[
        NonNegative, Exempt("cost", "the entropy of every weight is computed alike"), DIAL
    ] = 0.1
    """Of the mean entropy, in nats, that is subtracted from the loss; 0 means none. It weighs more
    beside the binary cross entropy, a mean over classes."""

    def build(self, *, num_classes: int, num_features: int) -> "ConfidencePenalty":
        """Build the loss."""
        del num_features
        return ConfidencePenalty(self, num_classes=num_classes)


class ConfidencePenalty(RegularizerModule[Settings]):
    """The loss on the original batch, less `weight` times the entropy."""

    weight: Tensor

    def compare(self, network: Network, batch: TrainingBatch) -> TargetComparison:
        """Return what one training step compares."""
        logits_NC = network(batch.images_NCHW)
        return TargetComparison(
            logits_NC=logits_NC,
            targets_NC=batch.targets_NC,
            mixed=False,
            added_loss=(-self.weight * mean_entropy(logits_NC)).float(),
        )


def mean_entropy(logits_NC: Tensor) -> Tensor:
    """Return −Σ_c p_c log p_c of p = softmax(logits), in nats, averaged over the batch."""
    log_p_NC = torch.log_softmax(logits_NC.float(), dim=1)
    return -(log_p_NC.exp() * log_p_NC).sum(dim=1).mean()
