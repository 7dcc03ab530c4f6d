"""No mixing: the cross entropy with one-hot targets or, with `smoothing`, smoothed ones."""

from typing import Literal

import torch
from torch import Tensor

from trainables.networks import Network
from trainables.regularizers._regularizer import Comparison, RegularizerModule, SmoothingSettings
from trainables.settings import settings
from trainables.targets import smooth_one_hot


@settings
class Settings(SmoothingSettings):
    """No mixing; with `smoothing`, uniform label smoothing (Fig. 6)."""

    name: Literal["vanilla"] = "vanilla"

    def build(self, *, num_classes: int, num_features: int) -> "Vanilla":
        """Build the loss."""
        del num_features
        return Vanilla(self, num_classes=num_classes)


class Vanilla(RegularizerModule):
    """Cross entropy on the original batch."""

    def __init__(self, settings: Settings, *, num_classes: int) -> None:
        super().__init__()
        self.settings = settings
        self.num_classes = num_classes

    def compare(
        self,
        network: Network,
        images_NCHW: Tensor,
        labels_N: Tensor,
        *,
        step: int,
        generator: torch.Generator,
    ) -> Comparison:
        """Return what one training step compares."""
        targets_NC = smooth_one_hot(labels_N, self.num_classes, self.settings.smoothing)
        return Comparison(logits_NC=network(images_NCHW), targets_NC=targets_NC, mixed=False)
