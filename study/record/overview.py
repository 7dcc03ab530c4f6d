"""All studies on record, in numbers."""

from collections.abc import Mapping
from dataclasses import dataclass

import requests  # noqa: E402
from mlflow import MlflowClient  # noqa: E402
from mlflow.entities import Run  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402

from study.record.writer import _unusable_error, open_client, search_all_runs


@dataclass(frozen=True)
class StudyOverview:
    """A study at one scale, in numbers."""

    study: str
    scale: str
    status: str
    """MLflow's, of the parent run."""
    done: int
    """Trials that ended as planned."""
    cut_off: int
    """Trials begun and not ended."""
    failed: int
    """Trials that failed for good."""
    changed: float
    """When the last of them began or ended, in seconds since 1970."""


def read_overview() -> list[StudyOverview]:
    """Return all studies on the tracking server, the last changed first.

    Raises:
        RecordError: if the server cannot be reached.
    """
    client = open_client()
    try:
        experiments = {e.experiment_id: e.name for e in client.search_experiments()}
        where = "tags.role = 'study'"
        parents = [*search_all_runs(client, list(experiments), where)] if experiments else []
        found = [_overview_of(client, experiments, parent) for parent in parents]
    except (MlflowException, requests.RequestException) as error:
        raise _unusable_error(error) from error
    return sorted(found, key=lambda study: -study.changed)


def _overview_of(
    client: MlflowClient, experiments: Mapping[str, str], parent: Run
) -> StudyOverview:
    where = f"tags.mlflow.parentRunId = '{parent.info.run_id}'"
    runs = [
        run
        for run in search_all_runs(client, [parent.info.experiment_id], where)
        if run.data.tags.get("retired") != "true"
    ]
    statuses = [run.info.status for run in runs]
    times = [run.info.end_time or run.info.start_time for run in [parent, *runs]]
    return StudyOverview(
        study=experiments[parent.info.experiment_id],
        scale=parent.data.tags["scale"],
        status=parent.info.status,
        done=statuses.count("FINISHED"),
        cut_off=statuses.count("RUNNING") + statuses.count("KILLED"),
        failed=statuses.count("FAILED"),
        changed=max(times) / 1000,
    )
