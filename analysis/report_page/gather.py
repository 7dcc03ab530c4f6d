"""What a report is made from: read from the record and worked out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from analysis import trials
from analysis.figures import curves as figures_curves
from analysis.figures import errors, intervals, search
from analysis.figures import sensitivity as figures_sensitivity
from analysis.figures.model import Figure
from analysis.paper import cells, figure_claims, published_table, reproduction
from analysis.paper.claims_file import rows_of_data
from analysis.paper.diagnosed_claims import diagnosed_sentence
from analysis.paper.findings import figure_finding
from analysis.paper.readings import JudgedReadings
from analysis.paper.reproduction import ComparedCell
from analysis.paper.table_claims import JudgedClaim
from analysis.record.names import DATASET_NAME
from analysis.report_page import checks
from analysis.report_page.diagnosed import diagnosed_trials, diagnostic_figures
from analysis.report_page.headline import headline_of
from analysis.report_page.shown import SHOWN, configurations_shown, names_left_out
from analysis.report_page.study_answers import study_answers
from analysis.tables import paired
from analysis.tables.numeric_factors import StudySensitivity, study_sensitivity
from analysis.tables.paired import PairedContrast
from analysis.tables.printed import setting_text
from analysis.tables.race import RaceStory, race_margin, tell_race
from analysis.tables.study_table import load_study_table
from analysis.trials import StudyInfo
from trainables.metrics import TEST_ERROR, TEST_ERROR_LAST, TRAIN_LOSS, course_metric

ABOUT = {
    "fig2": "top-targets",
    "fig3": "target-distributions",
    "fig5": "learning-curves",
    "fig7": "activation-maps",
    "fig8": "embedding",
}
"""Which drawing makes a figure of the paper again."""


@dataclass(frozen=True)
class ReportMaterial:
    """Everything that a report of one study at one scale is made from."""

    info: StudyInfo
    frame: pd.DataFrame
    table: pd.DataFrame
    factors: list[str]
    contrasts: list[PairedContrast]
    compared: list[ComparedCell]
    claims: list[JudgedClaim]
    figures: list[Figure]
    warnings: list[str]
    answer: str
    test: str = TEST_ERROR_LAST
    """The test error that is reported."""
    layout: cells.TableLayout | None = None
    """How the published table that stands beside ours is laid out."""
    source: str = "the paper"
    """Where the published numbers are from."""
    readings: JudgedReadings | None = None
    """Of the study of the readings: the conclusion in each of them."""
    race: RaceStory | None = None
    sensitivity: StudySensitivity = StudySensitivity()
    """What is known of the numbers that were searched."""

    @property
    def objective(self) -> str:
        """The metric that selects; the first of several."""
        found = self.info.objectives[0]
        return self.test if found == TEST_ERROR_LAST else found


def gather_material(
    study: str,
    scale: str | None = None,
    tracking_uri: str | None = None,
    *,
    test: str = TEST_ERROR_LAST,
) -> ReportMaterial:
    """Read the record of a study at one scale and work out what the report says.

    Args:
        study: its name.
        scale: may be None if there is only one on record.
        tracking_uri: as for `trials.load`.
        test: the test error that is reported.

    Raises:
        UnknownStudyError: if the study or the scale is not on record.
    """
    info = trials.study_info(study, scale, tracking_uri)
    seeds = len(info.seeds) if info.seeds else None
    held = load_study_table(info, tracking_uri, test=test, whole=True)
    frame, factors, objectives, table = held.frame, held.factors, held.objectives, held.table
    compared: list[ComparedCell] = []
    rows = rows_of_data(info.published_cells)
    layout = cells.TABLES.get(study)
    if rows:
        layout = published_table.layout_of(rows)
        compared = published_table.compare_rows(frame, rows, seeds=seeds, looks=info.looks_at)
    elif layout is not None:
        compared = reproduction.compare_table(
            frame,
            study,
            scale=info.scale,
            seeds=seeds,
            test=test,
            elsewhere=_trials_elsewhere(study, info.scale, tracking_uri),
            looks=info.looks_at,
        )
    answered = study_answers(
        study, info.scale, info.resolved, frame, test=test, looks=info.looks_at
    )
    # In a table of the paper each configuration is a cell of its own, and none is the best.
    judged = bool(answered.claims) or any(cell.reached for cell in compared)
    contrasts = (
        []
        if judged
        else paired.contrasts_with_best(frame, table, factors, test=test, looks=info.looks_at)
    )
    problems: list[str] = []
    shown = configurations_shown(table, factors)
    labels = _labels_of(shown, factors)
    ran = table[table["n"] > 0]
    whole = _labels_of(ran, factors) if len(ran) <= SHOWN else labels
    error = course_metric(info.objectives[0]) if info.selects else TEST_ERROR
    curves = list(dict.fromkeys([error, TRAIN_LOSS, TEST_ERROR]))
    history = trials.history(labels, curves, info.tracking_uri)
    diagnosed = diagnosed_trials(info, frame, whole, problems)
    measured = objectives[0] if info.selects else test
    sensitivity = study_sensitivity(
        frame,
        table,
        factors,
        metric=measured,
        space=info.space,
        margin=race_margin(info.search),
        looks=info.looks_at,
    )
    drawn = [
        *_error_figures(info, frame, table, factors, objectives, test),
        figures_sensitivity.sensitivity_curves(sensitivity.curves, metric=measured),
        figures_sensitivity.sobol_bars(sensitivity.indices),
        figures_curves.learning_curves(
            history,
            labels,
            metrics=[error, TRAIN_LOSS],
            left_out=names_left_out(table, shown, factors),
        ),
        *diagnostic_figures(diagnosed),
    ]
    figure = cells.figure_of(info.study)
    story = tell_race(frame, table, factors, info.search, objective=objectives[0], foresee=True)
    evidence = checks.StudyEvidence(info, frame, table, factors, test)
    raced = " ".join(story.sentences) if story and len(ran) else ""
    answer = (
        figure_finding(figure, diagnosed, history, labels)
        or raced
        or headline_of(
            table,
            factors,
            contrasts,
            compared,
            answered=answered,
            of=published_table.sources_of(rows) or "the paper",
            objective=objectives[0],
            test=test,
            selects=info.selects,
        )
    )
    on_claim = figure_claims.figure_sentence(figure, frame, test=test, looks=info.looks_at)
    on_claim = on_claim or diagnosed_sentence(figure, diagnosed, history, frame, whole)
    answers = [answer, on_claim, sensitivity.answer]
    if story and story.verdict == "not begun":
        answers = [answer]  # what the first look will be asked is not told before it
    return ReportMaterial(
        info=info,
        frame=frame,
        table=table,
        factors=factors,
        contrasts=contrasts,
        compared=compared,
        claims=answered.claims,
        readings=answered.readings,
        figures=_in_order([found for found in drawn if found is not None], figure),
        warnings=checks.warnings_of(evidence) + problems,
        race=story,
        sensitivity=sensitivity,
        answer=" ".join(filter(None, answers)),
        test=test,
        layout=layout,
        source=published_table.sources_of(rows) or "the paper",
    )


def _labels_of(table: pd.DataFrame, factors: Sequence[str]) -> dict[str, str]:
    """Return the name of its configuration for each run of a table over configurations."""
    return {
        run: setting_text(row, factors) for _, row in table.iterrows() for run in row["run_ids"]
    }


def _trials_elsewhere(study: str, scale: str, tracking_uri: str | None) -> dict[str, pd.DataFrame]:
    """Return the trials that the paper's table copies from other tables, where on record."""
    found = {}
    for source in set(cells.TABLES[study].copied_from.values()):
        try:
            found[source] = trials.load(source, scale, tracking_uri)
        except trials.UnknownStudyError:
            continue
    return found


def _in_order(drawn: list[Figure], figure: str | None) -> list[Figure]:
    """Return the figures with the one first that the study is about."""
    return sorted(drawn, key=lambda found: found.name != ABOUT.get(figure or ""))


def _error_figures(
    info: StudyInfo,
    frame: pd.DataFrame,
    table: pd.DataFrame,
    factors: list[str],
    objectives: list[str],
    test: str,
) -> Iterator[Figure | None]:
    """Yield the figures that are made from the errors of configurations."""
    objective = objectives[0]
    if DATASET_NAME not in factors:
        yield search.pareto_front(table, factors, objectives)
    yield intervals.interval_rows(table, factors, objective=objective)
    yield errors.error_by_factor(
        table, frame, factors, objective=objective, test=test, space=info.space
    )
    if DATASET_NAME not in factors:  # across data sets errors do not compare
        if len(factors) > 1:
            # Late: Optuna takes a second to load, and one factor has no share of anything.
            from analysis.statistics.importance import CAPTION, factor_importance

            shares = factor_importance(table, factors, objective=objective, space=info.space)
            yield figures_curves.importance_bars(shares, caption=CAPTION)
        if info.search.get("sampler") != "grid":
            yield search.search_course(table, frame, objective=objective)
