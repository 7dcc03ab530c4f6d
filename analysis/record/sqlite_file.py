"""A look at MLflow's SQLite file before MLflow opens it.

MLflow tries to open a damaged file for more than a minute and a half, and shows a traceback at each
attempt.
"""

import sqlite3
from pathlib import Path
from typing import Literal
from urllib.parse import quote

SQLITE = "sqlite:///"
WAIT_SECONDS = 1.0
"""How long a file is waited for that another process writes."""


def file_of(uri: str) -> Path | None:
    """Return the file of a SQLite record, or None where the record is another.

    What a percent sign in an address means is SQLAlchemy's to say.
    """
    path = uri.removeprefix(SQLITE).partition("?")[0]
    if path == uri or path in ("", ":memory:"):
        return None
    if "%" in path:
        from sqlalchemy import make_url  # late: it takes a fifth of a second

        path = make_url(f"{SQLITE}{path}").database or path
    return Path(path)


def check_file(file: Path) -> None:
    """Read the first page of a SQLite file; a file that is missing or empty is fine.

    Raises:
        sqlite3.Error: if the file is locked, damaged, or no SQLite file.
    """
    if file.exists():
        open_to_read(file).close()


def open_to_read(file: Path) -> sqlite3.Connection:
    """Return a connection that changes nothing, and waits a second for one that does.

    A process that was killed while it wrote has left a journal of what it had not finished. Before
    anything can be read SQLite takes that back, which it may do in a file alone that is open to be
    written. https://www.sqlite.org/lockingv3.html#hot_journals

    Raises:
        sqlite3.Error: as for `check_file`.
    """
    try:
        return _connect(file, "ro")
    except sqlite3.OperationalError as error:
        if not error.sqlite_errorname.startswith("SQLITE_READONLY"):
            raise
        return _connect(file, "rw")


def _connect(file: Path, mode: Literal["ro", "rw"]) -> sqlite3.Connection:
    """Return a connection by which the first page has been read."""
    path = str(file.absolute()).lstrip("/")  # else `//` at its begin would be read as a host
    uri = f"file:///{quote(path)}?mode={mode}"
    database = sqlite3.connect(uri, uri=True, timeout=WAIT_SECONDS)
    try:
        database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        database.close()
        raise
    return database
