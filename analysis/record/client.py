"""MLflow's client: how one is opened, what it is asked for page by page, and how it is shown.

A record's address may hold a user and a password. They are moved to the environment before MLflow
sees the address, and everything that is shown goes through `credentials.hide_logins`.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Experiment, Run, ViewType
from mlflow.exceptions import MlflowException

from analysis.record import collector, credentials, location, sqlite_file
from analysis.record.store_errors import UnknownStudyError, store_errors_told

PAGE = 1000
"""Runs per request."""
OLDEST_FIRST = ("attributes.start_time ASC",)


def open_client() -> MlflowClient:
    """Return a client of the record at MLFLOW_TRACKING_URI, or of MLflow's own default.

    MLflow makes a SQLite record that is not there yet. MLflow's messages repeat the address, so
    MLflow gets the address without the login.

    Raises:
        RecordError: if the SQLite file is locked or damaged.
    """
    uri = credentials.without_login(location.tracking_uri())
    with store_errors_told(f"cannot use the record {credentials.hide_logins(uri)}"):
        if (file := sqlite_file.file_of(uri)) is not None:
            sqlite_file.check_file(file)
        mlflow.set_tracking_uri(uri)
        return MlflowClient()


def open_blank(file: Path) -> MlflowClient:
    """Return a client of an empty record, made in a file: where records go is told to nobody."""
    return MlflowClient(tracking_uri=f"{sqlite_file.SQLITE}{file.absolute()}")


def open_reader(tracking_uri: str | None) -> MlflowClient:
    """Return a client of a record that exists.

    Args:
        tracking_uri: where the record is; None means what MLflow means by it.

    Raises:
        UnknownStudyError: if there is no such SQLite file, which MLflow's client would create.
        RecordError: if the SQLite file is locked or damaged.
    """
    uri = credentials.without_login(tracking_uri or location.tracking_uri())
    file = sqlite_file.file_of(uri)
    if file is not None and not file.exists():
        raise UnknownStudyError(location.no_record_message(uri))
    with store_errors_told(f"cannot use the record {credentials.hide_logins(uri)}"):
        if file is not None:
            sqlite_file.check_file(file)
        return MlflowClient(tracking_uri=location.in_any_directory(uri))


def artifact_location(client: MlflowClient, study: str) -> str | None:
    """Return where a new study's artifacts are to lie, or None for where MLflow puts them.

    MLflow's default is a path, which MLflow reads as an address when it writes: `%41` becomes `A`,
    and since Python 3.14 a path ends at `#` or `?`, so that files would go into another folder.
    Below such a working directory the place is an address.
    """
    here = Path("mlruns").absolute()
    if client.tracking_uri.startswith(sqlite_file.SQLITE) and set(str(here)) & set("%#?"):
        return f"{here.as_uri()}/{quote(study, safe='')}"
    return None


def with_tags(tags: Mapping[str, str]) -> str:
    """Return MLflow's filter for the runs that have all these tags.

    >>> with_tags({"role": "trial", "scale": "quick"})
    "tags.role = 'trial' and tags.scale = 'quick'"
    """
    return " and ".join(f"tags.{name} = {_quote_text(value)}" for name, value in tags.items())


def with_params(params: Mapping[str, str]) -> str:
    """Return MLflow's filter for the runs that have all these params; texts of quotes are left out.

    >>> with_params({"training.epochs": "3"})
    "params.`training.epochs` = '3'"
    """
    texts = {name: text for name, text in params.items() if not {"'", '"'} <= set(text)}
    return " and ".join(f"params.`{name}` = {_quote_text(text)}" for name, text in texts.items())


def search_all_runs(
    client: MlflowClient,
    experiment_ids: Sequence[str],
    where: str,
    *,
    order_by: Sequence[str] = (),
) -> Iterator[Run]:
    """Yield all active runs that match, page by page."""
    token = None
    while True:
        with collector.collector_paused():
            page = client.search_runs(
                list(experiment_ids),
                where,
                ViewType.ACTIVE_ONLY,
                PAGE,
                order_by=list(order_by) or None,
                page_token=token,
            )
        yield from page
        token = page.token
        if not token:
            return


def search_all_experiments(client: MlflowClient) -> Iterator[Experiment]:
    """Yield all active experiments, page by page."""
    token = None
    while True:
        page = client.search_experiments(page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def has_artifact(client: MlflowClient, run_id: str, path: str) -> bool:
    """Return whether a run has an artifact at a path relative to its artifacts."""
    folder, _, _ = path.rpartition("/")
    return path in {entry.path for entry in client.list_artifacts(run_id, folder or None)}


def find_artifact(client: MlflowClient, run_ids: Sequence[str], path: str) -> Path | None:
    """Return a local copy of the artifact of the first run that has it, or None if none has it."""
    for run_id in run_ids:
        try:
            present = has_artifact(client, run_id, path)
        except MlflowException:  # the run may be gone
            continue
        if present:
            return download_artifact(client, run_id, path)
    return None


def download_artifact(
    client: MlflowClient, run_id: str, path: str, folder: str | None = None
) -> Path:
    """Return a local copy of an artifact, in `folder` or where MLflow keeps its downloads."""
    return Path(client.download_artifacts(run_id, path, folder))


def _quote_text(text: str) -> str:
    return f'"{text}"' if "'" in text else f"'{text}'"
