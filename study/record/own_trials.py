"""Which trials on record are of a study as it is loaded: of its overrides, seeds and space."""

import json
from typing import Any

import pandas as pd

from analysis.record.names import (
    CONFIGURATION_NUMBER,
    DATA_FINGERPRINT,
    POINT,
    SEED,
    TRIAL_KEY,
)
from study.file.points import point_word
from study.file.resolved import ResolvedStudy
from trainables.trial_key import hash_configuration


def trials_of_study(study: ResolvedStudy, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that a launch of the study would find done or go on with.

    A trial is of the study if its key is what the study would call it, on the data of the trial.

    Args:
        study: as loaded.
        frame: as from `analysis.trials.load`.
    """
    if frame.empty or not {POINT, DATA_FINGERPRINT} <= set(frame.columns):
        return frame.iloc[:0]  # nobody can say that they are
    numbers = pd.to_numeric(frame[CONFIGURATION_NUMBER], errors="coerce")
    points = {row: _point_of(frame[POINT].loc[row], study) for row in numbers.sort_values().index}
    held = {row: point for row, point in points.items() if point is not None}
    # The first so many, in the order in which they were chosen, as a launch takes them.
    words = list(dict.fromkeys(map(point_word, held.values())))[: study.configurations]
    own = [
        row in held and point_word(held[row]) in words and _is_own(study, held[row], frame.loc[row])
        for row in frame.index
    ]
    return frame[own].reset_index(drop=True)


def _point_of(text: Any, study: ResolvedStudy) -> dict[str, Any] | None:
    """Return the point that a run is of, if it is one of the study's."""
    try:
        point = json.loads(text)
    except (TypeError, ValueError):
        return None
    return point if isinstance(point, dict) and study.has_point(point) else None


def _is_own(study: ResolvedStudy, point: dict[str, Any], row: "pd.Series[Any]") -> bool:
    seed = pd.to_numeric(row[SEED], errors="coerce")  # NaN where the record is damaged
    if seed not in study.search.seed_list:
        return False
    configuration = study.configuration(point)
    key = hash_configuration(configuration, data=row[DATA_FINGERPRINT], seed=int(seed))
    return bool(key == row[TRIAL_KEY])
