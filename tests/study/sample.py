"""Made-up studies and what their trials report."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from study.file.problems import StudyFileError
from study.file.resolved import load_study
from trainables.metrics import EpochMetrics


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


def epochs_of(errors: Sequence[float], *, losses: Sequence[float] = ()) -> list[EpochMetrics]:
    """Epochs with these validation errors, from the first on."""
    return [
        EpochMetrics(
            epoch=number,
            train_loss=losses[number - 1] if losses else error / 10,
            train_error=error / 2,
            validation_error=error,
            test_error=error + 1,
            validation_loss=error / 20,
            test_loss=error / 15,
            validation_top5_error=error / 4,
            test_top5_error=error / 3,
            validation_brier=error / 100,
            test_brier=error / 90,
            validation_calibration_error=error / 8,
            test_calibration_error=error / 7,
            test_calibration_error_tempered=error / 14 if number == len(errors) else None,
            validation_confidence=0.9,
            test_confidence=0.8,
            learning_rate=0.1,
            epoch_seconds=1.5,
            images_per_second=900.0,
            peak_memory_mb=300.0,
        )
        for number, error in enumerate(errors, start=1)
    ]


def refusal(file: Path, **options: Any) -> str:
    """Load a study file that must be refused, and return in which words it is."""
    with pytest.raises(StudyFileError) as error:
        load_study(file, **options)
    return str(error.value)
