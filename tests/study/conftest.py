"""Shared by the tests of `study`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from study.file import ResolvedStudy, load

Make = Callable[..., ResolvedStudy]


def study_data(
    *,
    space: dict[str, Any] | None = None,
    sampler: str = "random",
    configurations: int | None = 8,
    seeds: Any = 2,
    epochs: int = 4,
    trial: dict[str, Any] | None = None,
    name: str = "sample",
    **search: Any,
) -> dict[str, Any]:
    """A study of β on the digits, as the data that a study file holds."""
    chosen = {
        "sampler": sampler,
        "configurations": None if sampler == "grid" else configurations,
        "seeds": seeds,
        "space": {"regularizer.beta": {"low": 0.1, "high": 0.9}} if space is None else space,
        **search,
    }
    base = {
        "dataset": {"name": "digits", "validation": 0.2},
        "network": {"name": "lenet"},
        "regularizer": {"name": "lamix"},
        "training": {"epochs": epochs, "batch_size": 32},
    }
    return {
        "study": name,
        "question": "How much of the target should be the local label?",
        "trial": {**base, **(trial or {})},
        "search": chosen,
        "scales": {"quick": {}, "paper": {}},
    }


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write a study file and load it; the arguments are those of `study_data`."""

    def make(**options: Any) -> ResolvedStudy:
        file = tmp_path / "sample.yaml"
        file.write_text(yaml.safe_dump(study_data(**options), sort_keys=False))
        return load(file)

    return make
