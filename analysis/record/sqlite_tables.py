"""MLflow's tables in a SQLite file, read as they are: experiments, and runs with what they hold.

MLflow's import takes four seconds of a processor, and MLflow makes some hundred objects of each
run: 2,000 runs take it four seconds more. Tables that are not as expected here are MLflow's alone
to read; None says so. Nothing is written.
"""

import math
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

from analysis.record import credentials, sqlite_file
from analysis.record.store_errors import store_errors_told

COLUMNS = {
    "experiments": {"experiment_id", "name", "lifecycle_stage", "workspace"},
    "experiment_tags": {"experiment_id", "key", "value"},
    "runs": {
        *("run_uuid", "experiment_id", "status", "start_time", "end_time", "lifecycle_stage"),
    },
    "tags": {"run_uuid", "key", "value"},
    "params": {"run_uuid", "key", "value"},
    "latest_metrics": {"run_uuid", "key", "value", "is_nan"},
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
class StoredData:
    """What a run was given, as far as it was asked for."""

    tags: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    """The last value of each."""


@dataclass(frozen=True)
class StoredRun:
    """A run that is not deleted, under MLflow's names."""

    info: StoredState
    data: StoredData = field(default_factory=StoredData)


@contextmanager
def familiar_tables(uri: str) -> Iterator[sqlite3.Connection | None]:
    """Lend the tables of a record as they are at one moment, or None where MLflow must be asked.

    Args:
        uri: where the record is.

    Raises:
        RecordError: if the SQLite file is locked or damaged.
    """
    file = sqlite_file.file_of(uri)
    if file is None or "?" in uri or not file.exists() or _parts_experiments():
        yield None
        return
    with (
        store_errors_told(f"cannot use the record {credentials.hide_logins(uri)}"),
        closing(sqlite_file.open_to_read(file)) as database,
    ):
        database.execute("BEGIN")  # all that follows is of one moment
        yield database if _is_familiar(database) else None


def read_experiments(database: sqlite3.Connection) -> list[StoredExperiment]:
    """Return the experiments with their tags."""
    rows = database.execute(
        "SELECT experiment_id, name FROM experiments WHERE lifecycle_stage = ?", (ACTIVE,)
    )
    found = {id: StoredExperiment(str(id), name) for id, name in rows}
    for id, key, value in database.execute("SELECT experiment_id, key, value FROM experiment_tags"):
        if id in found:
            found[id].tags[key] = value
    return list(found.values())


def read_states(
    database: sqlite3.Connection, tags: Sequence[str], of_experiment: str | None
) -> list[StoredRun]:
    """Return runs with some of their tags, the last begun first and, of one moment, by their ids.

    That is MLflow's order.

    Args:
        database: as lent by `familiar_tables`.
        tags: the names of the tags that a run comes with.
        of_experiment: take the runs of the experiment of this name alone.
    """
    only = "" if of_experiment is None else "AND experiments.name = ?"
    values = (ACTIVE, ACTIVE, *(() if of_experiment is None else (of_experiment,)))
    chosen = (
        "FROM runs JOIN experiments USING (experiment_id) "
        f"WHERE runs.lifecycle_stage = ? AND experiments.lifecycle_stage = ? {only}"
    )
    runs = _read_runs(database, chosen, values)
    marks = ", ".join("?" * len(tags))
    for id, key, value in database.execute(
        f"SELECT run_uuid, key, value FROM tags WHERE key IN ({marks}) "
        f"AND run_uuid IN (SELECT run_uuid {chosen})",
        (*tags, *values),
    ):
        runs[id].data.tags[key] = value
    return list(runs.values())


def read_whole_runs(
    database: sqlite3.Connection, experiment_id: str, tags: Mapping[str, str]
) -> list[StoredRun]:
    """Return the runs of an experiment that have these tags, in the order of `read_states`.

    Args:
        database: as lent by `familiar_tables`.
        experiment_id: MLflow's.
        tags: by name the value that a run must have.
    """
    has = "AND run_uuid IN (SELECT run_uuid FROM tags WHERE key = ? AND value = ?)"
    chosen = f"FROM runs WHERE experiment_id = ? AND lifecycle_stage = ? {has * len(tags)}"
    values = (experiment_id, ACTIVE, *(text for tag in tags.items() for text in tag))
    runs = _read_runs(database, chosen, values)
    of_these = f"WHERE run_uuid IN (SELECT run_uuid {chosen})"
    texts: dict[str, str] = {}
    shared = texts.setdefault  # runs have nearly all their names and values in common
    for id, key, value in database.execute(
        f"SELECT run_uuid, key, value FROM tags {of_these}", values
    ):
        runs[id].data.tags[shared(key, key)] = shared(value, value)
    for id, key, value in database.execute(
        f"SELECT run_uuid, key, value FROM params {of_these}", values
    ):
        runs[id].data.params[shared(key, key)] = shared(value, value)
    for id, key, number, is_nan in database.execute(
        f"SELECT run_uuid, key, value, is_nan FROM latest_metrics {of_these}", values
    ):
        runs[id].data.metrics[shared(key, key)] = math.nan if is_nan else number
    return list(runs.values())


def _read_runs(
    database: sqlite3.Connection, chosen: str, values: Sequence[str]
) -> dict[str, StoredRun]:
    rows = database.execute(
        f"SELECT run_uuid, experiment_id, status, start_time, end_time {chosen} "
        "ORDER BY start_time DESC, run_uuid",
        values,
    )
    return {
        id: StoredRun(StoredState(id, str(experiment), status, start, end))
        for id, experiment, status, start, end in rows
    }


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
