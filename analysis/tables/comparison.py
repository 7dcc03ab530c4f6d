"""Studies as they are compared: each with the configurations that represent it."""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from analysis import trials
from analysis.counted import count_text
from analysis.json_documents import Document, named_document
from analysis.record.code_details import read_code_details
from analysis.record.names import CODE, CODE_PROVED, CONFIGURATION
from analysis.record.values import digests_of
from analysis.tables import configurations
from analysis.tables.alike import ComparedConfiguration, ComparedStudy
from analysis.tables.code_remarks import code_remarks
from analysis.tables.comparison_notes import comparison_notes
from analysis.tables.configurations import data_sets
from analysis.tables.display_names import display_name
from analysis.tables.feasibility import none_feasible_sentence
from analysis.tables.printed import setting_text
from analysis.tables.seed_values import by_seed, completed_trials, first_trial
from analysis.tables.study_table import load_study_table
from analysis.trials import StudyInfo, UnknownStudyError
from trainables.metrics import TEST_ERROR_LAST

MOST_NAMED = 3
"""Configurations that a sentence names beside the one that stands for them."""


class NoResultError(LookupError):
    """A study on record in which no configuration has run in full."""


def compare_document(entries: Sequence[ComparedStudy], *, test: str) -> Document:
    """Return the comparison as docs/json/compare.schema.json describes it; errors by seed."""
    keys = {
        "reference": entries[0].label,
        "reported": test,
        "remarks": comparison_notes(entries),
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
    return named_document("compare", keys)


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
    chosen = _first_of_each(table[table["best"]]) if info.selects else table[table["n"] > 0]
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
                settings=first_trial(frame, row[CONFIGURATION]),
                objective=by_seed(frame, str(row[CONFIGURATION]), objectives[0]),
                test=by_seed(frame, str(row[CONFIGURATION]), test),
                codes=_codes_of(frame, str(row[CONFIGURATION])),
            )
            for _, row in chosen.iterrows()
        ),
        factors=tuple(configurations.factors_of(held)),
        code=read_code_details(info),
        remarks=(
            *(_tie_remarks(label, table, factors, objectives) if info.selects else ()),
            *(f"{label}: {remark}" for remark in code_remarks(held)),
        ),
    )


def _first_of_each(best: pd.DataFrame) -> pd.DataFrame:
    """Return the first of the best configurations of each data set."""
    return best[~data_sets(best).duplicated()]


def _tie_remarks(
    label: str, table: pd.DataFrame, factors: Sequence[str], objectives: Sequence[str]
) -> Iterator[str]:
    """Say where the configuration that represents a study is one of several that are as good."""
    best = table[table["best"]]
    for group, alike in best.groupby(data_sets(best), sort=False):
        if len(alike) < 2:
            continue
        shown, *others = [setting_text(row, factors) for _, row in alike.iterrows()]
        on = f" on {display_name(str(group))}" if group else ""
        many = f"{count_text(len(alike), 'configuration')} of {label}"
        lowest = display_name(objectives[0])
        if len(objectives) == 1:
            rest = f" and {len(others) - MOST_NAMED} more" if len(others) > MOST_NAMED else ""
            named = "; ".join(others[:MOST_NAMED])
            yield (
                f"{many} share the lowest {lowest}{on}: {shown} stands for them; as low: "
                f"{named}{rest}."
            )
        else:
            yield (
                f"{many} are best{on}, for none is better in one objective without being worse in "
                f"another: {shown}, the lowest in {lowest}, stands for them."
            )


def _codes_of(frame: pd.DataFrame, configuration: str) -> tuple[frozenset[str], ...]:
    """Return for each completed trial the digests of all code that is known to compute it."""
    held = completed_trials(frame[frame[CONFIGURATION] == configuration])
    if CODE not in held:
        return (frozenset(),)
    proved = held[CODE_PROVED] if CODE_PROVED in held else [None] * len(held)
    codes = [
        frozenset((*digests_of(_text(own)), *digests_of(_text(others))))
        for own, others in zip(held[CODE], proved, strict=True)
    ]
    return tuple(dict.fromkeys(codes))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _study_of_label(label: str, tracking_uri: str | None) -> StudyInfo:
    """Return the study that a label means; a colon may also be part of a study's name."""
    study, colon, scale = label.rpartition(":")
    try:
        return trials.study_info(label, None, tracking_uri)
    except UnknownStudyError:
        if not colon:
            raise
    return trials.study_info(study, scale, tracking_uri)
