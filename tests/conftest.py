"""Shared by all tests."""

import os
import sys
from collections.abc import Iterator

import hypothesis
import pytest
import torch

# The same examples at every run, and no judgement by the clock of a busy machine.
hypothesis.settings.register_profile(
    "steady", derandomize=True, database=None, deadline=None, max_examples=50
)
hypothesis.settings.load_profile("steady")

# As the pytest plug-in does, which not every environment of the tests has installed.
pytest.register_assert_rewrite("lamix_study.testing")

# What a command prints into a pipe is as wide as COLUMNS says, which pytest-xdist sets.
os.environ.pop("COLUMNS", None)

# One thread: the machine's cores belong to the trials that the tests start.
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _own_record() -> Iterator[None]:
    """Forget the record that a test has opened: the next one's environment names its own."""
    yield
    utils = sys.modules.get("mlflow.tracking._tracking_service.utils")
    if utils is not None:
        utils._tracking_uri = None


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the data sets of the tests, and of the processes they start, out of the user's cache."""
    os.environ["LAMIX_STUDY_CACHE"] = str(tmp_path_factory.mktemp("cache"))
