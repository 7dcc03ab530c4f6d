"""A record for a moment: an experiment is written, read and deleted where the records go."""

import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from analysis.record import sqlite_file
from analysis.record.client import open_client
from analysis.record.location import is_begun, shown_tracking_uri, tracking_uri
from trainables.metrics import TRAIN_LOSS

FILE = "doctor.txt"


def try_store(scratch: Path) -> str:
    """Write, read and delete a run, and return what is to be said of it.

    A SQLite record that is not there yet is tried in `scratch`, so that none appears.

    Args:
        scratch: an empty folder.

    Raises:
        Exception: whatever keeps a run from being written and read.
    """
    where = shown_tracking_uri()
    is_local = sqlite_file.file_of(tracking_uri()) is not None
    if not is_begun():
        mlflow.set_tracking_uri(f"sqlite:///{scratch}/mlflow.db")
        where = "a new SQLite record"
    client = open_client()
    place = (scratch / "artifacts").as_uri() if is_local else None
    experiment = client.create_experiment(f"doctor-{uuid.uuid4().hex}", artifact_location=place)
    try:
        _write_and_read(client, experiment)
    finally:
        left = _delete(client, experiment)
    return f"wrote, read and deleted a run in {where}{left}"


def _write_and_read(client: MlflowClient, experiment: str) -> None:
    run = client.create_run(experiment)
    client.log_param(run.info.run_id, "seed", 0)
    client.log_metric(run.info.run_id, TRAIN_LOSS, 0.5, step=1)
    client.log_text(run.info.run_id, "well", FILE)
    client.set_terminated(run.info.run_id)
    found = client.get_run(run.info.run_id)
    files = [file.path for file in client.list_artifacts(run.info.run_id)]
    written: tuple[Any, ...] = ({"seed": "0"}, {TRAIN_LOSS: 0.5}, [FILE])
    read = (found.data.params, found.data.metrics, files)
    if read != written:
        raise RuntimeError(f"a run reads {read}, but was written {written}")
    repository: Any = get_artifact_repository(found.info.artifact_uri)
    repository.delete_artifacts(FILE)


def _delete(client: MlflowClient, experiment: str) -> str:
    """Delete the experiment and its runs; return what is left of them, in words."""
    runs = [run.info.run_id for run in client.search_runs([experiment])]
    for run in runs:
        client.delete_run(run)
    client.delete_experiment(experiment)
    store = client._tracking_client.store
    with suppress(AttributeError):  # a server keeps what is deleted until `mlflow gc`
        for run in runs:
            store._hard_delete_run(run)
        store._hard_delete_experiment(experiment)
        return ""
    return "; it lies in the server's trash until `mlflow gc`"
