"""What is trained in the benchmarks."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from trainables import datasets
from trainables.configuration import Configuration, parse_configuration
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
    in_fp32: tuple[float, float]
    """The two in fp32, by whichever is faster of a compiled and an uncompiled trial."""

    def configuration(self, regularizer: str = "vanilla", **training: Any) -> Configuration:
        """Return the configuration of a trial."""
        return parse_configuration(
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


def can_compile() -> bool:
    """Return whether there is what `training.compile` needs on a CPU."""
    return any(map(shutil.which, ("g++", "clang++")))


def cases(data: Path, *, short: bool) -> list[Case]:
    """Return LeNet and PreAct ResNet-18 of width 16 on Fashion-MNIST, or on the digits."""
    dataset = images(data, short=short)
    narrow = {"name": "preact_resnet18", "width": 16}
    scale = 1 if short else 3
    return [
        Case(
            "LeNet", {"name": "lenet"}, dataset, data, 40 * scale, bar=3, stretch=4, in_fp32=(3, 4)
        ),
        Case(
            "PreAct ResNet-18, width 16",
            narrow,
            dataset,
            data,
            6 * scale,
            bar=2.2,
            stretch=3,
            in_fp32=(1.5, 1.7),
        ),
    ]


def images(data: Path, *, short: bool) -> dict[str, Any]:
    """Return the settings of the data set to measure on, all training images for training."""
    fewer = {"train_images": 20_000, "test_images": 2_000} if short else {}
    chosen = {"name": "fashion_mnist", "validation": 0.0, **fewer}
    try:
        datasets.load(_configuration(chosen).dataset, data)
    except datasets.DatasetError as error:
        print(f"{error}\nMeasuring on the digits in its place: the bars are Fashion-MNIST's.")
        return {"name": FALLBACK, "validation": 0.0}
    return chosen


def _configuration(dataset: dict[str, Any]) -> Configuration:
    return parse_configuration(
        {
            "dataset": dataset,
            "network": {"name": "lenet"},
            "regularizer": {"name": "vanilla"},
        }
    )
