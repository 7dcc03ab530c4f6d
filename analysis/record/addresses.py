"""Addresses in the MLflow UI: of a run, of runs side by side, of a study's trials as a table.

The UI opens an experiment on its page for language models unless the address says otherwise
(MLflow 3.17), and shows a view that lies in a tag of the experiment where the address names it.
"""

import json
from collections.abc import Iterable
from urllib.parse import quote

from analysis.record import credentials
from analysis.record.names import SHARED_VIEW

LOCAL_UI = "http://127.0.0.1:5000"
"""Where a plain `mlflow ui` listens, for records that no server holds."""


def ui_address(tracking_uri: str) -> str:
    """Return the address of the UI, no password in it: the server's, or that of `mlflow ui`."""
    if not tracking_uri.startswith(("http://", "https://")):
        return LOCAL_UI
    return credentials.hide_logins(tracking_uri).rstrip("/")


def run_address(tracking_uri: str, experiment_id: str, run_id: str) -> str:
    """Return the address of a run."""
    return f"{ui_address(tracking_uri)}/#/experiments/{experiment_id}/runs/{run_id}"


def runs_address(tracking_uri: str, experiment_id: str, run_ids: Iterable[str]) -> str:
    """Return the address that shows these runs side by side; of one run, its own."""
    ids = list(run_ids)
    if len(ids) == 1:
        return run_address(tracking_uri, experiment_id, ids[0])
    runs, experiments = quote(json.dumps(ids)), quote(json.dumps([experiment_id]))
    return f"{ui_address(tracking_uri)}/#/compare-runs?runs={runs}&experiments={experiments}"


def trials_address(tracking_uri: str, experiment_id: str, scale: str) -> str:
    """Return the address that opens on the table of a study's trials at one scale."""
    return (
        f"{ui_address(tracking_uri)}/#/experiments/{experiment_id}/runs"
        f"?workflowType=machine_learning&viewStateShareKey={scale}"
    )


def view_tag(scale: str) -> str:
    """Return the experiment's tag that holds the view of a scale's trials."""
    return f"{SHARED_VIEW}{scale}"
