"""Self-distillation by the network of the last epoch: PS-KD. Kim et al. 2021, arXiv:2006.12000.

"Self-Knowledge Distillation with Progressive Refinement of Targets", Section 3.1: in epoch t the
target is (1 − α_t)·y + α_t·p, where p is what the network of epoch t − 1 predicts for the same
input and α_t = α_T·t/T. The first epoch has no teacher. The teacher is a copy of the weights, in
evaluation mode, and sees the step's own, augmented images; the copy is the only memory that it
takes, one forward pass a step the only time.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.func import functional_call

from trainables.networks import Network
from trainables.regularizers._modes import in_mode, uncompiled
from trainables.regularizers._regularizer import (
    RegularizerModule,
    SmoothingSettings,
    TargetComparison,
    TrainingBatch,
)
from trainables.settings import Share, settings


@settings
class Settings(SmoothingSettings):
    """No mixing; the target is blended with the predictions of the last epoch's network."""

    name: Literal["self_distillation"] = "self_distillation"
    last_share: Share = 0.8
    """α_T, the teacher's share of the target in the last epoch, in [0, 1]; it grows in proportion
    to the epoch. The authors' command for CIFAR-100 says 0.8."""

    def build(self, *, num_classes: int, num_features: int) -> "SelfDistillation":
        """Build the loss; `attach` gives it the room for its teacher."""
        del num_features
        return SelfDistillation(self, num_classes=num_classes)


class SelfDistillation(RegularizerModule[Settings]):
    """Without a network to copy (see `attach`) it never has a teacher, and trains on labels."""

    share: Tensor
    """α_t of this epoch."""

    def __init__(self, settings: Settings, *, num_classes: int) -> None:
        super().__init__(settings, num_classes=num_classes)
        self.register_buffer("share", torch.zeros(()))
        self.copied: tuple[str, ...] = ()
        """The names of the network's tensors, in the order of the buffers that copy them."""

    def attach(self, network: Network) -> None:
        """Make a copy of the network's weights and statistics."""
        state = network.state_dict()
        self.copied = tuple(state)
        for index, tensor in enumerate(state.values()):
            self.register_buffer(f"teacher_{index}", tensor.detach().clone())

    @torch.no_grad()
    def begin_epoch(self, network: Network, *, epoch: int, epochs: int) -> None:
        """Let the network that the last epoch has left be the teacher of this one."""
        if epoch == 1:
            return
        self.share.fill_(self.settings.last_share * epoch / epochs)
        state = network.state_dict()
        for name, copy in self._teacher().items():
            copy.copy_(state[name])

    def compare(self, network: Network, batch: TrainingBatch) -> TargetComparison:
        """Return what one training step compares."""
        targets_NC = batch.targets_NC
        if self.copied:
            taught_NC = self._taught_labels(network, batch.images_NCHW)
            targets_NC = (1 - self.share) * targets_NC + self.share * taught_NC
        logits_NC = network(batch.images_NCHW)
        return TargetComparison(logits_NC=logits_NC, targets_NC=targets_NC, mixed=False)

    @torch.no_grad()
    def _taught_labels(self, network: Network, images_NCHW: Tensor) -> Tensor:
        """Return what the teacher predicts, (N, C)."""
        with in_mode(network, training=False), uncompiled(network):
            logits_NC: Tensor = functional_call(network, self._teacher(), (images_NCHW,))
        return torch.softmax(logits_NC.float(), dim=1)

    def _teacher(self) -> dict[str, Tensor]:
        """Return the teacher's tensors under the network's names for them."""
        return {name: self.get_buffer(f"teacher_{i}") for i, name in enumerate(self.copied)}
