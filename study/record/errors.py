"""The errors of the record: which of them pass, and what the user is told of the others.

MLflow raises errors of its own and those of `requests`; a store of artifacts raises its own.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import requests
from mlflow.exceptions import MlflowException

from analysis.record import credentials
from study.record.spool import UnreachableError

TRANSIENT = ("TEMPORARILY_UNAVAILABLE", "INTERNAL_ERROR", "REQUEST_LIMIT_EXCEEDED")
"""What MLflow calls errors that may pass; a server that does not answer is an internal error."""


HOST_REFUSED = "Invalid Host header"
"""MLflow's words, with status 403, for a request by a name that its server does not go by."""
HOST_REMEDY = (
    "The server takes requests by the names alone that it is told: start it with "
    "`mlflow server --allowed-hosts HOST,HOST:PORT`, as docs/cluster/mlflow.sh does"
)


class RecordError(Exception):
    """The tracking server cannot be used; nothing was started."""


class RefusedRecordError(Exception):
    """The tracking server does not take this record, though it takes others."""


class MissingFileError(Exception):
    """A file that a record names is neither where it should be nor on record."""


def is_transient(error: Exception) -> bool:
    """Return whether the same request may succeed later."""
    return not isinstance(error, MlflowException) or error.error_code in TRANSIENT


def shown_reason(error: Exception) -> str:
    """Return the error's own words without users and passwords."""
    reason = credentials.hide_logins(str(error))
    return f"{reason}. {HOST_REMEDY}" if HOST_REFUSED in reason else reason


@contextmanager
def store_errors_told(failed: str) -> Iterator[None]:
    """Turn the store's errors into sentences for the user.

    Args:
        failed: how the sentence begins, ``cannot use the tracking server``.

    Raises:
        RecordError: in place of an error of the store.
    """
    try:
        yield
    except (MlflowException, requests.RequestException) as error:
        raise RecordError(f"{failed}: {shown_reason(error)}") from error


@contextmanager
def disk_errors_pass() -> Iterator[None]:
    """Take an error of this machine's disk for one that passes: space may come.

    Raises:
        UnreachableError: in place of an error of the disk.
    """
    try:
        yield
    except requests.RequestException:  # the server's, though it is an OSError
        raise
    except OSError as error:
        raise UnreachableError(str(error)) from error
