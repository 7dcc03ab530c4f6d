"""A look at MLflow's SQLite file before MLflow opens it.

MLflow tries to open a damaged file for more than a minute and a half, and shows a traceback at each
attempt.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, unquote

SQLITE = "sqlite:///"


def file_of(uri: str) -> Path | None:
    """Return the file of a SQLite record, or None where the record is another; see RFC 3986.

    SQLAlchemy takes a path that is percent-encoded and one that is not.
    """
    path = uri.removeprefix(SQLITE).partition("?")[0]
    if path == uri or path in ("", ":memory:"):
        return None
    plain = Path(path)
    return plain if plain.exists() else Path(unquote(path))


def check_file(file: Path) -> None:
    """Read the first page of a SQLite file; a file that is missing or empty is fine.

    Raises:
        sqlite3.Error: if the file is locked, damaged, or no SQLite file.
    """
    if not file.exists():
        return
    with closing(open_to_read(file)) as database:
        database.execute("SELECT count(*) FROM sqlite_master").fetchone()


def open_to_read(file: Path) -> sqlite3.Connection:
    """Return a connection that writes nothing, and waits a second for one that does."""
    uri = f"file:{quote(str(file.absolute()))}?mode=ro"
    return sqlite3.connect(uri, uri=True, timeout=1)
