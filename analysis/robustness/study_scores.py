"""The scores of a study's trials on disturbed test images: measured, and published."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from analysis import trials
from analysis.counted import count_text
from analysis.json_documents import Document, named_document
from analysis.output_folder import writing_errors_told
from analysis.record.names import CONFIGURATION, EVALUATION, SEED, TRIAL_KEY, WEIGHTS_FILE
from analysis.robustness.grids import corruption_grid, robustness_grid, severity_grid
from analysis.robustness.scores import RobustnessRecord, read_record, write_record
from analysis.robustness.worker import RobustnessWorker, WorkerEndedError
from analysis.tables import configurations, seed_values
from analysis.tables.csv_rendering import to_csv
from analysis.tables.fitting import fit_text
from analysis.tables.rendering import to_markdown
from analysis.terminal import line_width
from analysis.trials import StudyInfo


class NothingToEvaluateError(LookupError):
    """No trial of the study has kept its weights."""


@dataclass
class StudyRobustness:
    """What is known of the trials of a study."""

    info: StudyInfo
    frame: pd.DataFrame
    """The trials that ran in full."""
    records: dict[str, RobustnessRecord] = field(default_factory=dict)
    """By run."""
    measured: int = 0
    """How many of them were measured just now."""
    failed: list[str] = field(default_factory=list)
    """Sentences on trials that could not be measured."""
    unmeasured: int = 0
    """How many could not be measured."""
    without_weights: int = 0

    def rows(self) -> pd.DataFrame:
        """Return one row per trial and perturbation."""
        return pd.DataFrame(
            [
                {CONFIGURATION: trial[CONFIGURATION], SEED: trial[SEED], **row}
                for _, trial in self.frame.iterrows()
                if trial["run_id"] in self.records
                for row in self.records[trial["run_id"]].rows()
            ]
        )


def evaluate_study(
    study: str,
    scale: str | None,
    *,
    data: Path,
    tracking_uri: str | None = None,
    say: Callable[[str], None] = lambda sentence: None,
) -> StudyRobustness:
    """Measure the trials whose weights are kept and whose scores are not on record yet.

    Args:
        study: its name.
        scale: may be None if there is only one on record.
        data: the folder of the data sets.
        tracking_uri: as for `trials.load`.
        say: told how it goes.

    Raises:
        UnknownStudyError: if the study or the scale is not on record.
        NothingToEvaluateError: if no trial has kept its weights.
    """
    info = trials.study_info(study, scale, tracking_uri)
    frame = seed_values.completed_trials(trials.load(study, info.scale, tracking_uri))
    found = StudyRobustness(info, frame)
    todo: list[tuple[pd.Series[Any], Path]] = []
    for _, trial in frame.iterrows():
        held = read_record(trial, tracking_uri)
        weights = None if held else trials.artifact(trial, WEIGHTS_FILE, tracking_uri)
        if held is not None:
            found.records[trial["run_id"]] = held
        elif weights is not None:
            todo.append((trial, weights))
        else:
            found.without_weights += 1
    if not found.records and not todo:
        raise NothingToEvaluateError(
            f"no trial of `{study}` at scale {info.scale} has kept its weights; a launch with "
            "--set trial.diagnostics.weights=true keeps them"
        )
    say(_opening_words(found, len(todo)))
    try:
        with RobustnessWorker(data) as worker:
            for number, (trial, weights) in enumerate(todo, start=1):
                _measure(found, trial, weights, worker, tracking_uri)
                say(f"{number} of {count_text(len(todo), 'trial')} measured")
    except WorkerEndedError as error:  # what was measured until then is on record
        left = len(todo) - found.measured - found.unmeasured
        found.unmeasured += left
        found.failed.append(f"{error}; not measured: {count_text(left, 'trial')}")
    return found


def _measure(
    found: StudyRobustness,
    trial: "pd.Series[Any]",
    weights: Path,
    worker: RobustnessWorker,
    tracking_uri: str | None,
) -> None:
    settings, seed = trials.settings_of(trial["run_id"], tracking_uri)
    answer = worker.ask(settings=settings, weights=weights, seed=seed, key=trial[TRIAL_KEY])
    if reason := answer.get("reason"):
        found.failed.append(f"run {trial['run_id']} is not evaluated: {reason}")
        found.unmeasured += 1
        return
    found.records[trial["run_id"]] = write_record(trial, answer, tracking_uri)
    found.measured += 1


def _opening_words(found: StudyRobustness, todo: int) -> str:
    words = f"{count_text(len(found.records), 'trial')} on record, {todo} to measure"
    if found.without_weights:
        words += f", {found.without_weights} without kept weights"
    return words


@dataclass(frozen=True)
class PublishedScores:
    """The tables of a study's scores, written."""

    folder: Path
    text: str
    """The tables for a terminal, and the folder."""


def publish(
    found: StudyRobustness, output: Path, tracking_uri: str | None = None
) -> PublishedScores:
    """Write the tables, and put them on record with the study.

    Args:
        found: as from `evaluate_study`, with records.
        output: the folder of reports.
        tracking_uri: as for `trials.load`.

    Raises:
        OutputFolderError: if they cannot be written.
    """
    info, rows = found.info, found.rows()
    factors = configurations.factors_of(found.frame, info.space)
    grids = [make(rows, found.frame, factors) for make in (robustness_grid, corruption_grid)]
    folder = output / f"{info.study}-{info.scale}" / EVALUATION
    markdown = "\n".join(to_markdown(grid) for grid in grids)
    files = {
        "robustness.md": markdown,
        "robustness.csv": to_csv(grids[0]),
        "severities.csv": to_csv(severity_grid(rows, found.frame, factors)),
    }
    with writing_errors_told(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    trials.attach(info.run_id, folder, name=EVALUATION, tracking_uri=tracking_uri)
    width = line_width(sys.stdout)
    text = "\n".join([*(fit_text(grid, width) for grid in grids), f"{folder}\n"])
    return PublishedScores(folder, text)


def evaluate_document(
    found: StudyRobustness, published: PublishedScores | None, status: int
) -> Document:
    """Return what docs/json/evaluate.schema.json describes.

    Args:
        found: as from `evaluate_study`.
        published: its tables; None where no trial has scores.
        status: the exit status.
    """
    rows = found.rows()
    return named_document(
        "evaluate",
        {
            "study": found.info.study,
            "scale": found.info.scale,
            "status": status,
            "trials": {
                "measured": found.measured,
                "on_record": len(found.records) - found.measured,
                "failed": found.unmeasured,
                "without_weights": found.without_weights,
            },
            "failures": found.failed,
            # By way of pandas' own JSON: not-a-number becomes null there.
            "scores": json.loads(rows.to_json(orient="records", double_precision=15)),
            "tables": None if published is None else str(published.folder),
        },
    )
