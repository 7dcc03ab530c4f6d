"""All studies on record, in numbers."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from analysis.record.duplicates import oldest_run, sort_runs
from analysis.record.location import is_begun, shown_tracking_uri
from analysis.record.names import (
    OUTCOME,
    RETIRED,
    ROLE,
    SCALE,
    STUDY_ROLE,
    TRIAL_KEY,
    TRIAL_ROLE,
)
from analysis.record.quick_reading import QuickReading, read_quickly
from analysis.record.sqlite_tables import StoredData, StoredExperiment, StoredRun, StoredState
from analysis.record.store_errors import BUSY_SECONDS, ask_until_answered, is_busy
from analysis.record.values import is_flag
from study.record.claims import living_holder, parse_claims

TAGS = (ROLE, SCALE, TRIAL_KEY, OUTCOME, RETIRED)
"""What is read here of a run's tags."""


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
    """Trials begun and not ended, which nothing trains now."""
    failed: int
    """Trials that failed for good."""
    changed: float
    """When the study or one of its trials last began or ended, in seconds since 1970."""
    running: int = 0
    """Trials that a launch trains now."""
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
    reading = read_quickly(TAGS) or _read_by_client()
    runs = {
        role: _by_study(run for run in reading.runs if run.data.tags.get(ROLE) == role)
        for role in (STUDY_ROLE, TRIAL_ROLE)
    }
    experiments = {each.experiment_id: each for each in reading.experiments}
    found = [
        _overview_of(experiments[id], oldest_run(parents), runs[TRIAL_ROLE].get((id, scale), []))
        for (id, scale), parents in runs[STUDY_ROLE].items()
    ]
    return sorted(found, key=lambda study: -study.changed)


def _read_by_client() -> QuickReading:
    """Return what a quick reading would, where only MLflow can read the record."""
    # Late: MLflow takes four seconds, which a record in a SQLite file does not need here.
    from analysis.record.client import (
        open_client,
        search_all_experiments,
        search_all_runs,
        with_tags,
    )

    client = open_client()
    experiments = [
        StoredExperiment(each.experiment_id, each.name, dict(each.tags))
        for each in search_all_experiments(client)
    ]
    ids = [each.experiment_id for each in experiments]
    runs = [
        StoredRun(
            StoredState(
                run.info.run_id,
                run.info.experiment_id,
                run.info.status,
                run.info.start_time,
                run.info.end_time,
            ),
            StoredData({name: run.data.tags[name] for name in TAGS if name in run.data.tags}),
        )
        for role in (STUDY_ROLE, TRIAL_ROLE)
        for run in (search_all_runs(client, ids, with_tags({ROLE: role})) if ids else ())
    ]
    return QuickReading(experiments, runs)


def _by_study(runs: Iterable[StoredRun]) -> dict[tuple[str, str], list[StoredRun]]:
    """Return the runs by experiment and scale."""
    found: dict[tuple[str, str], list[StoredRun]] = {}
    for run in runs:
        study = (run.info.experiment_id, run.data.tags.get(SCALE, ""))
        found.setdefault(study, []).append(run)
    return found


def _overview_of(
    experiment: StoredExperiment, parent: StoredRun, trials: Iterable[StoredRun]
) -> StudyOverview:
    scale = parent.data.tags.get(SCALE, "")
    runs = [run for run in sort_runs(trials).kept if not is_flag(run.data.tags.get(RETIRED))]
    statuses = [run.info.status for run in runs]
    times = [run.info.end_time or run.info.start_time for run in [parent, *runs]]
    claims = [claim for claim in parse_claims(experiment.tags) if claim.scale == scale]
    holder = living_holder(claims)
    is_running = bool(holder) and parent.info.status == "RUNNING"
    return StudyOverview(
        study=experiment.name,
        scale=scale,
        status=parent.info.status,
        done=statuses.count("FINISHED"),
        running=statuses.count("RUNNING") if is_running else 0,
        cut_off=statuses.count("KILLED") + (0 if is_running else statuses.count("RUNNING")),
        failed=statuses.count("FAILED"),
        changed=max(times) / 1000,
        holder=holder,
    )
