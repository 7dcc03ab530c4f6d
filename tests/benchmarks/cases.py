"""What is trained in the benchmarks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from trainables import datasets
from trainables.configuration import Configuration, configuration
from trainables.networks import Network

FALLBACK = "digits"
"""scikit-learn's, always there."""


@dataclass(frozen=True)
class Case:
    """A network on a data set."""

    title: str
    network: dict[str, Any]
    dataset: dict[str, Any]
    data: Path
    steps: int
    """In a window of time; enough for a second or more of the fastest contender."""
    bar: float
    """Against baseline A, on the CPU."""
    stretch: float

    def configuration(self, regularizer: str = "vanilla", **training: Any) -> Configuration:
        """Return the configuration of a trial."""
        return configuration(
            {
                "dataset": self.dataset,
                "network": self.network,
                "regularizer": {"name": regularizer},
                "training": {"epochs": 10**6, **training},
            }
        )

    def splits(self) -> datasets.Splits:
        """Return the images."""
        return datasets.load(self.configuration().dataset, self.data)

    def build(self, seed: int = 0) -> Network:
        """Return the network at its start."""
        splits = self.splits()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.configuration().network.build(
                num_classes=splits.num_classes,
                in_channels=splits.in_channels,
                image_size=splits.image_size,
            )


def cases(data: Path, *, short: bool) -> list[Case]:
    """Return LeNet and PreAct ResNet-18 of width 16 on Fashion-MNIST, or on the digits."""
    dataset: dict[str, Any] = {"name": image_source(data), "validation": 0.0}
    if short and dataset["name"] != FALLBACK:
        dataset["test_images"] = 2000
    narrow = {"name": "preact_resnet18", "width": 16}
    scale = 1 if short else 3
    return [
        Case("LeNet", {"name": "lenet"}, dataset, data, 40 * scale, bar=3, stretch=4),
        Case("PreAct ResNet-18, width 16", narrow, dataset, data, 6 * scale, bar=2.2, stretch=3),
    ]


def image_source(data: Path) -> str:
    """Return the data set to measure on."""
    try:
        datasets.load(configuration_of("fashion_mnist").dataset, data)
    except datasets.DatasetError as error:
        print(f"{error}\nMeasuring on the digits in its place: the bars are Fashion-MNIST's.")
        return FALLBACK
    return "fashion_mnist"


def configuration_of(dataset: str) -> Configuration:
    """Return a configuration on a data set, all images for training."""
    return configuration(
        {
            "dataset": {"name": dataset, "validation": 0.0},
            "network": {"name": "lenet"},
            "regularizer": {"name": "vanilla"},
        }
    )
