"""The errors of the store of records and artifacts: told from our own, waited for, put into words.

MLflow raises errors of its own and lets those of SQLAlchemy, of database drivers, of `requests` and
of a store's own library through. They are told by the package that defines them, so that none of
these packages must be imported, or installed.
"""

import itertools
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import TypeVar

from analysis.record import credentials

STORE_PACKAGES = frozenset(
    {
        *("mlflow", "requests", "urllib3", "sqlalchemy", "sqlite3", "alembic", "psycopg"),
        *("psycopg2", "pymysql", "MySQLdb", "pyodbc", "botocore", "boto3", "s3transfer"),
        *("google", "azure", "paramiko", "pysftp", "pyarrow"),
    }
)
"""Packages whose errors are the store's."""
BUSY_CODES = ("TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED")
"""What MLflow calls the errors of a store that is there and busy, such as a locked SQLite file."""
TRANSIENT_CODES = (*BUSY_CODES, "INTERNAL_ERROR")
"""What MLflow calls errors that may pass; a server that does not answer is an internal error."""
BUSY_SECONDS = 120.0
"""How long to wait for a store that is there and busy, such as a locked SQLite file."""
WAITS = (0.5, 1.0, 2.0, 5.0)
"""Seconds between attempts; the last one repeats."""
REMEDIES = {
    "file is not a database": "the file is damaged or no database: restore it from a copy, or move "
    "it away to begin a new record",
    "disk image is malformed": "the file is damaged: restore it from a copy, or move it away to "
    "begin a new record",
    "filesystem tracking backend": "set MLFLOW_TRACKING_URI to a database such as "
    "sqlite:///mlflow.db, or to an MLflow server",
    "database is locked": "another process holds it",
    "readonly database": "the file may not be written here",
    # With status 403, for a request by a name that the server does not go by.
    "Invalid Host header": "the server takes requests by the names alone that it is told: start it "
    "with `mlflow server --allowed-hosts HOST,HOST:PORT`, as docs/cluster/mlflow.sh does",
}
"""What to do about an error, by a part of its words."""

Answer = TypeVar("Answer")


class RecordError(Exception):
    """The record cannot be used, in words for the user; the store's own error is the cause."""


class UnknownStudyError(LookupError):
    """No such study, or no such scale of it, is on record."""


def is_store_error(error: BaseException) -> bool:
    """Return whether an error comes from the store, its driver, the network or the disk."""
    if isinstance(error, OSError | sqlite3.Error | RecordError):
        return True
    return not _packages_of(error).isdisjoint(STORE_PACKAGES)


def is_transient(error: BaseException) -> bool:
    """Return whether the same request may succeed later."""
    code = _mlflow_code(error)
    return code is None or code in TRANSIENT_CODES


def is_busy(error: BaseException) -> bool:
    """Return whether the store is there and asks to be asked later."""
    return _mlflow_code(error) in BUSY_CODES or "database is locked" in str(error)


def _packages_of(error: BaseException) -> set[str]:
    """Return the packages that define the error's class and those it is made from."""
    return {one.__module__.partition(".")[0] for one in type(error).__mro__}


def _mlflow_code(error: BaseException) -> str | None:
    """Return what MLflow calls its error; None where the error is not MLflow's."""
    return str(getattr(error, "error_code", "")) if "mlflow" in _packages_of(error) else None


def shown_reason(error: BaseException) -> str:
    """Return the error's own words without users, passwords and SQL, and what to do about it."""
    words = credentials.hide_logins(str(error)).partition("\n[SQL:")[0].strip()
    words = words or type(error).__name__
    remedies = [remedy for part, remedy in REMEDIES.items() if part in words]
    return "; ".join([words.rstrip("."), *remedies]) if remedies else words


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
    except RecordError:
        raise
    except Exception as error:
        if not is_store_error(error):
            raise
        raise RecordError(f"{failed}: {shown_reason(error)}") from error


def ask_until_answered(
    ask: Callable[[], Answer],
    *,
    failed: str,
    seconds: float,
    say: Callable[[str], None] | None = None,
    may_pass: Callable[[BaseException], bool] = is_transient,
) -> Answer:
    """Ask the store; where that fails and may pass, ask again for a while.

    Args:
        ask: may be called again and again.
        failed: how the sentence of a failure begins, ``cannot read the record``.
        seconds: after which no further attempt begins.
        say: told once that the store is waited for.
        may_pass: whether an error is worth another attempt.

    Raises:
        RecordError: in place of the last error of the store.
    """
    ends = time.monotonic() + seconds
    for wait in itertools.chain(WAITS, itertools.repeat(WAITS[-1])):
        try:
            with store_errors_told(failed):
                return ask()
        except RecordError as error:
            left = ends - time.monotonic()
            # Without a cause it is our own word, such as that the experiment is deleted.
            if left <= 0 or error.__cause__ is None or not may_pass(error.__cause__):
                raise
            if say is not None:
                say(f"{error}; trying again for up to {left:.0f} s.")
                say = None
            time.sleep(min(wait, left))
    raise AssertionError("attempts end by an answer or an error")


def unknown_name_message(kind: str, name: str, known: Iterable[str], where: str) -> str:
    """Return what to tell whoever named a study or a scale that is not on record."""
    names = list(known)
    near = get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(f'`{word}`' for word in near)}?" if near else ""
    rest = f"on record: {list_names(names[:20])}"
    return f"no {kind} `{name}` {where}; {hint + ' ' if hint else ''}{rest}"


def list_names(names: Iterable[str]) -> str:
    """Return names as a sentence shows them."""
    return ", ".join(f"`{name}`" for name in names) or "none"
