"""Records for the tests of the analysis, written once: making MLflow's database takes seconds."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.analysis.record_writer import BASE, StudyWriter, start_study

BETAS = [0.1, 0.3, 0.5, 0.7, 0.9]


@dataclass(frozen=True)
class Store:
    """A tracking store of the tests."""

    uri: str
    folder: Path

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(tracking_uri=self.uri)

    def start(self, name: str, **options) -> StudyWriter:
        return start_study(self.client, name, folder=self.folder, **options)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """An SQLite store that holds the study `beta`, 5 configurations x 3 seeds, finished."""
    folder = tmp_path_factory.mktemp("record")
    store = Store(f"sqlite:///{folder}/mlflow.db", folder)
    beta = store.start("beta", space={"regularizer.beta": BETAS})
    beta.add_all(({**BASE, "regularizer.beta": value} for value in BETAS), seeds=[0, 1, 2])
    return store
