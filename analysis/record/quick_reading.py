"""A SQLite record read without MLflow: which studies it has, and which runs of which state.

MLflow's import takes four seconds of a processor, and MLflow makes some sixty objects of each run.
Commands that list studies, or find that a name is not on record, need a few columns of its tables:
`experiments`, `runs` and their tags. Other records, and tables that are not as expected here, are
MLflow's alone to read; None says so. Nothing is written.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from analysis.record import credentials, sqlite_file
from analysis.record.location import no_record_message, tracking_uri
from analysis.record.names import ROLE, SCALE, STUDY_ROLE
from analysis.record.store_errors import UnknownStudyError, store_errors_told, unknown_name_message

COLUMNS = {
    "experiments": {"experiment_id", "name", "lifecycle_stage", "workspace"},
    "experiment_tags": {"experiment_id", "key", "value"},
    "runs": {
        *("run_uuid", "experiment_id", "status", "start_time", "end_time", "lifecycle_stage"),
    },
    "tags": {"run_uuid", "key", "value"},
}
"""What is asked of MLflow's tables, as they are from MLflow 3.10 on."""
ACTIVE = "active"
ONLY_WORKSPACE = "default"
"""Where all experiments are unless MLflow is told to part them."""


@dataclass(frozen=True)
class StoredExperiment:
    """An experiment that is not deleted, under MLflow's names."""

    experiment_id: str
    name: str
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StoredState:
    """What MLflow knows of a run by itself."""

    run_id: str
    experiment_id: str
    status: str
    start_time: int
    """Milliseconds since 1970."""
    end_time: int | None


@dataclass(frozen=True)
class StoredTags:
    """What a run was given; of its tags those that were asked for."""

    tags: dict[str, str]


@dataclass(frozen=True)
class StoredRun:
    """A run that is not deleted, under MLflow's names."""

    info: StoredState
    data: StoredTags


@dataclass(frozen=True)
class QuickReading:
    """A record as it was at one moment."""

    experiments: list[StoredExperiment]
    runs: list[StoredRun]


def read_quickly(tags: Iterable[str], *, of_experiment: str | None = None) -> QuickReading | None:
    """Return the record's experiments and runs, or None where MLflow must be asked.

    Args:
        tags: the names of the tags that a run comes with.
        of_experiment: take the runs of the experiment of this name alone.

    Raises:
        RecordError: if the SQLite file is locked or damaged.
    """
    uri = tracking_uri()
    file = sqlite_file.file_of(uri)
    if file is None or "?" in uri or not file.exists() or _parts_experiments():
        return None
    with (
        store_errors_told(f"cannot use the record {credentials.hide_logins(uri)}"),
        closing(sqlite_file.open_to_read(file)) as database,
    ):
        database.execute("BEGIN")  # all that follows is of one moment
        if not _is_familiar(database):
            return None
        experiments = _read_experiments(database)
        return QuickReading(experiments, _read_runs(database, tuple(tags), of_experiment))


def refuse_unknown_study(study: str, scale: str | None = None) -> None:
    """Refuse a study, or a scale of it, that a quick reading does not find.

    Where MLflow must be asked, nothing is refused: MLflow's reading will.

    Raises:
        UnknownStudyError: in the words of the whole reading.
        RecordError: if the SQLite file is locked or damaged.
    """
    uri = tracking_uri()
    file = sqlite_file.file_of(uri)
    if file is not None and not file.exists():
        raise UnknownStudyError(no_record_message(uri))
    reading = read_quickly((ROLE, SCALE), of_experiment=study)
    if reading is None:
        return
    names = sorted(one.name for one in reading.experiments if one.name != "Default")
    if study not in {one.name for one in reading.experiments}:
        where = f"at {credentials.hide_logins(uri)}"
        raise UnknownStudyError(unknown_name_message("study", study, names, where))
    parents = (run for run in reading.runs if run.data.tags.get(ROLE) == STUDY_ROLE)
    known = dict.fromkeys(run.data.tags.get(SCALE, "") for run in parents)
    if scale is not None and known and scale not in known:
        of = f"of the study `{study}`"
        raise UnknownStudyError(unknown_name_message("scale", scale, known, of))


def _parts_experiments() -> bool:
    return bool(os.environ.get("MLFLOW_ENABLE_WORKSPACES"))


def _is_familiar(database: sqlite3.Connection) -> bool:
    """Return whether the tables are as expected and hold no experiments of other workspaces."""
    for table, expected in COLUMNS.items():
        found = {name for _, name, *_ in database.execute(f"PRAGMA table_info({table})")}
        if not expected <= found:
            return False
    elsewhere = "SELECT count(*) FROM experiments WHERE workspace <> ?"
    return not database.execute(elsewhere, (ONLY_WORKSPACE,)).fetchone()[0]


def _read_experiments(database: sqlite3.Connection) -> list[StoredExperiment]:
    rows = database.execute(
        "SELECT experiment_id, name FROM experiments WHERE lifecycle_stage = ?", (ACTIVE,)
    )
    found = {id: StoredExperiment(str(id), name) for id, name in rows}
    for id, key, value in database.execute("SELECT experiment_id, key, value FROM experiment_tags"):
        if id in found:
            found[id].tags[key] = value
    return list(found.values())


def _read_runs(
    database: sqlite3.Connection, tags: Sequence[str], of_experiment: str | None
) -> list[StoredRun]:
    """Return the runs, the last begun first and, of one moment, by their ids, as MLflow does."""
    only = "" if of_experiment is None else "AND experiments.name = ?"
    values = (ACTIVE, ACTIVE, *(() if of_experiment is None else (of_experiment,)))
    chosen = (
        "FROM runs JOIN experiments USING (experiment_id) "
        f"WHERE runs.lifecycle_stage = ? AND experiments.lifecycle_stage = ? {only}"
    )
    runs = {}
    for id, experiment, status, start, end in database.execute(
        f"SELECT run_uuid, experiment_id, status, start_time, end_time {chosen} "
        "ORDER BY start_time DESC, run_uuid",
        values,
    ):
        runs[id] = StoredRun(StoredState(id, str(experiment), status, start, end), StoredTags({}))
    for id, key, value in _rows_of_tags(database, chosen, values, tags):
        runs[id].data.tags[key] = value
    return list(runs.values())


def _rows_of_tags(
    database: sqlite3.Connection, chosen: str, values: Sequence[str], tags: Sequence[str]
) -> Iterator[tuple[str, str, str]]:
    marks = ", ".join("?" * len(tags))
    yield from database.execute(
        f"SELECT run_uuid, key, value FROM tags WHERE key IN ({marks}) "
        f"AND run_uuid IN (SELECT run_uuid {chosen})",
        (*tags, *values),
    )
