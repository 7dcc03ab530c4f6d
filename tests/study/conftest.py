"""Shared by the tests of `study`."""

import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlflow
import optuna
import pytest
import yaml
from mlflow import MlflowClient

from study.file.resolved import ResolvedStudy, load_study
from study.record.opening import open_record
from study.record.writer import StudyRecord
from tests.study.sample import study_data

Make = Callable[..., ResolvedStudy]
Opened = Callable[..., StudyRecord]


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


@pytest.fixture(scope="session")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's database with nothing in it: making its tables takes seconds."""
    file = tmp_path_factory.mktemp("mlflow") / "blank.db"
    MlflowClient(tracking_uri=f"sqlite:///{file}").search_experiments()
    return file


@pytest.fixture
def client(tmp_path: Path, blank: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """A client of an empty record in a file, which is where this process's records go."""
    shutil.copy(blank, tmp_path / "mlflow.db")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.chdir(tmp_path)  # the artifacts' place is relative to it
    monkeypatch.setattr(mlflow.tracking._tracking_service.utils, "_tracking_uri", None)
    return MlflowClient(tracking_uri=uri)


@pytest.fixture
def opened(client: MlflowClient, make: Make, tmp_path: Path) -> Iterator[Opened]:
    """Open the record of a study, as a process does; all are closed in the end."""
    records = []

    def opened(
        spool: str = "records.jsonl", *, create: bool = True, alone: bool = False, **options: Any
    ) -> StudyRecord:
        record = open_record(make(**options), tmp_path / spool, create=create, alone=alone)
        records.append(record)
        return record

    yield opened
    for record in records:
        record.close(timeout=0)
