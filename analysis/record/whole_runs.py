"""Runs with all that they hold: of a SQLite file at one reading, else as MLflow gives them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias, Union

from analysis.record.client import search_all_runs, with_tags
from analysis.record.sqlite_tables import StoredRun, familiar_tables, read_whole_runs
from analysis.record.store_errors import RecordError, is_busy

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

WholeRun: TypeAlias = Union["Run", StoredRun]
"""A run as MLflow gives it, or one with the same names that was read without MLflow."""


def find_whole_runs(
    client: "MlflowClient", experiment_id: str, tags: Mapping[str, str]
) -> list[WholeRun]:
    """Return the active runs of an experiment that have these tags, the last begun first.

    Args:
        client: of the record.
        experiment_id: MLflow's.
        tags: by name the value that a run must have.

    Raises:
        RecordError: if the SQLite file is damaged.
    """
    try:
        with familiar_tables(client.tracking_uri) as database:
            if database is not None:
                return [*read_whole_runs(database, experiment_id, tags)]
    except RecordError as error:
        if not is_busy(error):
            raise  # MLflow waits for a file that another process writes
    return [*search_all_runs(client, [experiment_id], with_tags(tags))]
