"""No mixing: the cross entropy with one-hot targets or, with `smoothing`, smoothed ones."""

from typing import Literal

from trainables.networks import Network
from trainables.regularizers._regularizer import (
    RegularizerModule,
    SmoothingSettings,
    TargetComparison,
    TrainingBatch,
)
from trainables.settings import settings


@settings
class Settings(SmoothingSettings):
    """No mixing; with `smoothing`, uniform label smoothing (Fig. 6)."""

    name: Literal["vanilla"] = "vanilla"

    def build(self, *, num_classes: int, num_features: int) -> "Vanilla":
        """Build the loss."""
        del num_features
        return Vanilla(self, num_classes=num_classes)


class Vanilla(RegularizerModule[Settings]):
    """Cross entropy on the original batch."""

    def compare(self, network: Network, batch: TrainingBatch) -> TargetComparison:
        """Return what one training step compares."""
        logits_NC = network(batch.images_NCHW)
        return TargetComparison(logits_NC=logits_NC, targets_NC=batch.targets_NC, mixed=False)
