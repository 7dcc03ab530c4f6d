"""Images per second of the trainer against the baselines, one trial alone and two side by side."""

import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

import torch

from tests.benchmarks.baselines import baseline_a, baseline_b
from tests.benchmarks.cases import Case, can_compile
from tests.benchmarks.table import Figure, section
from tests.benchmarks.timing import in_turn, ratios, spread, warm_up
from trainables.configuration import Configuration
from trainables.memory import keep_freed
from trainables.training import Trainer

RECORDING_STEPS = 20
"""Enough for a GPU's steps to be recorded, those of PuzzleMix's four variants too."""
OURS, FLOAT, PAIR = "ours", "ours in fp32", "two of ours side by side"
COMPILED = {"ours compiled": "auto", "ours compiled, in fp32": "fp32"}
"""With their precision."""
TRIALS = {PAIR: 2}
"""How many trials train in a window, where it is not one."""


class Timed:
    """A trial that trains for as many steps as are asked for."""

    def __init__(self, case: Case, configuration: Configuration) -> None:
        self.trainer = Trainer(configuration, data=case.data)
        self.batch_size = configuration.training.batch_size
        self.position = self.trainer._begin_epoch()
        if self.trainer.step.recordings is not None:
            self.trainer.network.train()
            self._train(RECORDING_STEPS)

    def rate(self, steps: int) -> float:
        """Train for some steps and return images per second; epochs end without evaluation."""
        self.trainer.network.train()
        self._train(warm_up(steps))
        started = time.perf_counter()
        images = self._train(steps)
        if self.trainer.device.type == "cuda":
            torch.cuda.synchronize()
        return images / (time.perf_counter() - started)

    def _train(self, steps: int) -> int:
        images = 0
        for _ in range(steps):
            if self.position.batch == len(self.trainer.images):
                self.position = self.trainer._begin_epoch()
            before = self.position.batch
            self.trainer._step(self.position)
            images += len(
                self.position.draws.order_N[before * self.batch_size :][: self.batch_size]
            )
        return images

    def evaluation_rate(self) -> float:
        """Evaluate on the test images and return images per second."""
        images = self.trainer.evaluated["test"]
        started = time.perf_counter()
        self.trainer.evaluate({"test": images})
        return len(images) / (time.perf_counter() - started)


def measure(case: Case, *, repeats: int) -> str:
    """Return the results for one network."""
    recipe = case.configuration().training
    ours = Timed(case, case.configuration(precision="auto"))
    in_fp32 = Timed(case, case.configuration(precision="fp32"))
    a = baseline_a(case.splits(), case.build(), recipe)
    b = baseline_b(case.splits(), case.build, recipe, steps=case.steps)
    compiled = {
        name: Timed(case, case.configuration(precision=precision, compile=True))
        for name, precision in (COMPILED.items() if can_compile() else ())
    }
    loops = {"A": a, "B": b, OURS: ours, FLOAT: in_fp32, **compiled}
    windows = {name: lambda loop=loop: loop.rate(case.steps) for name, loop in loops.items()}
    with two_at_once(case) as pair:
        rates = in_turn({**windows, PAIR: pair}, repeats=repeats)
    evaluation = in_turn(
        {"A": a.evaluation_rate, OURS: ours.evaluation_rate}, repeats=max(1, repeats // 2)
    )
    precision = ours.trainer.precision
    figures = [
        Figure(what=name, value=spread(measured.values), unit="images/s")
        for name, measured in rates.items()
    ]
    figures += [
        Figure(
            what=f"{name} ÷ A",
            value=spread(ratios(rates[name].values, rates["A"].values)),
            unit="x",
            bar=bar,
            stretch=stretch,
        )
        for name in (OURS, FLOAT, *compiled, PAIR)
        for bar, stretch in [case.in_fp32 if "fp32" in name else (case.bar, case.stretch)]
    ]
    figures += [
        Figure(
            what=f"{name} ÷ B",
            value=spread(ratios(rates[name].values, rates["B"].values)),
            unit="x",
        )
        for name in (OURS, *compiled, PAIR)
    ]
    per_cpu = {
        name: ratios([TRIALS.get(name, 1)] * repeats, measured.cpu_seconds)
        for name, measured in rates.items()
    }
    figures += [
        Figure(
            what=f"{name} ÷ {baseline}, work per CPU second",
            value=spread(ratios(per_cpu[name], per_cpu[baseline])),
            unit="x",
        )
        for name, baseline in ((OURS, "A"), (OURS, "B"), (PAIR, "A"), (PAIR, "B"))
    ]
    figures += [
        Figure(what=f"evaluation, {name}", value=spread(measured.values), unit="images/s")
        for name, measured in evaluation.items()
    ]
    return section(
        f"Training throughput: {case.title} on {case.dataset['name']}, batch {recipe.batch_size}",
        f"Windows of {case.steps} steps after {warm_up(case.steps)} that do not count, {repeats} "
        f"turns. One process has {torch.get_num_threads()} threads, those side by side one each. "
        f"`precision: auto` (ours) chose {precision}; B goes fastest with "
        f"{b.style.workers} workers, A has {a.style.workers}. Compiled is with `compile: true`, "
        "its compilation in the turn that does not count. Work per CPU second counts all processes "
        "of a contender and is what others on the machine disturb least.",
        figures,
    )


@contextmanager
def two_at_once(case: Case) -> Iterator:
    """Yield what trains two trials side by side, a thread each, and returns their joint rate."""
    context = multiprocessing.get_context("spawn")
    started = []
    for _ in range(2):
        here, there = context.Pipe()
        process = context.Process(target=_serve, args=(there, case), daemon=True)
        process.start()
        started.append((here, process))
    for here, _ in started:
        here.recv()

    def rate() -> float:
        for here, _ in started:
            here.send(case.steps)
        return sum(here.recv() for here, _ in started)

    try:
        yield rate
    finally:
        for here, process in started:
            here.send(0)
            process.join()


def _serve(connection: Connection, case: Case) -> None:
    torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // 2))
    keep_freed()  # as a trial's own process does; the baselines would profit in one with them
    timed = Timed(case, case.configuration(precision="auto"))
    connection.send("ready")
    while steps := connection.recv():
        connection.send(timed.rate(steps))
