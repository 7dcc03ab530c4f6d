"""Online label smoothing. Zhang et al. 2021, arXiv:2011.12562, Section III.

Each class has a soft label: the mean of what the network predicted in the last epoch for those of
its images that it got right. In the first epoch, and for a class of which none was right, it is
uniform. (Their code leaves the soft label out of the first epoch's loss.)
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
from trainables.settings import Exempt, Share, settings
from trainables.targets import smooth_one_hot


@settings
class Settings(SmoothingSettings):
    """No mixing; the target is blended with the class's mean prediction of the last epoch."""

    name: Literal["online_label_smoothing"] = "online_label_smoothing"
    hard_share: Annotated[
        Share, Exempt("cost", "targets of every share are sums of the same terms"), DIAL
    ] = 0.5
    """α, the share of the one-hot target, in [0, 1]; the rest is the class's soft label."""

    def build(self, *, num_classes: int, num_features: int) -> "OnlineLabelSmoothing":
        """Build the loss and its table of C·C soft labels."""
        del num_features
        return OnlineLabelSmoothing(self, num_classes=num_classes)


class OnlineLabelSmoothing(RegularizerModule[Settings]):
    """One table of soft labels in use, and the sums from which the next epoch's is made."""

    hard_share: Tensor
    soft_labels_CC: Tensor
    """The soft label of each class in this epoch, a row each."""
    sums_CC: Tensor
    """Of the predictions for the images of each class that this epoch got right."""
    counts_C: Tensor
    """How many those are."""

    def __init__(self, settings: Settings, *, num_classes: int) -> None:
        super().__init__(settings, num_classes=num_classes)
        uniform_CC = torch.full((num_classes, num_classes), 1 / num_classes)
        self.register_buffer("soft_labels_CC", uniform_CC)
        self.register_buffer("sums_CC", torch.zeros(num_classes, num_classes))
        self.register_buffer("counts_C", torch.zeros(num_classes))

    def begin_epoch(self, network: Network, *, epoch: int, epochs: int) -> None:
        """Make the table of what the last epoch has summed up, and begin to sum anew."""
        del network, epochs
        if epoch == 1:
            return
        counts_C1 = self.counts_C.unsqueeze(1)
        means_CC = self.sums_CC / counts_C1.clamp_min(1)
        uniform_CC = torch.full_like(means_CC, 1 / self.num_classes)
        self.soft_labels_CC.copy_(torch.where(counts_C1 > 0, means_CC, uniform_CC))
        self.sums_CC.zero_()
        self.counts_C.zero_()

    def compare(self, network: Network, batch: TrainingBatch) -> TargetComparison:
        """Return what one training step compares."""
        soft_NC = self.soft_labels_CC[batch.labels_N]
        targets_NC = self.hard_share * batch.targets_NC + (1 - self.hard_share) * soft_NC
        logits_NC = network(batch.images_NCHW)
        return TargetComparison(logits_NC=logits_NC, targets_NC=targets_NC, mixed=False)

    @torch.no_grad()
    def keep(self, batch: TrainingBatch, comparison: TargetComparison) -> None:
        """Add the step's right predictions to the sums."""
        predictions_NC = torch.softmax(comparison.logits_NC.detach().float(), dim=1)
        right_N = predictions_NC.argmax(dim=1) == batch.labels_N
        rows_NC = smooth_one_hot(batch.labels_N, self.num_classes, 0.0) * right_N.unsqueeze(1)
        # A product of matrices rather than an indexed sum, which is not deterministic on a GPU; in
        # fp32, since a sum in bf16 stops growing.
        with torch.autocast(predictions_NC.device.type, enabled=False):
            self.sums_CC += rows_NC.T @ predictions_NC
        self.counts_C += rows_NC.sum(dim=0)
