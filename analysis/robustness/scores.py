"""A trial's scores under every perturbation, and how they stand on record beside the trial.

They are a file among the artifacts of the trial's run and no metric: they are measured after the
trial, and a trial's metrics are what its training measured. `trainables.robustness` says what each
perturbation is.
"""

import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from analysis import trials
from analysis.record.names import EVALUATION, ROBUSTNESS_FILE, ROBUSTNESS_NAME, TRIAL_KEY
from trainables.robustness_document import (
    PERTURBATION_KEYS,
    VERSION,
    PerturbationScores,
    TrialScores,
)

ERROR = "error"
"""The score that tables show, in percent."""


@dataclass(frozen=True)
class RobustnessRecord:
    """What one trial's file holds."""

    key: str
    """The trial's."""
    version: int
    device: str
    scores: list[PerturbationScores]
    """One per perturbation."""

    @property
    def is_current(self) -> bool:
        """Whether the present version would measure the same."""
        return self.version == VERSION

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield one flat row per perturbation."""
        for each in self.scores:
            where = {name: value for name, value in each.items() if name in PERTURBATION_KEYS}
            yield {**where, **each["scores"]}


def read_record(trial: "pd.Series[Any]", tracking_uri: str | None) -> RobustnessRecord | None:
    """Return a trial's scores on record; None where there are none, or they do not count.

    Args:
        trial: a row of `trials.load`.
        tracking_uri: as for `trials.load`.
    """
    path = trials.artifact(trial, ROBUSTNESS_FILE, tracking_uri)
    if path is None:
        return None
    try:
        found = RobustnessRecord(**json.loads(path.read_text(encoding="utf-8")))
        list(found.rows())
    except (ValueError, KeyError, TypeError):  # damaged: they are measured anew
        return None
    return found if found.is_current else None


def write_record(
    trial: "pd.Series[Any]", answer: TrialScores, tracking_uri: str | None
) -> RobustnessRecord:
    """Put a trial's scores on record beside it, and return them.

    Args:
        trial: a row of `trials.load`.
        answer: of `trainables.robustness`.
        tracking_uri: as for `trials.load`.
    """
    found = RobustnessRecord(key=str(trial[TRIAL_KEY]), **answer)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / ROBUSTNESS_NAME).write_text(json.dumps(asdict(found), indent=1), "utf-8")
        trials.attach(trial["run_id"], Path(folder), name=EVALUATION, tracking_uri=tracking_uri)
    return found
