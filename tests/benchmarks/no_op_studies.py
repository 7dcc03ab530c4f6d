"""Studies of trials that do next to nothing: what is launched, and what a launch took.

A trial is one epoch of one step on a hundred digits: a few hundredths of a second.
"""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml
from mlflow import MlflowClient

from tests.study.chaos import trial_processes

SEEDS = 5
NO_OP: dict[str, Any] = {
    "dataset": {"name": "digits", "validation": 0.1, "train_images": 110, "test_images": 50},
    "network": {"name": "lenet"},
    "regularizer": {"name": "lamix"},
    "training": {"epochs": 1, "milestones": []},
}
ROOT = Path(__file__).resolve().parents[2]
LAUNCH = (sys.executable, "-m", "study.launch")
LAUNCH_IN_PROCESS = (sys.executable, "-m", "tests.benchmarks.in_process")
"""Without Ray."""


def study_of(name: str, trials: int, *, epochs: int = 1, **search: Any) -> dict[str, Any]:
    """Return a study of trials that do next to nothing, as the data that a study file holds."""
    return {
        "study": name,
        "question": "What does a trial cost that does next to nothing?",
        "trial": {**NO_OP, "training": {**NO_OP["training"], "epochs": epochs}},
        "search": {
            "configurations": trials // SEEDS,
            "seeds": SEEDS,
            "space": {"regularizer.beta": {"low": 0.1, "high": 0.9}},
            **search,
        },
        "scales": {"quick": {}, "paper": {}},
    }


@dataclass(frozen=True)
class Launch:
    """What one launch took."""

    seconds: float
    driver_mb: float
    """The driver's largest resident memory, looked at twice a second; 2^20 bytes."""
    driver_cpu: float
    """The driver's processor time, in seconds, whoever else used the machine."""
    actors: int
    """How many processes of trials were seen, twice a second."""


class Studies:
    """Studies of trials that do next to nothing, in a folder of their own."""

    def __init__(self, folder: Path, *, server: str = "", **environment: str) -> None:
        """Prepare.

        Args:
            folder: where the studies' files lie.
            server: the MLflow server's address; without one each study has a file.
            environment: what launches need to reach a Ray cluster; without it each starts its own.
        """
        self.folder = folder
        self.server = server
        self.environment = environment

    def launch(self, trials: int, *, sampler: str, with_ray: bool = True) -> Launch:
        """Launch a study of so many trials and wait for its end."""
        name = f"no_op_{sampler}_{trials}"
        file = self.folder / f"{name}.yaml"
        file.write_text(yaml.safe_dump(study_of(name, trials, sampler=sampler)))
        started, peak, cpu = time.perf_counter(), 0, 0.0
        actors: set[psutil.Process] = set()
        environment = {k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"}
        environment["MLFLOW_TRACKING_URI"] = self.uri(name)
        environment |= {"PYTHONPATH": str(ROOT), **self.environment}
        with (self.folder / f"{name}.txt").open("a") as output:
            process = subprocess.Popen(
                [*(LAUNCH if with_ray else LAUNCH_IN_PROCESS), str(file)],
                cwd=self.folder,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            driver = psutil.Process(process.pid)
            while process.poll() is None:
                peak, cpu = max(peak, resident(driver)), max(cpu, cpu_seconds(driver))
                actors.update(trial_processes(process.pid))
                time.sleep(0.5)
        if process.returncode:
            raise RuntimeError((self.folder / f"{name}.txt").read_text())
        return Launch(time.perf_counter() - started, peak / 2**20, cpu, len(actors))

    def uri(self, name: str) -> str:
        """Return the study's tracking store."""
        return self.server or f"sqlite:///{self.folder / name}.mlflow.db"

    def seconds_of_trials(self, trials: int, *, sampler: str) -> float:
        """Return the time from the first trial's beginning to the last one's end, on record."""
        name = f"no_op_{sampler}_{trials}"
        client = MlflowClient(self.uri(name))
        experiment = client.get_experiment_by_name(name)
        assert experiment is not None
        runs = client.search_runs(
            [experiment.experiment_id], "tags.role = 'trial'", max_results=20_000
        )
        assert len(runs) == trials
        return (max(r.info.end_time for r in runs) - min(r.info.start_time for r in runs)) / 1000


def resident(process: psutil.Process) -> int:
    """Return what a process holds now, in bytes; 0 if it has ended."""
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def cpu_seconds(process: psutil.Process) -> float:
    """Return the processor time of a process so far; 0 if it has ended."""
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)
