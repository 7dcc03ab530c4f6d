"""What a step costs: regularizers, determinism and layouts against others, an epoch by part."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import torch

from tests.benchmarks.cases import Case
from tests.benchmarks.table import Figure, section
from tests.benchmarks.throughput import Timed
from tests.benchmarks.timing import in_turn, ratios, spread
from trainables import precision as precisions
from trainables import randomness
from trainables.configuration import Configuration
from trainables.devices import open_device
from trainables.precision import best_precision
from trainables.training import Trainer

LAYOUTS = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}


BARS: dict[tuple[str, str], tuple[float, float]] = {
    ("lamix", "preact_resnet18"): (1.03, 1.01),
    ("puzzlemix", "preact_resnet18"): (1.6, 1.5),
    ("puzzlemix", "lenet"): (3.2, 2.5),
}
"""What a regularizer's step may take of a plain one, and the stretch value, by network."""


def regularizers(case: Case, *, repeats: int) -> str:
    """Return the price of LaMix's and PuzzleMix's steps against the plain step.

    Args:
        case: what is trained.
        repeats: turns.
    """
    names = ("vanilla", "lamix", "puzzlemix")
    timed = {name: Timed(case, case.configuration(name, precision="auto")) for name in names}
    rates = in_turn(
        {name: lambda one=one: one.rate(case.steps) for name, one in timed.items()},
        repeats=repeats,
    )
    bars = {name: BARS.get((name, case.network["name"]), (None, None)) for name in names}
    figures = [
        Figure(
            what=f"{name} step ÷ plain step",
            value=spread(ratios(rates["vanilla"].values, rates[name].values)),
            unit="x",
            better="less",
            bar=bars[name][0],
            stretch=bars[name][1],
        )
        for name in names[1:]
    ]
    precision = timed["vanilla"].trainer.precision
    return section(
        f"Regularizers: {case.title} on {case.dataset['name']}",
        f"In {precision}, {torch.get_num_threads()} threads. LaMix alternates original and mixed "
        "batches, as by default; all else is each regularizer's default too.",
        figures,
    )


def determinism(case: Case, *, repeats: int) -> str:
    """Return the price of deterministic algorithms, which trials always use."""
    # One for each mode: a step that is recorded, on a GPU, stays in the mode of the recording.
    timed = [Timed(case, case.configuration(precision="auto")) for _ in range(2)]

    def rate(deterministic: bool) -> float:
        torch.use_deterministic_algorithms(deterministic)
        return timed[deterministic].rate(case.steps)

    try:
        rates = in_turn({"free": lambda: rate(False), "same": lambda: rate(True)}, repeats=repeats)
    finally:
        torch.use_deterministic_algorithms(False)
    found = ratios(rates["free"].values, rates["same"].values)
    cost = [100 * (ratio - 1) for ratio in found]
    return section(
        f"Determinism: {case.title}",
        "The deterministic step against the free one.",
        [
            Figure(
                what="cost of deterministic mode",
                value=spread(cost),
                unit="%",
                bar=15,
                stretch=5,
                better="less",
            )
        ],
    )


def layouts(case: Case, *, repeats: int) -> str:
    """Return what channels last is worth to steps and evaluation, in each precision."""
    best = best_precision(open_device())
    found: dict[tuple[str, str], list[float]] = {}
    for precision in dict.fromkeys(("fp32", best)):
        timed = {
            name: _timed_in(layout, case, case.configuration(precision=precision))
            for name, layout in LAYOUTS.items()
        }
        steps = {name: lambda one=one: one.rate(case.steps) for name, one in timed.items()}
        passes = {name: one.evaluation_rate for name, one in timed.items()}
        for what, contenders in (("training step", steps), ("evaluation", passes)):
            rates = in_turn(contenders, repeats=repeats)
            last, first = (rates[name].values for name in ("channels last", "contiguous"))
            found[what, precision] = ratios(last, first)
    return section(
        f"Layouts: {case.title} on {case.dataset['name']}",
        f"Batch {case.configuration().training.batch_size}, {torch.get_num_threads()} threads.",
        [
            Figure(
                what=f"{what} in {precision}, speed by channels last ÷ contiguous",
                value=spread(values),
                unit="x",
            )
            for (what, precision), values in found.items()
        ],
    )


def _timed_in(layout: torch.memory_format, case: Case, configuration: Configuration) -> Timed:
    with patch.object(precisions, "fastest_layout", lambda *_: layout):
        return Timed(case, configuration)


def profile(case: Case) -> str:
    """Return where the time of an epoch goes."""
    trainer = Trainer(case.configuration(precision="auto"), data=case.data)
    seconds: dict[str, float] = defaultdict(float)
    parts = ("data", "forward and backward", "optimiser")

    @contextmanager
    def watch(part: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        if trainer.device.type == "cuda":
            torch.cuda.synchronize()
        seconds[part] += time.perf_counter() - started

    def step(index: int) -> None:
        with watch("data"):
            images_NCHW, labels_N = draws.batch(index)
        with watch("forward and backward"):
            with trainer.step.autocast():
                loss = trainer.regularizer.loss(
                    trainer.network, images_NCHW, labels_N, step=index, generator=generator
                )
            loss.backward()
        with watch("optimiser"):
            trainer.step.optimizer.step()
            trainer.step.optimizer.zero_grad()

    draws = trainer.images.epoch(0, 1)
    generator = randomness.keyed_generator(0, 1, "regularizer", device=trainer.device)
    trainer.network.train()
    for index in range(5):
        step(index)
    seconds.clear()
    for index in range(case.steps):
        step(index)
    with watch("draws"):
        trainer.images.epoch(0, 2)
    scale = len(trainer.images) / case.steps
    epoch = {part: scale * seconds[part] for part in parts}
    epoch["data"] += seconds["draws"]
    for name, images in trainer.evaluated.items():
        if len(images):
            with watch(name):
                trainer.evaluate({name: images})
            epoch[f"evaluation, {name} ({len(images):,} images)"] = seconds[name]
    whole = sum(epoch.values())
    return section(
        f"An epoch by part: {case.title} on {case.dataset['name']}",
        f"{whole:.1f} s an epoch of {len(trainer.splits.train):,} images, computed from "
        f"{case.steps} steps, in {trainer.precision}, {torch.get_num_threads()} threads. "
        "Records are written beside, by the driver; see the overhead of a study.",
        [Figure(what=part, value=100 * spent / whole, unit="%") for part, spent in epoch.items()],
    )
