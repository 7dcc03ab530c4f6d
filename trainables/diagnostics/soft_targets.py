"""The targets that training uses, epoch by epoch. LaMix, Section 3.1.2, Figs. 2 and 3.

Fig. 2 shows "the average values of the top targets during training": here the mean over all mixed
inputs of an epoch, taken down as training uses them; over all inputs where none is mixed. LaMix's
original batches are left out, since the paper's numbers are those of mixtures: with λ from U(0, 1),
β = ½ and 100 classes the second largest target averages .13 to .14 on mixtures (Fig. 2 has .14),
and half of that with the originals. Fig. 3 shows "a random mini-batch of training
samples across the 400 epochs": one fixed batch, without augmentation, gets its targets after each
epoch as a training step would give them, once at an even and once at an odd step, so that LaMix's
originals and mixtures are both there. Partners and λ are drawn anew each time, as in training.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trainables import randomness
from trainables.datasets import Images
from trainables.diagnostics._subject import Arrays, TrialSubject, text_array
from trainables.metrics import EpochMetrics
from trainables.regularizers import TargetComparison

RANKS = 5
"""Of the largest entries; fewer where there are fewer classes."""
BINS = 50


class SoftTargets:
    """Shares of the classes in the training targets."""

    def __init__(self, subject: TrialSubject, batch: Images) -> None:
        """Begin with nothing recorded.

        Args:
            subject: the trial, whose regularizer is observed from now on.
            batch: the fixed batch of training images.
        """
        self.subject = subject
        self.batch = batch.to(subject.device)
        self.num_classes = subject.splits.num_classes
        self.epochs: list[int] = []
        self.top_targets: list[Tensor] = []
        self.target_counts: list[Tensor] = []
        self.global_counts: list[Tensor] = []
        self._forget_steps()
        subject.regularizer.observer = self.observe

    def _forget_steps(self) -> None:
        self.ranks = min(RANKS, self.num_classes)
        # Of all inputs and of the mixed ones: sums of the largest targets, and how many inputs.
        self._sums_2K1 = torch.zeros(
            2, self.ranks + 1, dtype=torch.float64, device=self.subject.device
        )

    def observe(self, step: TargetComparison) -> None:
        """Take down the largest targets of a training step; nothing waits for the device."""
        top_NK = step.targets_NC.detach().topk(self.ranks, dim=1).values.double()
        rows_NK1 = torch.cat((top_NK, torch.ones_like(top_NK[:, :1])), dim=1)
        if isinstance(step.mixed, bool):
            mixed_NK1 = rows_NK1 * step.mixed
        else:
            mixed_NK1 = rows_NK1 * step.mixed.expand(len(rows_NK1)).unsqueeze(1)
        self._sums_2K1 += torch.stack((rows_NK1.sum(0), mixed_NK1.sum(0)))

    def _mean_top_targets(self) -> Tensor:
        """Return the epoch's mean over mixed inputs or, where there are none, over all."""
        all_K1, mixed_K1 = self._sums_2K1.cpu()
        chosen_K1 = mixed_K1 if mixed_K1[-1] > 0 else all_K1
        mean_K: Tensor = chosen_K1[:-1] / chosen_K1[-1]
        return mean_K

    def end_epoch(self, metrics: EpochMetrics) -> None:
        """Record the mean over the epoch's steps, and the targets of the fixed batch."""
        self.epochs.append(metrics.epoch)
        self.top_targets.append(self._mean_top_targets())
        self._forget_steps()
        steps = self._fixed_batch(metrics.epoch)
        targets = [step.targets_NC for step in steps]
        labels = [step.global_NC for step in steps if step.global_NC is not None]
        self.target_counts.append(count_histogram(torch.cat(targets), 0, 1))
        if labels:
            bounds = global_label_bounds(self.num_classes)
            self.global_counts.append(count_histogram(torch.cat(labels), *bounds))

    @torch.no_grad()
    def _fixed_batch(self, epoch: int) -> list[TargetComparison]:
        subject = self.subject
        generator = randomness.keyed_generator(
            subject.seed, epoch, "diagnostics", "soft_targets", device=subject.device
        )
        batches = [
            subject.regularizer.batch(
                subject.normalise(self.batch.images_NCHW),
                self.batch.labels_N,
                variant=subject.regularizer.variant(step, seed=generator.initial_seed()),
                generator=generator,
            )
            for step in (0, 1)
        ]
        # In training mode: a global label that training uses rests on the batch's own statistics.
        with _training_without_trace(subject.network), subject.autocast():
            return [subject.regularizer.compare(subject.network, batch) for batch in batches]

    def arrays(self) -> Arrays | None:
        """Return what was recorded, or None if no epoch has ended."""
        if not self.epochs:
            return None
        arrays = {
            "epochs_E": np.array(self.epochs),
            "top_targets_EK": torch.stack(self.top_targets).numpy(),
            "target_edges": np.linspace(0, 1, BINS + 1),
            "target_counts_EB": torch.stack(self.target_counts).numpy(),
            "source": text_array("epoch"),
        }
        if self.global_counts:
            low, high = global_label_bounds(self.num_classes)
            arrays["global_edges"] = np.linspace(low, high, BINS + 1)
            arrays["global_counts_EB"] = torch.stack(self.global_counts).numpy()
        return arrays

    def state_dict(self) -> dict[str, Any]:
        """Return what was recorded, also of an epoch that is under way."""
        return {
            "epochs": list(self.epochs),
            "top_targets": list(self.top_targets),
            "target_counts": list(self.target_counts),
            "global_counts": list(self.global_counts),
            "sums": self._sums_2K1.clone(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`."""
        self.epochs = list(state["epochs"])
        self.top_targets = list(state["top_targets"])
        self.target_counts = list(state["target_counts"])
        self.global_counts = list(state["global_counts"])
        self._sums_2K1 = state["sums"].to(self.subject.device)


def global_label_bounds(num_classes: int) -> tuple[float, float]:
    """Return the least and the greatest entry that a global soft label can have (Eq. 9).

    The sigmoid is between 0 and 1, so the greatest is e / (e + C − 1), one class saturated.
    """
    others = num_classes - 1
    return 1 / (1 + others * math.e), math.e / (math.e + others)


def count_histogram(entries: Tensor, low: float, high: float) -> Tensor:
    """Count entries in `BINS` equal bins of [low, high], int64; those outside go to the ends."""
    entries = entries.detach().float().cpu().flatten()
    finite = entries[entries.isfinite()].clamp(low, high)
    return torch.histc(finite, BINS, low, high).long()


@contextmanager
def _training_without_trace(network: nn.Module) -> Iterator[None]:
    """Put the network in training mode, and afterwards its mode and statistics back."""
    mode = network.training
    before = [buffer.clone() for buffer in network.buffers()]
    network.train()
    try:
        yield
    finally:
        network.train(mode)
        for buffer, value in zip(network.buffers(), before, strict=True):
            buffer.copy_(value)
