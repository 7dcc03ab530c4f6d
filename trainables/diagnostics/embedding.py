"""The 2-D bottleneck of training images at some epochs. LaMix, Section 3.1.8, Fig. 8."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainables.batches import evenly_chosen
from trainables.datasets import Images
from trainables.diagnostics._settings import DiagnosticsSettings
from trainables.diagnostics._subject import Arrays, TrialSubject, text_array
from trainables.metrics import EpochMetrics

BATCH = 1000


class Embedding:
    """Where the network puts the original, unaugmented images, in evaluation mode."""

    def __init__(self, subject: TrialSubject, images: Images, *, epochs: tuple[int, ...]) -> None:
        """Begin with nothing recorded.

        Args:
            subject: the trial, whose network has an embedding.
            images: training images.
            epochs: after which to record, counted from 1.
        """
        self.subject = subject
        self.images = images
        self.chosen = frozenset(epochs)
        self.epochs: list[int] = []
        self.points: list[Tensor] = []
        self.train_errors: list[float] = []

    def end_epoch(self, metrics: EpochMetrics) -> None:
        """Record the embedding, if the epoch is a chosen one."""
        if metrics.epoch in self.chosen:
            self.epochs.append(metrics.epoch)
            self.points.append(self._embed())
            self.train_errors.append(metrics.train_error)

    @torch.inference_mode()
    def _embed(self) -> Tensor:
        subject = self.subject
        assert subject.embed is not None, "the settings were checked"
        network = subject.network.eval()
        parts = []
        for bytes_NCHW in self.images.images_NCHW.split(BATCH):
            with subject.autocast():
                points_N2 = subject.embed(network, subject.normalise(bytes_NCHW.to(subject.device)))
            parts.append(points_N2.float().cpu())
        return torch.cat(parts).clone()

    def arrays(self) -> Arrays | None:
        """Return what was recorded, or None if no chosen epoch has ended."""
        if not self.epochs:
            return None
        return {
            "epochs_E": np.array(self.epochs),
            "points_EN2": torch.stack(self.points).numpy(),
            "labels_N": self.images.labels_N.numpy(),
            "class_names_C": text_array(self.subject.splits.classes),
            "train_error_E": np.array(self.train_errors),
        }

    def state_dict(self) -> dict[str, Any]:
        """Return what was recorded."""
        return {
            "epochs": list(self.epochs),
            "points": list(self.points),
            "train_errors": list(self.train_errors),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`."""
        self.epochs = list(state["epochs"])
        self.points = list(state["points"])
        self.train_errors = list(state["train_errors"])


def of_classes(images: Images, settings: DiagnosticsSettings, *, num_classes: int) -> Images:
    """Return the images that the settings ask for, class by class."""
    classes = settings.embedding_classes or range(num_classes)
    parts = [
        evenly_chosen(
            images[(images.labels_N == label).nonzero().squeeze(1)], settings.embedding_images
        )
        for label in dict.fromkeys(classes)
    ]
    return Images(
        torch.cat([part.images_NCHW for part in parts]),
        torch.cat([part.labels_N for part in parts]),
    )
