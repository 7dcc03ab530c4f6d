"""Where the record is: MLFLOW_TRACKING_URI, or MLflow's own default, told without MLflow.

MLflow's import takes four seconds of a processor, which whoever asks for an address, or names a
study that is not there, should not wait for.
"""

import os
import sys
from pathlib import Path

from analysis.record import credentials, sqlite_file

DEFAULT_FILE = "mlflow.db"
"""MLflow's own default record, a SQLite file in the working directory."""
ENCODED = "%?"
"""Characters that an address of a SQLite file may not hold as they are."""
OLD_RECORDS = "mlruns"
"""The folder in which MLflow kept records before its default was a SQLite file."""


def tracking_uri() -> str:
    """Return where the records go, with all that the address holds: not to be shown.

    MLflow writes its default percent-encoded, and would make a folder of that name beside a working
    directory whose name holds a space. A relative address needs no encoding.
    """
    chosen = _uri_told_to_mlflow() or os.environ.get("MLFLOW_TRACKING_URI")
    if chosen:
        return chosen
    if any(meta.parent.name.isdigit() for meta in Path(OLD_RECORDS).glob("*/meta.yaml")):
        # Late: MLflow says what becomes of records of its old kind.
        import mlflow

        uri: str = mlflow.get_tracking_uri()
        if not uri.startswith(sqlite_file.SQLITE):
            return uri
    return in_any_directory(f"{sqlite_file.SQLITE}{DEFAULT_FILE}")


def in_any_directory(uri: str) -> str:
    """Return the address that means the same record in any working directory, where there is one.

    MLflow keeps the file that it has opened under a relative address, whatever directory its
    process has gone to since.
    """
    file = sqlite_file.file_of(uri)
    if file is None or "?" in uri or set(ENCODED) & set(path := os.path.abspath(file)):
        return uri
    return f"{sqlite_file.SQLITE}{path}"


def shown_tracking_uri() -> str:
    """Return where the records go: MLFLOW_TRACKING_URI, or MLflow's own default, to be shown."""
    return credentials.hide_logins(tracking_uri())


def is_begun() -> bool:
    """Return whether there is a record: a SQLite file that is missing would be made by opening."""
    file = sqlite_file.file_of(tracking_uri())
    return file is None or file.exists()


def is_on_one_machine() -> bool:
    """Return whether the records go to a file, which no other machine may write."""
    return tracking_uri().partition(":")[0] in ("sqlite", "file")


def no_record_message(uri: str) -> str:
    """Return what to tell whoever asks a record that is not there."""
    return (
        f"nothing is on record at {credentials.hide_logins(uri)}; run this where the study "
        "ran, or set MLFLOW_TRACKING_URI"
    )


def _uri_told_to_mlflow() -> str | None:
    """Return the address that somebody has set in MLflow, which counts before the environment."""
    if "mlflow" not in sys.modules:
        return None
    # Late, and only where it is loaded already.
    from mlflow.tracking import get_tracking_uri, is_tracking_uri_set

    is_set = is_tracking_uri_set()  # type: ignore[no-untyped-call]  # MLflow's own is without annotations
    return get_tracking_uri() if is_set else None
