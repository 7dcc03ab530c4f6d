"""What a study costs beside its training: a warm start, a trial's records, a launch in vain.

What a trial that does next to nothing takes alone, in a warm actor without Ray, is measured and
subtracted.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from analysis.counted import count_text
from tests.benchmarks.cases import Case
from tests.benchmarks.no_op_studies import NO_OP, SEEDS, Launch, Studies
from tests.benchmarks.table import Figure, section
from tests.benchmarks.timing import spread
from trainables import datasets
from trainables.assignment import TrialAssignment
from trainables.code_digest import trial_code
from trainables.configuration import Configuration, as_dict, parse_configuration
from trainables.trainable import TrialTrainable

SIDE_BY_SIDE = len(os.sched_getaffinity(0))
"""Trials at a time, one to a processor."""


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


@dataclass(frozen=True)
class StudyCost:
    """What one study of a size took."""

    launch: Launch
    of_trials: float
    """From the first trial's begin to the last one's end on record, in seconds."""
    again: Launch
    """The launch with nothing to do after it."""

    def overhead(self, trials: int, bare: float) -> float:
        """Return what a trial took beyond the share of a bare one, in milliseconds."""
        return 1000 * (self.of_trials / trials - bare / SIDE_BY_SIDE)


def measure(
    sizes: list[int],
    cases: list[Case],
    *,
    repeats: int,
    studies: int = 1,
    sampler: str = "random",
) -> Iterator[str]:
    """Yield what a warm start and studies of these sizes cost, each as soon as it is known.

    Args:
        sizes: the studies' trials, the fewest first.
        cases: whose warm start is measured.
        repeats: of each warm start.
        studies: how many there are of each size.
        sampler: theirs.
    """
    bare = bare_seconds(NO_OP, repeats=50)
    yield section(
        "A warm actor",
        "An actor's process takes up another trial on the same data.",
        [
            *(figure for case in cases for figure in warm_start(case, repeats=repeats)),
            Figure(what="bare no-op trial, one thread", value=1000 * bare, unit="ms"),
        ],
    )
    costs: dict[int, list[StudyCost]] = {}
    for trials in sizes:
        costs[trials] = [cost_of(trials, sampler=sampler) for _ in range(studies)]
        yield section(
            f"A study of {trials:,} no-op trials",
            f"One step on digits each, sampler {sampler}, {SEEDS} seeds, {SIDE_BY_SIDE} trials "
            f"side by side, SQLite; {count_text(studies, 'study', 'studies')}. Overhead per trial: "
            "from the first trial's begin to the last one's end, as on record, over the trials, "
            f"less the bare trial's share ({1000 * bare / SIDE_BY_SIDE:.0f} ms).",
            of_study(trials, costs[trials], bare),
        )
    yield section(
        "Growth of the overhead",
        "Per trial, each of the largest studies against one of the smallest; and what each further "
        "trial took of the launch's time, of the driver's processor time and of its memory, from "
        "one size to the next.",
        [
            Figure(
                what=f"{min(sizes):,} to {max(sizes):,} trials",
                value=spread(
                    [
                        large.overhead(max(sizes), bare) / small.overhead(min(sizes), bare)
                        for small, large in zip(costs[min(sizes)], costs[max(sizes)], strict=True)
                    ]
                ),
                unit="x",
                bar=1.25,
                stretch=1.0,
                better="less",
            ),
            *(figure for pair in pairwise(sizes) for figure in further(costs, *pair)),
        ],
    )


def cost_of(trials: int, *, sampler: str) -> StudyCost:
    """Launch a new study of so many trials, and then with nothing to do."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        studies = Studies(Path(folder))
        launch = studies.launch(trials, sampler=sampler)
        of_trials = studies.seconds_of_trials(trials, sampler=sampler)
        return StudyCost(launch, of_trials, studies.launch(trials, sampler=sampler))


def further(costs: dict[int, list[StudyCost]], fewer: int, more: int) -> list[Figure]:
    """Return what each trial beyond those of a smaller study took of the clock and the driver."""
    pairs = [(a.launch, b.launch) for a, b in zip(costs[fewer], costs[more], strict=True)]
    wall = [(large.seconds - small.seconds) / (more - fewer) for small, large in pairs]
    cpu = [(large.driver_cpu - small.driver_cpu) / (more - fewer) for small, large in pairs]
    memory = [(large.driver_mb - small.driver_mb) / (more - fewer) for small, large in pairs]
    return [
        Figure(
            what=f"time until all is on record and shown, each of {fewer:,} to {more:,} trials",
            value=spread([1000 * seconds for seconds in wall]),
            unit="ms",
        ),
        Figure(
            what=f"driver's processor time, each of {fewer:,} to {more:,} trials",
            value=spread([1000 * seconds for seconds in cpu]),
            unit="ms",
        ),
        Figure(
            what=f"driver's memory, each of {fewer:,} to {more:,} trials",
            value=spread([1024 * megabytes for megabytes in memory]),
            unit="KB",
            bar=40 if fewer >= 1000 else None,
            stretch=20 if fewer >= 1000 else None,
            better="less",
        ),
    ]


def of_study(trials: int, costs: list[StudyCost], bare: float) -> list[Figure]:
    """Return the figures of studies of one size and of their launches with nothing to do."""
    actors = max(cost.launch.actors for cost in costs)
    again = statistics.median(cost.again.driver_cpu for cost in costs)
    return [
        Figure(
            what=f"overhead per trial, {trials:,} trials",
            value=spread([cost.overhead(trials, bare) for cost in costs]),
            unit="ms",
            bar=25,
            stretch=15,
            better="less",
            note=f"at most {count_text(actors, 'process', 'processes')} of trials",
        ),
        Figure(
            what=f"start and end of the launch, {trials:,} trials",
            value=spread([cost.launch.seconds - cost.of_trials for cost in costs]),
            unit="s",
        ),
        Figure(
            what=f"driver's memory, {trials:,} trials",
            value=spread([cost.launch.driver_mb for cost in costs]),
            unit="MB",
        ),
        Figure(
            what=f"launch with nothing to do, {trials:,} trials",
            value=spread([cost.again.seconds for cost in costs]),
            unit="s",
            bar=15,
            better="less",
            note=f"{again:.3g} s of processor time",
        ),
    ]
