"""What the trained network says of each test image, so that it need not be asked again.

The probabilities are kept as logarithms in 16 bits: 2 MB for 10,000 images of 100 classes. The
predicted class is kept beside them, since two logarithms may be equal in 16 bits.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from trainables.diagnostics._subject import Arrays, TrialSubject, text_array
from trainables.evaluation import EVALUATION_BATCH
from trainables.metrics import EpochMetrics


class PredictionRecorder:
    """The predictions for all test images at the trial's end."""

    def __init__(self, subject: TrialSubject) -> None:
        """Take note of the trial."""
        self.subject = subject

    def end_epoch(self, metrics: EpochMetrics) -> None:
        """Record nothing: the last network says it all."""

    @torch.inference_mode()
    def arrays(self) -> Arrays | None:
        """Return the predictions of the network as it is, or None if they are not finite."""
        subject = self.subject
        network, images = subject.network.eval(), subject.splits.test
        log_p, predicted = [], []
        for bytes_NCHW in images.images_NCHW.split(EVALUATION_BATCH):
            with subject.autocast():
                logits_NC = network(subject.normalise(bytes_NCHW.to(subject.device)))
            log_p.append(logits_NC.double().log_softmax(1).cpu())
            predicted.append(logits_NC.argmax(1).cpu())
        log_p_NC = torch.cat(log_p)
        if not log_p_NC.isfinite().all():
            return None
        lowest = float(np.finfo(np.float16).min)
        return {
            "log_p_NC": log_p_NC.clamp(min=lowest).numpy().astype(np.float16),
            "predictions_N": torch.cat(predicted).numpy().astype(np.int16),
            "labels_N": images.labels_N.numpy().astype(np.int16),
            "class_names_C": text_array(subject.splits.classes),
        }

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: all is made at the end."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`, which holds nothing."""
