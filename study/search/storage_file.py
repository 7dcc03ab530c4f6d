"""The SQLite file of Optuna's storage: its address, its making, what becomes of a damaged one."""

import itertools
import os
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial
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


def write_storage(
    file: Path, study_name: str, trials: Sequence[FrozenTrial], *, objectives: int
) -> None:
    """Write a storage that holds one study with these trials; a file that is there is replaced.

    Args:
        file: to be written.
        study_name: of Optuna's study.
        trials: of the study, in the order of their numbers.
        objectives: how many values a trial has, each to be minimised.
    """
    file.unlink(missing_ok=True)
    storage = optuna.storages.RDBStorage(sqlite_url(file))
    study = optuna.create_study(
        study_name=study_name, storage=storage, directions=["minimize"] * objectives
    )
    study.add_trials(trials)
    storage.remove_session()
    storage.engine.dispose()
