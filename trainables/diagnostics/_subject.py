"""What diagnostics look at, and the one thing each kind of them is."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from trainables.batches import PixelNormaliser
from trainables.datasets import Splits
from trainables.metrics import EpochMetrics
from trainables.networks import Network
from trainables.regularizers import RegularizerModule

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class TrialSubject:
    """A trial in training."""

    network: Network
    embed: Callable[[Network, torch.Tensor], torch.Tensor] | None
    """Gives the network's 2-D embedding; None where it has none."""
    regularizer: RegularizerModule[Any]
    splits: Splits
    normalise: PixelNormaliser
    autocast: Callable[[], AbstractContextManager[Any]]
    """The precision that the trial computes in."""
    seed: int
    device: torch.device


class DiagnosticRecorder(Protocol):
    """One kind of diagnostics. What it has recorded is a function of the trial alone."""

    def end_epoch(self, metrics: EpochMetrics) -> None:
        """Record what belongs to the epoch that has just ended."""
        ...

    def arrays(self) -> Arrays | None:
        """Return what the trial leaves at its end, or None if that is nothing."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return what was recorded so far, safe for `weights_only` loads."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`."""
        ...


def text_array(words: str | tuple[str, ...]) -> NDArray[np.str_]:
    """Return text as an array that is read without unpickling."""
    return np.array(words, dtype=np.str_)
