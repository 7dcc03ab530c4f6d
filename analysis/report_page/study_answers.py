"""What a study answers that has a kind of its own: claims, readings, or the parts of an ablation.

The report and the note in MLflow say the same by it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from analysis.counted import count_text
from analysis.paper import cells, published_table, reproduction, table_claims, table_rows
from analysis.paper.claims_file import rows_of_data
from analysis.paper.reading_words import NOTHING_COMMON, readings_sentence
from analysis.paper.readings import (
    READINGS,
    JudgedReadings,
    asks_for_readings,
    judge_readings,
)
from analysis.paper.table_claims import JudgedClaim
from analysis.record.names import PRECISION
from analysis.tables.code_remarks import code_remarks
from analysis.tables.display_names import display_name
from analysis.tables.part_words import parts_sentence
from analysis.tables.seed_values import completed_trials
from trainables.metrics import TEST_ERROR_BEST, TEST_ERROR_LAST

PAPERS_PRECISION = "fp32"


@dataclass(frozen=True)
class StudyAnswers:
    """The verdicts of a study on what it asks; all empty for a search."""

    claims: list[JudgedClaim] = field(default_factory=list)
    """What is claimed of a table of the paper, or in a claims file."""
    readings: JudgedReadings | None = None
    about_readings: str = ""
    about_parts: str = ""
    remarks: tuple[str, ...] = ()
    """What a verdict rests on that its reader does not expect."""


def study_answers(
    study: str,
    scale: str,
    resolved: Mapping[str, Any],
    frame: pd.DataFrame,
    *,
    test: str = TEST_ERROR_LAST,
    looks: Sequence[int] = (),
) -> StudyAnswers:
    """Return what the trials say of what a study of a kind of its own asks.

    Args:
        study: its name.
        scale: of the trials.
        resolved: the resolved study file; empty where it is not on record.
        frame: its trials at that scale.
        test: the test error that is judged.
        looks: numbers of seeds at which the study was looked at.
    """
    parts = parts_sentence(frame, resolved, test, looks=looks) if resolved.get("ablate") else ""
    space = (resolved.get("search") or {}).get("space") or {}
    of_readings = study == READINGS and asks_for_readings(space)
    remarks = tuple(_remarks(frame, test, of_paper=of_readings or study in cells.TABLES))
    if of_readings:
        readings = judge_readings(frame, space, test=test, looks=looks, forecast=True)
        said = readings_sentence(readings) if readings else ""
        if not readings and len(completed_trials(frame)):
            said = NOTHING_COMMON
        return StudyAnswers(
            readings=readings, about_readings=said, about_parts=parts, remarks=remarks
        )
    rows = rows_of_data((resolved.get("claims") or {}).get("cells") or [])
    claims: list[JudgedClaim] = []
    if rows:
        claims = published_table.judge_rows(frame, rows, looks=looks)
    elif study in cells.TABLES:
        claims = _judged_claims(frame, study, scale, test, looks)
    return StudyAnswers(claims=claims, about_parts=parts, remarks=remarks)


def _remarks(frame: pd.DataFrame, test: str, *, of_paper: bool) -> Iterator[str]:
    """Yield what the verdicts rest on: which error, which precision, which code."""
    if test != TEST_ERROR_LAST:
        what, _, which = display_name(test).partition(", ")
        chosen = ", which is chosen on test data" if test == TEST_ERROR_BEST else ""
        yield f"The {what} is that of the {which}{chosen}."
    full = completed_trials(frame)
    if of_paper and PRECISION in full:
        other = full[PRECISION][full[PRECISION].notna() & (full[PRECISION] != PAPERS_PRECISION)]
        if len(other):
            names = " and ".join(map(str, other.unique()))
            yield (
                f"{len(other):,} of {count_text(len(full), 'trial')} ran in {names}, where the "
                f"paper's setting is {PAPERS_PRECISION}."
            )
    yield from code_remarks(full)


def _judged_claims(
    frame: pd.DataFrame, study: str, scale: str, test: str, looks: Sequence[int]
) -> list[JudgedClaim]:
    expected = table_rows.expected_rows(study) if scale == reproduction.PAPER_SCALE else 0
    judged = table_claims.judge_claim(
        table_rows.table_rows(frame, study, test=test),
        table_rows.TABLE_CLAIMS[study],
        expected=expected,
        looks=looks,
    )
    return [judged] if judged else []
