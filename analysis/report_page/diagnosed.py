"""What trials have left of their insides, read for a report, and its figures."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from analysis import trials
from analysis.figures import insides
from analysis.figures.diagnostics import (
    ActivationMaps,
    BadArtifactError,
    EmbeddingRecord,
    SoftTargets,
)
from analysis.figures.model import Figure
from analysis.paper.findings import DiagnosedTrials
from analysis.record.names import SEED
from analysis.trials import StudyInfo


def diagnosed_trials(
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


def diagnostic_figures(diagnosed: DiagnosedTrials) -> Iterator[Figure | None]:
    """Yield the figures of Figs. 2, 3, 7 and 8; None where trials have left nothing for one."""
    yield insides.top_targets(diagnosed.targets)
    for label, seeds in list(diagnosed.targets.items())[:1]:
        yield insides.target_distributions(seeds[0], of=f"{label}, first seed")
    yield insides.activation_maps(diagnosed.maps)
    if diagnosed.embedding is not None:
        of, embedding = diagnosed.embedding
        yield insides.embedding_panels(embedding, of=of)


def _diagnostic_of(kind: Any, info: StudyInfo, trial: "pd.Series[Any]", problems: list[str]) -> Any:
    """Return a trial's diagnostics of a kind, or None where there are none that can be read.

    A trial that was not asked for them is not looked at: each look is a request.
    """
    if not trial.get(kind.SETTING, True):
        return None
    path = trials.artifact(trial, kind.PATH, info.tracking_uri)
    try:
        return kind.read(path) if path else None
    except BadArtifactError as error:
        problems.append(f"{kind.PATH} of run {trial['run_id'][:8]} is left out: {error}")
        return None
