"""The epochs of a trial as a checkpoint keeps them."""

from collections.abc import Mapping, Sequence
from typing import Any

from trainables.metrics import EPOCH_METRICS, EpochMetrics


def history_columns(history: Sequence[EpochMetrics]) -> dict[str, list[float | None]]:
    """Return epochs as a list for each metric: a checkpoint then names a metric once."""
    return {name: [getattr(epoch, name) for epoch in history] for name in EPOCH_METRICS}


def epochs_from(
    state: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]],
) -> list[EpochMetrics]:
    """Return the epochs of `history_columns`, or those of an older version: a mapping for each."""
    if isinstance(state, Mapping):
        rows = zip(*state.values(), strict=True)
        return [EpochMetrics(**dict(zip(state, row, strict=True))) for row in rows]
    return [EpochMetrics(**epoch) for epoch in state]
