"""Writes records as `study` writes them, so that the analysis is tested without running trials."""

import hashlib
import itertools
import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from mlflow import MlflowClient
from mlflow.entities import Metric, Param

from analysis.record.names import STATE_WORDS

Settings = dict[str, Any]

CLOCK = itertools.count(1_700_000_000_000, 1000)
"""Milliseconds; no two runs start together."""

BASE: Settings = {
    "dataset.name": "digits",
    "dataset.validation": 0.2,
    "network.name": "lenet",
    "regularizer.name": "lamix",
    "regularizer.beta": 0.5,
    "regularizer.mixing": "average",
    "regularizer.global_label": "learned",
    "regularizer.original_batches": True,
    "regularizer.smoothing": 0.0,
    "training.epochs": 4,
    "training.learning_rate": 0.1,
    "training.milestones": [2, 3],
    "training.clip": None,
}
TAGS = {
    "git_commit": "0123456789abcdef0123456789abcdef01234567",
    "git_dirty": "false",
    "python": "3.11.9",
    "torch": "2.9.0",
    "ray": "2.60.0",
    "optuna": "5.0.0",
    "device": "cpu",
    "data_fingerprint": "feedfacefeedface",
}


def error_of(settings: Mapping[str, Any], seed: int) -> float:
    """A made-up validation error: a bowl in β, the same shift for the same seed."""
    beta = settings.get("regularizer.beta")
    bowl = 20 * (0.5 - (0.5 if beta is None else beta)) ** 2
    return 5.0 + bowl + random.Random(seed).uniform(-0.3, 0.3) + 0.01 * (seed % 3)


@dataclass
class StudyWriter:
    """One study at one scale; `add` writes one trial."""

    client: MlflowClient
    name: str
    scale: str
    experiment_id: str
    run_id: str
    """The parent run."""

    def add(
        self,
        settings: Settings,
        seed: int,
        *,
        outcome: str | None = "completed",
        error: float | None = None,
        test: float | None = None,
        epochs: int | None = None,
        tags: Mapping[str, str] = {},
        artifacts: Mapping[str, Callable[[Path], None]] = {},
        folder: Path | None = None,
    ) -> str:
        """Write a trial; `outcome=None` is one that is still running."""
        start = next(CLOCK)
        plain = json.dumps(settings, sort_keys=True)
        full = {
            "role": "trial",
            "mlflow.parentRunId": self.run_id,
            "scale": self.scale,
            "trial_key": _hash(f"{plain}{seed}"),
            "configuration": _hash(plain),
            **TAGS,
            **({"outcome": outcome} if outcome else {}),
            **tags,
        }
        run = self.client.create_run(self.experiment_id, start_time=start, tags=full)
        run_id = run.info.run_id
        params = [Param(key, _text(value)) for key, value in {**settings, "seed": seed}.items()]
        last = error_of(settings, seed) if error is None else error
        tested = last + 0.5 if test is None else test
        length = settings.get("training.epochs", 4) if epochs is None else epochs
        metrics = list(_by_epoch(length, last, tested, start))
        if outcome == "completed":
            metrics += _at_the_end(last, tested, start + length)
        self.client.log_batch(run_id, metrics=metrics, params=params)
        for path, write in artifacts.items():
            assert folder is not None
            local = folder / run_id / path
            local.parent.mkdir(parents=True, exist_ok=True)
            write(local)
            self.client.log_artifact(run_id, str(local), artifact_path=str(Path(path).parent))
        if outcome:
            status = "FAILED" if outcome == "failed" else "FINISHED"
            self.client.set_terminated(run_id, status=status, end_time=start + 60_000)
        return run_id

    def add_all(self, configurations: Iterable[Settings], seeds: Sequence[int]) -> None:
        """Write a completed trial for each configuration and seed."""
        for settings in configurations:
            for seed in seeds:
                self.add(settings, seed)


def start_study(
    client: MlflowClient,
    name: str,
    *,
    scale: str = "quick",
    space: Mapping[str, Any] | None = None,
    seeds: Sequence[int] = (0, 1, 2),
    question: str = "How much of the target should be the local label?",
    objective: str | list[str] = "validation_error",
    sampler: str = "grid",
    state: str = STATE_WORDS["FINISHED"],
    folder: Path,
) -> StudyWriter:
    """Create the experiment where it is missing and the parent run with its two files."""
    experiment = client.get_experiment_by_name(name)
    experiment_id = (
        experiment.experiment_id
        if experiment
        else client.create_experiment(name, artifact_location=(folder / "store" / name).as_uri())
    )
    run = client.create_run(
        experiment_id,
        start_time=next(CLOCK),
        tags={"role": "study", "scale": scale, "state": state, **TAGS},
    )
    resolved = {
        "study": name,
        "question": question,
        "trial": {"dataset": {"name": "digits"}, "regularizer": {"name": "lamix"}},
        "search": {
            "sampler": sampler,
            "seeds": list(seeds),
            "space": dict(space or {}),
            "objective": objective,
        },
        "resources": {"gpus": 0, "cpus": 1},
    }
    local = folder / "parents" / run.info.run_id
    local.mkdir(parents=True)
    for file in ("study.yaml", "resolved.yaml"):
        (local / file).write_text(yaml.safe_dump(resolved), encoding="utf-8")
        client.log_artifact(run.info.run_id, str(local / file))
    if state != "running":
        client.set_terminated(run.info.run_id)
    return StudyWriter(client, name, scale, experiment_id, run.info.run_id)


def _by_epoch(epochs: int, last: float, tested: float, start: int) -> Iterable[Metric]:
    for epoch in range(1, epochs + 1):
        left = 40.0 * (epochs - epoch) / epochs
        values = {
            "train_loss": 0.5 + left / 20,
            "train_error": last / 2 + left,
            "validation_error": last + left,
            "test_error": tested + left,
            "validation_loss": 0.1 + (last + left) / 40,
            "test_loss": 0.1 + (tested + left) / 40,
            "validation_calibration_error": 3 + (last + left) / 10,
            "test_calibration_error": 3 + (tested + left) / 10,
            "learning_rate": 0.1,
            "epoch_seconds": 1.5,
            "images_per_second": 900.0,
            "peak_memory_mb": 300.0,
        }
        for key, value in values.items():
            yield Metric(key, value, start + epoch, epoch)


def _at_the_end(last: float, tested: float, time: int) -> list[Metric]:
    values = {
        "best_validation_error": last - 0.1,
        "test_error_at_best_validation": tested + 0.1,
        "test_error_last": tested,
        "test_error_last10_median": tested + 0.05,
        "test_error_best": tested - 0.2,
    }
    return [Metric(key, value, time, 0) for key, value in values.items()]


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, list) else str(value)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


__all__ = ["BASE", "TAGS", "StudyWriter", "error_of", "start_study"]
