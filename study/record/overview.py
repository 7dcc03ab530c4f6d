"""All studies on record, in numbers."""

from collections.abc import Mapping
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.entities import Run

from analysis.record.client import (
    is_begun,
    open_client,
    search_all_experiments,
    search_all_runs,
    shown_tracking_uri,
    with_tags,
)
from analysis.record.names import PARENT_RUN, RETIRED, ROLE, SCALE, STUDY_ROLE
from analysis.record.values import is_flag
from study.record.errors import store_errors_told


@dataclass(frozen=True)
class StudyOverview:
    """A study at one scale, in numbers."""

    study: str
    scale: str
    status: str
    """MLflow's, of the study's own run."""
    done: int
    """Trials that ended as planned."""
    cut_off: int
    """Trials begun and not ended."""
    failed: int
    """Trials that failed for good."""
    changed: float
    """When the study or one of its trials last began or ended, in seconds since 1970."""


def read_overview() -> list[StudyOverview]:
    """Return all studies on the tracking server, the last changed first.

    Where there is no record none is made.

    Raises:
        RecordError: if the server cannot be reached.
    """
    if not is_begun():
        return []
    client = open_client()
    with store_errors_told(f"cannot use the tracking server {shown_tracking_uri()}"):
        names = {e.experiment_id: e.name for e in search_all_experiments(client)}
        where = with_tags({ROLE: STUDY_ROLE})
        parents = [*search_all_runs(client, list(names), where)] if names else []
        found = [_overview_of(client, names, parent) for parent in parents]
    return sorted(found, key=lambda study: -study.changed)


def _overview_of(client: MlflowClient, names: Mapping[str, str], parent: Run) -> StudyOverview:
    where = with_tags({PARENT_RUN: parent.info.run_id})
    runs = [
        run
        for run in search_all_runs(client, [parent.info.experiment_id], where)
        if not is_flag(run.data.tags.get(RETIRED))
    ]
    statuses = [run.info.status for run in runs]
    times = [run.info.end_time or run.info.start_time for run in [parent, *runs]]
    return StudyOverview(
        study=names[parent.info.experiment_id],
        scale=parent.data.tags[SCALE],
        status=parent.info.status,
        done=statuses.count("FINISHED"),
        cut_off=statuses.count("RUNNING") + statuses.count("KILLED"),
        failed=statuses.count("FAILED"),
        changed=max(times) / 1000,
    )
