"""The network and the regularizer of a trial as they begin: a function of settings and seed."""

from typing import Any

import torch

from trainables import randomness
from trainables.configuration import Configuration
from trainables.datasets import Splits
from trainables.networks import Network
from trainables.plugins import own_modules_of
from trainables.regularizers import RegularizerModule


def build_networks(
    configuration: Configuration, splits: Splits, *, seed: int
) -> tuple[Network, RegularizerModule[Any]]:
    """Return the network and the regularizer, attached to it, both on the CPU.

    Args:
        configuration: of the trial.
        splits: its data, which decides the number of classes and channels.
        seed: of the trial.
    """
    # The modules' default initialisation draws from the global generator: lend it our seed.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(randomness.derive_seed(seed, "initialisation"))
        network = build_network(configuration, splits)
        regularizer = configuration.regularizer.build(
            num_classes=splits.num_classes, num_features=network.classifier.in_features
        )
    regularizer.attach(network)
    return network, regularizer


def build_network(configuration: Configuration, splits: Splits) -> Network:
    """Return a configuration's network for some data, with weights by the global generator."""
    network = configuration.network.build(
        num_classes=splits.num_classes,
        in_channels=splits.in_channels,
        image_size=splits.image_size,
    )
    network.is_own = bool(own_modules_of([configuration.network]))
    return network
