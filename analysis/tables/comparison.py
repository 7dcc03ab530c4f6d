"""Studies as they are compared: each with the configurations that represent it."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis import trials
from analysis.record.names import CONFIGURATION
from analysis.tables import configurations
from analysis.tables.configurations import by_seed
from analysis.tables.counterparts import ComparedConfiguration, ComparedStudy
from analysis.tables.feasibility import none_feasible_sentence
from analysis.tables.printed import setting_text
from analysis.tables.study_table import load_study_table
from analysis.trials import StudyInfo, UnknownStudyError
from trainables.metrics import TEST_ERROR_LAST


class NoResultError(LookupError):
    """A study on record in which no configuration has run in full."""


def compare_document(entries: Sequence[ComparedStudy], *, test: str) -> dict[str, Any]:
    """Return the comparison as docs/json/compare.schema.json describes it; errors by seed."""
    return {
        "document": "compare",
        "version": 1,
        "reference": entries[0].label,
        "reported": test,
        "studies": [
            {
                "label": entry.label,
                "study": entry.info.study,
                "scale": entry.info.scale,
                "objective": entry.info.objectives[0],
                "selects": entry.info.selects,
                "configurations": [
                    {
                        "configuration": each.configuration,
                        "settings": each.what,
                        "objective_by_seed": _by_seed(each.objective),
                        "test_error_by_seed": _by_seed(each.test),
                    }
                    for each in entry.configurations
                ],
            }
            for entry in entries
        ],
    }


def _by_seed(values: "pd.Series[Any]") -> dict[str, float | None]:
    return {str(seed): None if pd.isna(value) else float(value) for seed, value in values.items()}


def compared_study(
    label: str, tracking_uri: str | None = None, *, test: str = TEST_ERROR_LAST
) -> ComparedStudy:
    """Return `STUDY` or `STUDY:SCALE` with the configurations that represent it.

    Raises:
        UnknownStudyError: if it is not on record, or has several scales and none is named.
        NoResultError: if no configuration has run in full.
    """
    info = _study_of_label(label, tracking_uri)
    loaded = load_study_table(info, tracking_uri, test=test)
    frame, factors, objectives, table = (
        loaded.frame,
        loaded.factors,
        loaded.objectives,
        loaded.table,
    )
    chosen = table[table["best"]].head(1) if info.selects else table[table["n"] > 0]
    if none_feasible := none_feasible_sentence(table):
        raise NoResultError(f"`{label}`: {none_feasible}")
    if chosen.empty:
        raise NoResultError(f"`{label}`: no configuration has run in full yet")
    keys = list(chosen[CONFIGURATION].astype(str))
    held = frame[frame[CONFIGURATION].isin(keys)]
    return ComparedStudy(
        label=label,
        info=info,
        configurations=tuple(
            ComparedConfiguration(
                configuration=str(row[CONFIGURATION]),
                what=setting_text(row, factors),
                settings=frame[frame[CONFIGURATION] == row[CONFIGURATION]].iloc[0],
                objective=by_seed(frame, str(row[CONFIGURATION]), objectives[0]),
                test=by_seed(frame, str(row[CONFIGURATION]), test),
            )
            for _, row in chosen.iterrows()
        ),
        factors=tuple(configurations.factors_of(held)),
    )


def _study_of_label(label: str, tracking_uri: str | None) -> StudyInfo:
    """Return the study that a label means; a colon may also be part of a study's name."""
    study, colon, scale = label.rpartition(":")
    try:
        return trials.study_info(label, None, tracking_uri)
    except UnknownStudyError:
        if not colon:
            raise
    return trials.study_info(study, scale, tracking_uri)
