"""All studies on record, in numbers."""

from collections.abc import Callable
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.entities import Experiment, Run

from analysis.record.client import (
    is_begun,
    open_client,
    search_all_experiments,
    search_all_runs,
    shown_tracking_uri,
    with_tags,
)
from analysis.record.duplicates import oldest_run, sort_runs
from analysis.record.names import RETIRED, ROLE, SCALE, STUDY_ROLE, TRIAL_ROLE
from analysis.record.values import is_flag
from study.processes import is_gone
from study.record.claims import parse_claims
from study.record.errors import BUSY_SECONDS, ask_until_answered, is_busy


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
    holder: str = ""
    """Which process holds the study since when, by its last sign of life, or nothing."""


def read_overview(say: Callable[[str], None] | None = None) -> list[StudyOverview]:
    """Return all studies on the tracking server, the last changed first.

    Where there is no record none is made.

    Args:
        say: told that the store is waited for.

    Raises:
        RecordError: if the server cannot be reached.
    """
    if not is_begun():
        return []
    failed = f"cannot use the tracking server {shown_tracking_uri()}"
    return ask_until_answered(
        _read_all, failed=failed, seconds=BUSY_SECONDS, say=say, may_pass=is_busy
    )


def _read_all() -> list[StudyOverview]:
    client = open_client()
    experiments = {e.experiment_id: e for e in search_all_experiments(client)}
    where = with_tags({ROLE: STUDY_ROLE})
    parents = [*search_all_runs(client, list(experiments), where)] if experiments else []
    by_study: dict[tuple[str, str], list[Run]] = {}
    for run in parents:
        study = (run.info.experiment_id, run.data.tags.get(SCALE, ""))
        by_study.setdefault(study, []).append(run)
    found = [
        _overview_of(client, experiments[id], oldest_run(runs))
        for (id, _), runs in by_study.items()
    ]
    return sorted(found, key=lambda study: -study.changed)


def _overview_of(client: MlflowClient, experiment: Experiment, parent: Run) -> StudyOverview:
    scale = parent.data.tags.get(SCALE, "")
    where = with_tags({ROLE: TRIAL_ROLE, SCALE: scale})
    runs = [
        run
        for run in sort_runs(search_all_runs(client, [experiment.experiment_id], where)).kept
        if not is_flag(run.data.tags.get(RETIRED))
    ]
    statuses = [run.info.status for run in runs]
    times = [run.info.end_time or run.info.start_time for run in [parent, *runs]]
    claims = [claim for claim in parse_claims(experiment.tags) if claim.scale == scale]
    holders = [claim for claim in claims if claim.state == "holds" and not is_gone(claim.process)]
    return StudyOverview(
        study=experiment.name,
        scale=scale,
        status=parent.info.status,
        done=statuses.count("FINISHED"),
        cut_off=statuses.count("RUNNING") + statuses.count("KILLED"),
        failed=statuses.count("FAILED"),
        changed=max(times) / 1000,
        holder=holders[0].holder if holders else "",
    )
