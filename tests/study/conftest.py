"""Shared by the tests of `study`."""

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml

from study.file.resolved import ResolvedStudy, load_study
from tests.study.sample import study_data

Make = Callable[..., ResolvedStudy]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write a study file and load it; the arguments are those of `study_data`."""

    def make(**options: Any) -> ResolvedStudy:
        file = tmp_path / "sample.yaml"
        file.write_text(yaml.safe_dump(study_data(**options), sort_keys=False))
        return load_study(file)

    return make


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A storage of Optuna's with no study in it: making its tables takes a second."""
    file = tmp_path_factory.mktemp("optuna") / "empty.db"
    storage = optuna.storages.RDBStorage(f"sqlite:///{file}")
    storage.remove_session()
    storage.engine.dispose()
    return file


@pytest.fixture
def storage(tmp_path: Path, empty: Path) -> Callable[[], Path]:
    """Return the path of a new storage of Optuna's at each call."""
    numbers = itertools.count()

    def storage() -> Path:
        return Path(shutil.copy(empty, tmp_path / f"optuna{next(numbers)}.db"))

    return storage
