"""The errors of writing the record; the store's own are in `analysis.record.store_errors`."""

from collections.abc import Iterator
from contextlib import contextmanager

import requests

from analysis.record.store_errors import (
    BUSY_SECONDS,
    RecordError,
    ask_until_answered,
    is_busy,
    is_transient,
    shown_reason,
    store_errors_told,
)
from study.record.spool import UnreachableError

__all__ = [
    "BUSY_SECONDS",
    "MissingFileError",
    "RecordError",
    "RefusedRecordError",
    "ask_until_answered",
    "disk_errors_pass",
    "is_busy",
    "is_transient",
    "shown_reason",
    "store_errors_told",
]


class RefusedRecordError(Exception):
    """The tracking server does not take this record, though it takes others."""


class MissingFileError(Exception):
    """A file that a record names is neither where it should be nor on record."""


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
