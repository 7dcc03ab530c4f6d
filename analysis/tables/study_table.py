"""A study on record as the report and the comparison read it: its trials and its table."""

from dataclasses import dataclass

import pandas as pd

from analysis import trials
from analysis.record.names import CONFIGURATION, SEED
from analysis.record.study_info import StudyInfo
from analysis.tables.configurations import factors_of, over_configurations
from analysis.tables.seed_values import completed_trials
from trainables.metrics import TEST_ERROR_LAST


@dataclass(frozen=True)
class StudyTable:
    """A study's trials, and its table over configurations."""

    frame: pd.DataFrame
    factors: list[str]
    objectives: list[str]
    """The study's; a test error is the one that is reported."""
    table: pd.DataFrame


def load_study_table(
    info: StudyInfo, tracking_uri: str | None, *, test: str, whole: bool = False
) -> StudyTable:
    """Read a study's trials and work its table out.

    Args:
        info: of the study at one scale.
        tracking_uri: as for `trials.load`.
        test: the test error that is reported.
        whole: whether the best needs all seeds of the study, once any configuration has them.
    """
    frame = trials.load(info.study, info.scale, tracking_uri)
    factors = factors_of(frame, info.space)
    objectives = [test if name == TEST_ERROR_LAST else name for name in info.objectives]
    table = over_configurations(
        frame,
        factors,
        objectives,
        test=test,
        seeds=_seeds_enough(frame, len(info.seeds)) if whole and info.seeds else None,
        selects=info.selects,
        constraints=info.constraints,
        looks=info.looks_at,
    )
    return StudyTable(frame, factors, objectives, table)


def _seeds_enough(frame: pd.DataFrame, seeds: int) -> int | None:
    """Return how many seeds make a configuration eligible: the study's, once any has them."""
    if frame.empty:
        return None
    most = completed_trials(frame).groupby(CONFIGURATION)[SEED].nunique().max()
    return seeds if most >= seeds else None
