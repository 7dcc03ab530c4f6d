"""What the study's run in MLflow says of the result: the answer and the table, and best values."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.report_page.headline import NOTHING_ANSWERED, headline_of
from analysis.report_page.study_answers import StudyAnswers
from analysis.tables.paired import contrasts_with_best
from analysis.tables.printed import configuration_grid
from analysis.tables.rendering import to_markdown
from study.file.resolved import ResolvedStudy
from trainables.metrics import TEST_ERROR_LAST

LONGEST_NOTE = 8000
"""Characters of a tag that MLflow keeps."""
SHOWN = 20
"""Configurations in the note; the artifacts hold all."""
BEST = "best."
"""Begins the metrics of a study's run: what the best configuration is and reached."""


def result_note(
    study: ResolvedStudy,
    frame: pd.DataFrame,
    table: pd.DataFrame,
    factors: Sequence[str],
    objectives: Sequence[str],
    looks: Sequence[int] = (),
    *,
    answered: StudyAnswers = NOTHING_ANSWERED,
) -> str:
    """Return question, answer and table in Markdown.

    Args:
        study: which was launched.
        frame: its trials.
        table: as from `over_configurations`.
        factors: what names a configuration.
        objectives: the metrics that order configurations.
        looks: numbers of seeds at which the study was looked at.
        answered: what a study of a kind of its own answers.
    """
    selects = study.search.selects
    answer = headline_of(
        table,
        factors,
        contrasts_with_best(frame, table, factors, looks=looks),
        answered=answered,
        objective=objectives[0],
        selects=selects,
    )
    grid = configuration_grid(table, factors, objectives, most=SHOWN, selects=selects)
    shown = to_markdown(grid) if grid.rows else ""
    note = f"{study.question}\n\n**{answer}**\n\n{shown}"
    return note if len(note) <= LONGEST_NOTE else f"{study.question}\n\n**{answer}**"[:LONGEST_NOTE]


def best_values(
    table: pd.DataFrame, factors: Sequence[str], objectives: Sequence[str]
) -> dict[str, float]:
    """Return the best configuration's numbers; none where none is best or several are.

    Returns:
        Its searched settings that are numbers, and the mean and standard deviation over seeds of
        the objectives and of the test error, each under its own name after `best.`.
    """
    best = table[table["best"]]
    if len(best) != 1:
        return {}
    row = best.iloc[0]
    settings = {name: row[name] for name in factors if _is_number(row[name])}
    reached = {
        f"{metric}{ending}": row[f"{metric}_{part}"]
        for metric in dict.fromkeys([*objectives, TEST_ERROR_LAST])
        for ending, part in (("", "mean"), (".sd", "sd"))
        if f"{metric}_{part}" in table
    }
    return {f"{BEST}{name}": float(value) for name, value in _known({**settings, **reached})}


def _known(values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in values.items() if not pd.isna(value)]


def _is_number(value: Any) -> bool:
    return pd.api.types.is_number(value) and not pd.api.types.is_bool(value)
