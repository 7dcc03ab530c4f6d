"""What a study costs beside its training: a warm start, a trial's records, a launch in vain.

A trial here is one epoch of one step on a hundred digits: a few hundredths of a second. What it
takes alone, in a warm actor without Ray, is measured and subtracted.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import torch
import yaml
from mlflow import MlflowClient

from tests.benchmarks.cases import Case
from tests.benchmarks.table import Figure, section
from tests.benchmarks.timing import spread
from trainables import datasets
from trainables.assignment import TrialAssignment
from trainables.code_digest import trial_code
from trainables.configuration import Configuration, as_dict, parse_configuration
from trainables.trainable import TrialTrainable

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


def warm_start(case: Case, *, repeats: int) -> list[Figure]:
    """Return how long a warm actor takes from one trial to the first step of the next."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        chosen = case.configuration(precision="auto")
        first = assignment(chosen, seed=0, folder=folder, data=case.data)
        started = time.perf_counter()
        actor = TrialTrainable(first)
        cold = time.perf_counter() - started
        seconds = []
        for seed in range(1, repeats + 1):
            following = assignment(chosen, seed=seed, folder=folder, data=case.data)
            started = time.perf_counter()
            actor.reset_config(following)
            seconds.append(time.perf_counter() - started)
        torch.use_deterministic_algorithms(False)
    return [
        Figure(what=f"first trial's start, {case.title}", value=cold, unit="s"),
        Figure(
            what=f"second trial's start, {case.title}",
            value=spread(seconds),
            unit="s",
            bar=0.3,
            stretch=0.05,
            better="less",
        ),
    ]


def assignment(chosen: Configuration, *, seed: int, folder: str, data: Path) -> Any:
    """Return what a driver would tell an actor."""
    return TrialAssignment(
        name=f"benchmark {seed}",
        configuration=as_dict(chosen),
        seed=seed,
        key=f"benchmark-{seed}",
        data=str(data),
        checkpoints=folder,
        checkpoint_seconds=300.0,
        rungs=[],
        cpus=1.0 if torch.get_num_threads() == 1 else float(torch.get_num_threads()),
        gpus=float(torch.cuda.is_available()),
        timeout_seconds=0.0,
        versions={},
        fingerprint=datasets.load(chosen.dataset, data.absolute()).fingerprint,
        own_modules=[],
        code=trial_code(chosen).digest,
        proved=[],
    )


def bare_seconds(trial: dict[str, Any], *, repeats: int) -> float:
    """Return the median time of a whole trial in a warm actor without Ray, on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        chosen = parse_configuration(trial)
        actor = TrialTrainable(assignment(chosen, seed=0, folder=folder, data=Path(folder)))
        seconds = []
        for seed in range(1, repeats + 1):
            started = time.perf_counter()
            actor.reset_config(assignment(chosen, seed=seed, folder=folder, data=Path(folder)))
            while not actor.trainer.finished:
                actor.trainer.train_epoch()
            seconds.append(time.perf_counter() - started)
    torch.use_deterministic_algorithms(False)
    torch.set_num_threads(threads)
    return statistics.median(seconds)


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
                time.sleep(0.5)
        if process.returncode:
            raise RuntimeError((self.folder / f"{name}.txt").read_text())
        return Launch(time.perf_counter() - started, peak / 2**20, cpu)

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


def measure(
    sizes: list[int], cases: list[Case], *, repeats: int, sampler: str = "random"
) -> Iterator[str]:
    """Yield what a warm start and studies of these sizes cost, each as soon as it is known."""
    bare = bare_seconds(NO_OP, repeats=50)
    yield section(
        "A warm actor",
        "An actor's process takes up another trial on the same data.",
        [
            *(figure for case in cases for figure in warm_start(case, repeats=repeats)),
            Figure(what="bare no-op trial, one thread", value=1000 * bare, unit="ms"),
        ],
    )
    side_by_side = len(os.sched_getaffinity(0))
    overheads, launches = {}, {}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        studies = Studies(Path(folder))
        for trials in sizes:
            launch = launches[trials] = studies.launch(trials, sampler=sampler)
            of_trials = studies.seconds_of_trials(trials, sampler=sampler)
            overheads[trials] = 1000 * (of_trials / trials - bare / side_by_side)
            again = studies.launch(trials, sampler=sampler)
            yield section(
                f"A study of {trials:,} no-op trials",
                f"One step on digits each, sampler {sampler}, {SEEDS} seeds, {side_by_side} trials "
                "side by side, SQLite. Overhead per trial: from the first trial's begin to the "
                "last one's end on record, over the trials, less the bare trial's share "
                f"({1000 * bare / side_by_side:.0f} ms).",
                of_study(trials, launch, of_trials, overheads[trials], again),
            )
    yield section(
        "Growth of the overhead",
        "Per trial, the largest study against the smallest; and what each further trial took of "
        "the driver's processor time, from one size to the next.",
        [
            Figure(
                what=f"{min(sizes):,} to {max(sizes):,} trials",
                value=overheads[max(sizes)] / overheads[min(sizes)],
                unit="x",
                bar=1.25,
                stretch=1.0,
                better="less",
            ),
            *(further(launches, fewer, more) for fewer, more in pairwise(sizes)),
        ],
    )


def further(launches: dict[int, Launch], fewer: int, more: int) -> Figure:
    """Return what each trial beyond those of a smaller study took of the driver's processor."""
    seconds = launches[more].driver_cpu - launches[fewer].driver_cpu
    return Figure(
        what=f"driver's processor time, each of {fewer:,} to {more:,} trials",
        value=1000 * seconds / (more - fewer),
        unit="ms",
    )


def of_study(
    trials: int, launch: Launch, of_trials: float, overhead: float, again: Launch
) -> list[Figure]:
    """Return the figures of one study and its launch with nothing to do."""
    return [
        Figure(
            what=f"overhead per trial, {trials:,} trials",
            value=overhead,
            unit="ms",
            bar=60,
            stretch=30,
            better="less",
        ),
        Figure(
            what=f"start and end of the launch, {trials:,} trials",
            value=launch.seconds - of_trials,
            unit="s",
        ),
        Figure(what=f"driver's memory, {trials:,} trials", value=launch.driver_mb, unit="MB"),
        Figure(
            what=f"launch with nothing to do, {trials:,} trials",
            value=again.seconds,
            unit="s",
            bar=15,
            better="less",
            note=f"{again.driver_cpu:.3g} s of processor time",
        ),
    ]
