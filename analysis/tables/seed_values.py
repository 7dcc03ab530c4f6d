"""What the seeds of configurations reached: one number per configuration and seed.

A trial counts if it ran in full. A trial that is on record twice counts once, by its later row.

Works on the frame of `analysis.trials.load`. A frame has some hundred columns, and each selection
of rows copies them all: so the few that are asked for are taken first.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.record.names import COMPLETED, CONFIGURATION, OUTCOME, SEED


def completed_trials(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the trials that ran in full."""
    if OUTCOME not in frame:
        return frame.iloc[:0]
    return frame[frame[OUTCOME] == COMPLETED]


def first_trial(frame: pd.DataFrame, configuration: str) -> "pd.Series[Any]":
    """Return a trial of a configuration, whose settings all its trials have."""
    return frame[frame[CONFIGURATION] == configuration].iloc[0]


def one_per_seed(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return the trials that ran in full, one per configuration and seed.

    Args:
        frame: the trials.
        columns: to keep beside configuration, seed and outcome; those that are missing are left
            out.
    """
    wanted = dict.fromkeys([CONFIGURATION, SEED, OUTCOME, *columns])
    chosen = completed_trials(frame[[name for name in wanted if name in frame]])
    if SEED not in chosen:  # no trial on record has its settings yet
        return chosen.iloc[:0]
    return chosen.drop_duplicates([CONFIGURATION, SEED], keep="last")


def by_seed(frame: pd.DataFrame, configuration: str, metric: str) -> "pd.Series[Any]":
    """Return a metric of a configuration's completed trials, indexed by seed."""
    chosen = one_per_seed(frame[frame[CONFIGURATION] == configuration], [metric])
    if chosen.empty or metric not in chosen:
        return pd.Series(dtype=float)
    return chosen.set_index(SEED)[metric].astype(float).dropna()


def errors_by_seed(
    frame: pd.DataFrame, configurations: Sequence[str], metric: str
) -> NDArray[np.float64]:
    """Return a metric of completed trials: a row per configuration, a column per seed, NaN gaps.

    Seeds without a number for any of the configurations have no column.
    """
    chosen = one_per_seed(frame, [metric])
    if chosen.empty or metric not in chosen:
        return np.empty((len(configurations), 0))
    chosen = chosen[chosen[CONFIGURATION].isin(set(configurations)) & chosen[metric].notna()]
    seeds = {seed: i for i, seed in enumerate(sorted(set(chosen[SEED])))}
    keys = {key: i for i, key in enumerate(dict.fromkeys(configurations))}
    matrix = np.full((len(keys), len(seeds)), np.nan)
    row, column = (chosen[name].map(of) for name, of in ((CONFIGURATION, keys), (SEED, seeds)))
    matrix[row.to_numpy(dtype=int), column.to_numpy(dtype=int)] = chosen[metric].to_numpy(
        dtype=float
    )
    return matrix[[keys[key] for key in configurations]]
