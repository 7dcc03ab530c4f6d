"""The scores of a trial's kept weights under every perturbation, in fp32 on one device."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainables import datasets
from trainables.batches import PixelNormaliser
from trainables.configuration import parse_configuration
from trainables.datasets import Images, Splits
from trainables.evaluation import evaluate_splits
from trainables.initialisation import build_network
from trainables.networks import Network
from trainables.precision import put_on
from trainables.robustness.perturbations import (
    PERTURBATIONS,
    Perturbation,
    attack,
    depends_on_network,
    perturb,
)
from trainables.trial_key import hash_configuration

SPLIT = "test"
ATTACK_BATCH = 250
MOST_KEPT_BYTES = 2**30
"""Perturbed images that are kept for the next network, at most."""


class RobustnessError(Exception):
    """The weights of a trial cannot be scored; the message says why."""


@dataclass(frozen=True)
class RobustnessScore:
    """A network's scores on the test images under one perturbation."""

    perturbation: Perturbation
    scores: Mapping[str, float | None]
    """By name as in `evaluation.SplitScores`."""


class PerturbedImages:
    """The test images of one data set under each perturbation that is the same for all networks."""

    def __init__(self, splits: Splits) -> None:
        """Start with nothing made."""
        self.splits = splits
        self._kept: dict[Perturbation, Tensor] = {}

    def under(self, perturbation: Perturbation) -> Images:
        """Return the perturbed images with their labels, on the CPU."""
        test = self.splits.test
        made = self._kept.get(perturbation)
        if made is None:
            made = perturb(test.images_NCHW, perturbation)
            if (len(self._kept) + 1) * made.numel() <= MOST_KEPT_BYTES:
                self._kept[perturbation] = made
        return Images(made, test.labels_N)


class NetworkScorer:
    """Scores networks, one after the other; perturbed images are made once where they fit."""

    def __init__(self, data: Path | str, device: torch.device) -> None:
        """Start with no images.

        Args:
            data: the folder that holds the data sets.
            device: an open one (`devices.open_device`).
        """
        self.data = Path(data).absolute()
        self.device = device
        self._images: dict[str, PerturbedImages] = {}

    def score(
        self, settings: Mapping[str, Any], weights: bytes, *, seed: int, key: str
    ) -> list[RobustnessScore]:
        """Return a trial's scores under every perturbation.

        Args:
            settings: its configuration, as nested plain data.
            weights: the file `weights.pt` that it has left.
            seed: its seed.
            key: its key on record.

        Raises:
            RobustnessError: if the settings or the data are not those of the key, or the weights
                are not of the network.
            DatasetError: if the data is missing.
        """
        try:
            configuration = parse_configuration(settings)
        except ValueError as error:
            raise RobustnessError(f"its settings are not understood: {error}") from error
        splits = datasets.load(configuration.dataset, self.data)
        if hash_configuration(configuration, data=splits.fingerprint, seed=seed) != key:
            raise RobustnessError(
                f"its key {key} is of other data than those in {self.data}, or of other settings"
            )
        network = build_network(configuration, splits)
        load_weights(network, weights)
        images = self._images.setdefault(splits.fingerprint, PerturbedImages(splits))
        put_on(network, "fp32", self.device)
        return score_network(network.eval(), images, device=self.device)


def load_weights(network: Network, weights: bytes) -> None:
    """Give a network the weights that a trial has kept.

    Raises:
        RobustnessError: if they are not of this network.
    """
    try:
        state = torch.load(io.BytesIO(weights), map_location="cpu", weights_only=True)
        network.load_state_dict(state["network"])
    except Exception as error:  # whatever a file that holds no weights leads to
        reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        raise RobustnessError(f"its weights are not of its network: {reason}") from error


def score_network(
    network: Network, images: PerturbedImages, *, device: torch.device
) -> list[RobustnessScore]:
    """Return a network's scores under every perturbation.

    Args:
        network: in evaluation mode, on the device.
        images: of the data set that it was trained on.
        device: where to compute.
    """
    normalise = PixelNormaliser(images.splits, device)

    def predict(bytes_NCHW: Tensor) -> Tensor:
        logits_NC: Tensor = network(normalise(bytes_NCHW))
        return logits_NC

    found = []
    for perturbation in PERTURBATIONS:
        held = images.under(perturbation).to(device)
        if depends_on_network(perturbation):
            held = _attacked(network, normalise, held, perturbation.severity)
        scores = evaluate_splits(predict, {SPLIT: held})
        named = {name.removeprefix(f"{SPLIT}_"): value for name, value in scores.items()}
        found.append(RobustnessScore(perturbation, named))
    return found


def _attacked(network: Network, normalise: PixelNormaliser, held: Images, pixels: int) -> Images:
    made = [
        attack(network, normalise, bytes_NCHW, labels_N, pixels)
        for bytes_NCHW, labels_N in zip(
            held.images_NCHW.split(ATTACK_BATCH), held.labels_N.split(ATTACK_BATCH), strict=True
        )
    ]
    return Images(torch.cat(made), held.labels_N)
