"""Shared by all tests."""

import os

import pytest
import torch

# One thread: the machine's cores belong to the trials that the tests start.
torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the data sets of the tests, and of the processes they start, out of the user's cache."""
    os.environ["LAMIX_STUDY_CACHE"] = str(tmp_path_factory.mktemp("cache"))
