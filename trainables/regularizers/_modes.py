"""How a regularizer asks the network for more than the training pass, and leaves it as it was."""

from collections.abc import Iterator
from contextlib import contextmanager

from trainables.networks import Network


@contextmanager
def in_mode(network: Network, *, training: bool) -> Iterator[None]:
    """Put the network in training or evaluation mode within, and back afterwards."""
    before = network.training
    network.train(training)
    try:
        yield
    finally:
        network.train(before)


@contextmanager
def uncompiled(network: Network) -> Iterator[None]:
    """Compute passes operation by operation within, whatever was chosen."""
    before, network.compiled = network.compiled, False
    try:
        yield
    finally:
        network.compiled = before
