"""Trials of the paper's settings as rows of a data frame, so that no record need be made."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from analysis.paper import cells

Row = dict[str, Any]


def paper_trial(table: str, dataset: str, network: str, method: str, **changes: Any) -> Row:
    """Return the settings of a cell of the paper, some of them changed."""
    wanted = cells.cell_configurations(table)[dataset, network, method]
    return {**wanted.settings, **{key.replace("__", "."): value for key, value in changes.items()}}


def with_seeds(
    settings: Mapping[str, Any],
    errors: Iterable[float],
    *,
    configuration: str,
    outcome: str = "completed",
    last10: float = 0.05,
    best: float = -0.2,
) -> list[Row]:
    """Return a trial for each error, of seeds 0, 1, …"""
    return [
        {
            **settings,
            "configuration": configuration,
            "seed": seed,
            "run_id": f"{configuration}-{seed}",
            "outcome": outcome,
            "test_error_last": error,
            "test_error_last10_median": error + last10,
            "test_error_best": error + best,
            "validation_error": error,
        }
        for seed, error in enumerate(errors)
    ]


def frame_of(*groups: Iterable[Row]) -> pd.DataFrame:
    """Return the rows as a frame."""
    return pd.DataFrame([row for group in groups for row in group])
