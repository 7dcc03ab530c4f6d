"""All diagnostics of one trial."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from trainables.datasets import Images, stratified_subset
from trainables.diagnostics._settings import (
    ACTIVATION_MAPS,
    EMBEDDING,
    PREDICTIONS,
    SOFT_TARGETS,
    WEIGHTS,
    DiagnosticsSettings,
)
from trainables.diagnostics._subject import Arrays, DiagnosticRecorder, TrialSubject
from trainables.diagnostics.cam import ActivationMaps, by_turns, chosen_classes
from trainables.diagnostics.embedding import Embedding, of_classes
from trainables.diagnostics.predictions import PredictionRecorder
from trainables.diagnostics.soft_targets import SoftTargets
from trainables.metrics import EpochMetrics

FILES = {
    "soft_targets": SOFT_TARGETS,
    "cam": ACTIVATION_MAPS,
    "embedding": EMBEDDING,
    "predictions": PREDICTIONS,
}
"""The file of each kind of diagnostics."""


class TrialDiagnostics:
    """Records what the settings ask for, and nothing else."""

    def __init__(self, settings: DiagnosticsSettings, subject: TrialSubject) -> None:
        """Choose the images, which depend on the data and the settings alone, never on a seed.

        Raises:
            DatasetError: if a class is asked for that is not there.
        """
        splits = subject.splits
        settings.check_classes(splits.num_classes)
        self.settings, self.subject = settings, subject
        self.recorders: dict[str, DiagnosticRecorder] = {}
        if settings.soft_targets:
            batch = _at_most(splits.train, settings.images)
            self.recorders["soft_targets"] = SoftTargets(subject, batch)
        if settings.cam:
            shown = chosen_classes(splits.test, settings.cam_classes)
            images = by_turns(_at_most(shown, settings.images))
            self.recorders["cam"] = ActivationMaps(subject, images)
        if settings.embedding_epochs:
            images = of_classes(splits.train, settings, num_classes=splits.num_classes)
            self.recorders["embedding"] = Embedding(
                subject, images, epochs=settings.embedding_epochs
            )

        if settings.predictions:
            self.recorders["predictions"] = PredictionRecorder(subject)

    def end_epoch(self, metrics: EpochMetrics) -> None:
        """Record what belongs to the epoch that has just ended."""
        for recorder in self.recorders.values():
            recorder.end_epoch(metrics)

    def files(self) -> dict[str, bytes]:
        """Return the files that the trial leaves at its end, by name."""
        arrays = {name: recorder.arrays() for name, recorder in self.recorders.items()}
        files = {FILES[name]: _npz_bytes(held) for name, held in arrays.items() if held is not None}
        if self.settings.weights:
            files[WEIGHTS] = _weights_bytes(self.subject)
        return files

    def state_dict(self) -> dict[str, Any]:
        """Return what was recorded so far, safe for `weights_only` loads."""
        return {name: recorder.state_dict() for name, recorder in self.recorders.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`."""
        for name, recorder in self.recorders.items():
            recorder.load_state_dict(state[name])


def _at_most(images: Images, count: int) -> Images:
    return stratified_subset(images, min(count, len(images)))


def _weights_bytes(subject: TrialSubject) -> bytes:
    buffer = io.BytesIO()
    parts = {"network": subject.network, "regularizer": subject.regularizer}
    torch.save({name: _on_cpu(part) for name, part in parts.items()}, buffer)
    return buffer.getvalue()


def _on_cpu(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.cpu() for name, tensor in module.state_dict().items()}


def _npz_bytes(arrays: Arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]  # no array has its name
    return buffer.getvalue()
