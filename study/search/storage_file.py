"""The SQLite file of Optuna's storage: its address, what damage looks like, how it is set aside."""

import itertools
import os
import sqlite3
from contextlib import suppress
from pathlib import Path

from sqlalchemy import URL


def sqlite_url(path: Path) -> str:
    """Return the address of a SQLite file whatever its name holds."""
    return URL.create("sqlite", database=str(path)).render_as_string(hide_password=False)


def is_damage(error: BaseException | None) -> bool:
    """Return whether an error, or what it came from, says that a file is no whole database."""
    while error is not None:
        if type(error) is sqlite3.DatabaseError:
            return True
        error = error.__cause__ or error.__context__
    return False


def set_aside(file: Path) -> Path:
    """Give a file another name, one that is free, and return it; its journals go along."""
    numbers = itertools.count(1)
    aside = next(free for n in numbers if not (free := Path(f"{file}.damaged-{n}")).exists())
    for suffix in ("-journal", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            os.replace(f"{file}{suffix}", f"{aside}{suffix}")
    os.replace(file, aside)
    return aside
