"""The configurations of a study in the places of its grid: one for each case and method."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.paper import cells
from analysis.paper.comparable import PaperConfiguration, differing_settings
from analysis.paper.open_questions import Case, OpenQuestion
from analysis.paper.reproduction import first_trials
from analysis.record.names import CONFIGURATION, DATASET_NAME, NETWORK_NAME, OUTCOME
from analysis.statistics.pairs import Floats
from analysis.tables.configurations import LOST
from analysis.tables.seed_values import by_seed

SUBJECT = "lamix"
MARGINS_FROM = "table1"
"""The table of the paper whose margins hold, and whose setting is the paper's."""


@dataclass(frozen=True)
class FilledPlace:
    """The configuration in one place of the study: a case's settings with one method."""

    trial: "pd.Series[Any]"
    errors: "pd.Series[Any]"
    """By seed."""
    lost: int
    """Trials that diverged or failed."""
    comparable: bool
    """Whether it has the setting of LaMix in the paper."""
    several: bool
    """Whether there is more than one, so that none is taken."""


Places = Mapping[tuple[Case, int], FilledPlace]


def fill_places(
    frame: pd.DataFrame, axes: Sequence[OpenQuestion], methods: OpenQuestion, *, test: str
) -> Places:
    """Return the configurations on record by their answers and their method.

    Args:
        frame: the trials of the study at one scale.
        axes: the questions beside the methods.
        methods: the methods that are compared.
        test: the test error that is judged.
    """
    found: dict[tuple[Case, int], FilledPlace] = {}
    papers = cells.cell_configurations(MARGINS_FROM)
    of_configuration = dict(iter(frame.groupby(CONFIGURATION)))
    for _, trial in first_trials(frame).iterrows():
        where = [question.place_of(trial) for question in (*axes, methods)]
        if None in where:
            continue
        *context, method = (place for place in where if place is not None)
        key = (tuple(context), method)
        own = of_configuration[trial[CONFIGURATION]]
        several = key in found
        found[key] = FilledPlace(
            trial,
            pd.Series(dtype=float) if several else by_seed(own, str(trial[CONFIGURATION]), test),
            int(own[OUTCOME].isin(LOST).sum()) if OUTCOME in own else 0,
            _has_setting_of(trial, papers),
            several,
        )
    return found


def _has_setting_of(
    trial: "pd.Series[Any]", published: Mapping[tuple[str, str, str], PaperConfiguration]
) -> bool:
    """Return whether a trial has the setting of the published cell of LaMix."""
    cell = str(trial.get(DATASET_NAME)), str(trial.get(NETWORK_NAME)), SUBJECT
    return cell in published and not differing_settings(trial, published[cell])


def error_array(
    questions: Sequence[OpenQuestion], places: Places, methods: Sequence[int]
) -> Floats:
    """Return the errors by question, method and seed; NaN for what is missing.

    Args:
        questions: those beside the methods, and then any last one, which has no axis.
        places: as from `fill_places`.
        methods: places of the methods.
    """
    seeds = sorted({seed for place in places.values() for seed in place.errors.index})
    shape = [len(question.options) for question in questions[:-1]]
    errors = np.full((*shape, len(methods), max(len(seeds), 1)), np.nan)
    for (context, method), place in places.items():
        if method in methods and len(place.errors):
            values = place.errors.reindex(seeds).to_numpy(dtype=float)
            errors[(*context, methods.index(method))] = values
    return errors
