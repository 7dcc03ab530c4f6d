"""One run per trial: which run stands for a trial that has several on record.

A trial has several runs where two launches ran at once under an older version, or where a run was
deleted, trained again and restored.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mlflow.entities import Run

from analysis.record.names import COMPLETED, DIVERGED, OUTCOME, SCALE, TRIAL_KEY

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SortedRuns:
    """The runs of trials, told apart."""

    kept: list[Run]
    """One per scale and trial key, in the order in which the trials first appeared."""
    superseded: list[tuple[Run, Run]]
    """Each other run of a trial, with the run that is kept."""
    keyless: list[Run]
    """Runs that no trial key ties to a trial."""


def sort_runs(runs: Iterable[Run]) -> SortedRuns:
    """Tell the runs apart: of each trial's runs the finished one is kept, else the oldest."""
    of_trial: dict[tuple[str, str], list[Run]] = {}
    keyless = []
    for run in runs:
        key = run.data.tags.get(TRIAL_KEY)
        if key:
            of_trial.setdefault((run.data.tags.get(SCALE, ""), key), []).append(run)
        else:
            keyless.append(run)
    best = {trial: min(group, key=_rank_of) for trial, group in of_trial.items()}
    superseded = [
        (run, best[trial])
        for trial, group in of_trial.items()
        for run in group
        if run is not best[trial]
    ]
    return SortedRuns(list(best.values()), superseded, keyless)


def keep_one_run_per_trial(
    runs: Iterable[Run], say: Callable[[str], None] = log.warning
) -> list[Run]:
    """Return the runs of trials without duplicates, and say which runs belong to no trial."""
    found = sort_runs(runs)
    for run in found.keyless:
        say(f"run {run.info.run_id} is left out: it has no tag `{TRIAL_KEY}`")
    return found.kept


def oldest_run(runs: Iterable[Run]) -> Run:
    """Return the run that was made first; ids decide between runs of one moment."""
    return min(runs, key=lambda run: (run.info.start_time, run.info.run_id))


def _rank_of(run: Run) -> tuple[bool, bool, int, str]:
    """Return what sorts the run to be kept first."""
    ended = run.info.status == "FINISHED"
    finished = ended and run.data.tags.get(OUTCOME) in (COMPLETED, DIVERGED)
    return (not finished, not ended, run.info.start_time, run.info.run_id)
