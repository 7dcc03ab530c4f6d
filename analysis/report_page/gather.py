"""What a report is made from: read from the record and worked out."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis import trials
from analysis.figures import curves as figures_curves
from analysis.figures import errors, insides, search
from analysis.figures.diagnostics import (
    ActivationMaps,
    BadArtifactError,
    EmbeddingRecord,
    SoftTargets,
)
from analysis.figures.model import Figure
from analysis.paper import cells, reproduction
from analysis.paper.findings import DiagnosedTrials, figure_finding
from analysis.paper.reproduction import ComparedCell
from analysis.record.names import CONFIGURATION, SEED
from analysis.report_page import checks
from analysis.report_page.headline import headline_of
from analysis.statistics.importance import CAPTION as IMPORTANCE
from analysis.statistics.importance import factor_importance
from analysis.tables import configurations, paired
from analysis.tables.paired import PairedContrast
from analysis.tables.printed import setting_text
from analysis.tables.race import RaceStory, tell_race
from analysis.trials import StudyInfo
from trainables.metrics import TEST_ERROR, TRAIN_LOSS, course_metric

ABOUT = {
    "fig2": "top-targets",
    "fig3": "target-distributions",
    "fig5": "learning-curves",
    "fig7": "activation-maps",
    "fig8": "embedding",
}
"""Which drawing makes a figure of the paper again."""
SHOWN = 5
"""Configurations whose curves are drawn."""


@dataclass(frozen=True)
class ReportMaterial:
    """Everything that a report of one study at one scale is made from."""

    info: StudyInfo
    frame: pd.DataFrame
    table: pd.DataFrame
    factors: list[str]
    contrasts: list[PairedContrast]
    compared: list[ComparedCell]
    figures: list[Figure]
    warnings: list[str]
    answer: str
    race: RaceStory | None = None

    @property
    def objective(self) -> str:
        """The metric that selects; the first of several."""
        return self.info.objectives[0]


def gather_material(
    study: str, scale: str | None = None, tracking_uri: str | None = None
) -> ReportMaterial:
    """Read the record of a study at one scale and work out what the report says.

    Raises:
        UnknownStudyError: if the study or the scale is not on record.
    """
    info = trials.study_info(study, scale, tracking_uri)
    frame = trials.load(study, info.scale, tracking_uri)
    factors = configurations.factors_of(frame, info.space)
    seeds = len(info.seeds) if info.seeds else None
    wanted = _seeds_enough(frame, seeds)
    table = configurations.over_configurations(
        frame, factors, info.objectives, seeds=wanted, selects=info.selects
    )
    compared: list[ComparedCell] = []
    if study in cells.TABLES:
        compared = reproduction.compare_table(
            frame, study, scale=info.scale, seeds=seeds, objective=info.objectives[0]
        )
    reached = any(cell.ours.n for cell in compared)
    # In a table of the paper each configuration is a cell of its own, and none is the best.
    contrasts = (
        [] if reached else paired.contrasts_with_best(frame, table, factors, looks=info.looks_at)
    )
    problems: list[str] = []
    shown = _configurations_shown(table, factors)
    labels = {
        run: setting_text(row, factors) for _, row in shown.iterrows() for run in row["run_ids"]
    }
    error = course_metric(info.objectives[0]) if info.selects else TEST_ERROR
    curves = list(dict.fromkeys([error, TRAIN_LOSS, TEST_ERROR]))
    history = trials.history(labels, curves, info.tracking_uri)
    diagnosed = _diagnosed_trials(info, frame, labels, problems)
    drawn = [
        *_error_figures(info, frame, table, factors),
        figures_curves.learning_curves(history, labels, metrics=[error, TRAIN_LOSS]),
        *_diagnostic_figures(diagnosed),
    ]
    figure = cells.figure_of(info.study)
    story = tell_race(
        frame, table, factors, info.search, objective=info.objectives[0], foresee=True
    )
    evidence = checks.StudyEvidence(info, frame, table, factors)
    return ReportMaterial(
        info=info,
        frame=frame,
        table=table,
        factors=factors,
        contrasts=contrasts,
        compared=compared,
        figures=_in_order([found for found in drawn if found is not None], figure),
        warnings=checks.warnings_of(evidence) + problems,
        race=story,
        answer=figure_finding(figure, diagnosed, history, labels)
        or (" ".join(story.sentences) if story and story.verdict != "not begun" else "")
        or headline_of(
            table,
            factors,
            contrasts,
            compared,
            objective=info.objectives[0],
            selects=info.selects,
        ),
    )


def _in_order(drawn: list[Figure], figure: str | None) -> list[Figure]:
    """Return the figures with the one first that the study is about."""
    return sorted(drawn, key=lambda found: found.name != ABOUT.get(figure or ""))


def _seeds_enough(frame: pd.DataFrame, seeds: int | None) -> int | None:
    """Return how many seeds make a configuration eligible: the study's, once any has them."""
    if seeds is None or frame.empty:
        return None
    most = configurations.completed_trials(frame).groupby(CONFIGURATION)[SEED].nunique().max()
    return seeds if most >= seeds else None


def _error_figures(
    info: StudyInfo, frame: pd.DataFrame, table: pd.DataFrame, factors: list[str]
) -> Iterator[Figure | None]:
    """Yield the figures that are made from the errors of configurations."""
    objective = info.objectives[0]
    if configurations.DATA not in factors:
        yield search.pareto_front(table, factors, info.objectives)
    yield errors.error_by_factor(table, frame, factors, objective=objective, space=info.space)
    if configurations.DATA not in factors:  # across data sets errors do not compare
        shares = factor_importance(table, factors, objective=objective, space=info.space)
        yield figures_curves.importance_bars(shares, caption=IMPORTANCE)
        if info.search.get("sampler") != "grid":
            yield search.search_course(table, frame, objective=objective)


def _configurations_shown(table: pd.DataFrame, factors: list[str]) -> pd.DataFrame:
    """Return the configurations to draw: of each regularizer the best, or some of all ranks."""
    ran = table[table["n"] > 0]
    for name in (configurations.DATA, "network.name"):
        if name in factors and len(ran):
            ran = ran[ran[name] == ran[name].iloc[-1]]
    if "regularizer.name" in factors:
        ran = ran.drop_duplicates("regularizer.name")
    if len(ran) <= SHOWN:
        return ran
    places = [round(i * (len(ran) - 1) / (SHOWN - 1)) for i in range(SHOWN)]
    return ran.iloc[places]


def _diagnosed_trials(
    info: StudyInfo, frame: pd.DataFrame, labels: dict[str, str], problems: list[str]
) -> DiagnosedTrials:
    """Return the diagnostics of the trials shown; what cannot be read is told in `problems`."""
    found = DiagnosedTrials()
    chosen = frame[frame["run_id"].isin(labels)] if len(frame) else frame
    for _, trial in chosen.iterrows():
        label = labels[trial["run_id"]]
        if held := _diagnostic_of(SoftTargets, info, trial, problems):
            found.targets.setdefault(label, []).append(held)
        if label not in found.maps and (
            held := _diagnostic_of(ActivationMaps, info, trial, problems)
        ):
            found.maps[label] = held
        if found.embedding is None and (
            held := _diagnostic_of(EmbeddingRecord, info, trial, problems)
        ):
            found.embedding = f"{label}, seed {trial[SEED]}", held
    return found


def _diagnostic_figures(diagnosed: DiagnosedTrials) -> Iterator[Figure | None]:
    yield insides.top_targets(diagnosed.targets)
    for label, seeds in list(diagnosed.targets.items())[:1]:
        yield insides.target_distributions(seeds[0], of=f"{label}, first seed")
    yield insides.activation_maps(diagnosed.maps)
    if diagnosed.embedding is not None:
        of, embedding = diagnosed.embedding
        yield insides.embedding_panels(embedding, of=of)


def _diagnostic_of(kind: Any, info: StudyInfo, trial: "pd.Series[Any]", problems: list[str]) -> Any:
    """Return a trial's diagnostics of a kind, or None where there are none that can be read."""
    path = trials.artifact(trial, kind.PATH, info.tracking_uri)
    try:
        return kind.read(path) if path else None
    except BadArtifactError as error:
        problems.append(f"{kind.PATH} of run {trial['run_id'][:8]} is left out: {error}")
        return None
