"""One run per trial: which run stands for a trial that has several on record.

A trial has several runs where two launches ran at once under an older version, or where a run was
deleted, trained again and restored.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from analysis.record.names import COMPLETED, DIVERGED, OUTCOME, SCALE, TRIAL_KEY

log = logging.getLogger(__name__)


class RunState(Protocol):
    """What tells runs of one trial apart.

    MLflow's are properties of a class of its own, which mypy takes for values once they come from
    its cache; so nothing narrower than Any fits both.
    """

    @property
    def run_id(self) -> Any:
        """The run's id, a text."""

    @property
    def status(self) -> Any:
        """MLflow's word for it."""

    @property
    def start_time(self) -> Any:
        """Milliseconds since 1970, a whole number."""


class RunTags(Protocol):
    """What ties a run to a trial."""

    @property
    def tags(self) -> Mapping[str, str]:
        """The run's tags, or those of them that are read here."""


class ReadRun(Protocol):
    """A run as MLflow gives it, or as it is read without MLflow."""

    @property
    def info(self) -> RunState:
        """What MLflow knows of it by itself."""

    @property
    def data(self) -> RunTags:
        """What it was given."""


AnyRun = TypeVar("AnyRun", bound=ReadRun)


@dataclass(frozen=True)
class SortedRuns(Generic[AnyRun]):
    """The runs of trials, told apart."""

    kept: list[AnyRun]
    """One per scale and trial key, in the order in which the trials first appeared."""
    superseded: list[tuple[AnyRun, AnyRun]]
    """Each other run of a trial, with the run that is kept."""
    keyless: list[AnyRun]
    """Runs that no trial key ties to a trial."""


def sort_runs(runs: Iterable[AnyRun]) -> SortedRuns[AnyRun]:
    """Tell the runs apart: of each trial's runs the finished one is kept, else the oldest."""
    of_trial: dict[tuple[str, str], list[AnyRun]] = {}
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
    runs: Iterable[AnyRun], say: Callable[[str], None] = log.warning
) -> list[AnyRun]:
    """Return the runs of trials without duplicates, and say which runs belong to no trial."""
    found = sort_runs(runs)
    for run in found.keyless:
        say(f"run {run.info.run_id} is left out: it has no tag `{TRIAL_KEY}`")
    return found.kept


def oldest_run(runs: Iterable[AnyRun]) -> AnyRun:
    """Return the run that was made first; ids decide between runs of one moment."""
    return min(runs, key=_age_of)


def oldest_first(runs: Iterable[AnyRun]) -> list[AnyRun]:
    """Return the runs in the order in which they were made; ids order those of one moment."""
    return sorted(runs, key=_age_of)


def _age_of(run: ReadRun) -> tuple[int, str]:
    return (run.info.start_time, run.info.run_id)


def _rank_of(run: ReadRun) -> tuple[bool, bool, int, str]:
    """Return what sorts the run to be kept first."""
    ended = run.info.status == "FINISHED"
    finished = ended and run.data.tags.get(OUTCOME) in (COMPLETED, DIVERGED)
    return (not finished, not ended, run.info.start_time, run.info.run_id)
