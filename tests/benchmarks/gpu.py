"""What one GPU gives: a step in a CUDA graph, trials that share the GPU, the cap of memory.

    python -m tests.benchmarks.gpu [--short] [--out FILE]

It needs neither Ray nor MLflow nor Optuna. The images are scikit-learn's digits, in the number,
size and channels of CIFAR-10's: how long a step takes does not depend on what they show.
"""

import argparse
import contextlib
import dataclasses
import multiprocessing
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from tests.benchmarks.baselines import baseline_a, baseline_b, baseline_c
from tests.benchmarks.table import Figure, header, section
from tests.benchmarks.timing import ratios, spread, warm_up
from trainables import datasets, networks, randomness, regularizers
from trainables.batches import TrainingImages
from trainables.cuda_graphs import STEPS_BEFORE_RECORDING
from trainables.datasets import Images, Splits, digits
from trainables.memory import begin_peak, keep_within
from trainables.networks import Network
from trainables.recipe import Precision, TrainingSettings
from trainables.training_step import TrainingStep

BATCH = 128
CLASSES = 10
BATCHES = 391
"""Of an epoch on CIFAR-10; here none of them is smaller."""
RESNET: dict[str, Any] = {"name": "preact_resnet18"}
LENET: dict[str, Any] = {"name": "lenet"}
STEPS = {"preact_resnet18": 120, "lenet": 2000}
"""In a window of time: a second or so of the fastest contender."""
SIDE_BY_SIDE = (1, 2, 4, 8)
MOST = max(SIDE_BY_SIDE)
BASELINE_STEPS = 100
"""In a window of time of a baseline."""
BARS = {
    ("preact_resnet18", True, "A"): (5, 8),
    ("preact_resnet18", True, "B"): (2, 3),
    ("preact_resnet18", True, "C"): (1.3, 1.8),
    ("lenet", False, "A"): (20, 50),
}
"""Bar and stretch by network, whether one trial is compared or several, and baseline."""
MATRIX = 8192
MPS = "nvidia-cuda-mps-control"


@cache
def images() -> Splits:
    """Return the digits, in three channels and as often as fills an epoch of CIFAR-10."""
    splits = datasets.load(digits.Settings(), Path())
    count, held = BATCHES * BATCH, splits.train
    again_N = torch.arange(count) % len(held)
    colours_NCHW = held.images_NCHW[again_N].expand(-1, 3, -1, -1).contiguous()
    train = Images(colours_NCHW, held.labels_N[again_N])
    return dataclasses.replace(splits, train=train, mean=3 * splits.mean, std=3 * splits.std)


class Contender:
    """A trial's steps, without data files, evaluation and records."""

    def __init__(
        self,
        network: Mapping[str, Any],
        splits: Splits,
        *,
        precision: Precision = "bf16",
        recorded: bool = True,
        compiled: bool = False,
        device: str = "cuda",
    ) -> None:
        self.device = torch.device(device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            module = networks.build(**network, num_classes=CLASSES)
        regularizer = regularizers.build(
            {"name": "vanilla"},
            num_classes=CLASSES,
            num_features=module.classifier.in_features,
        )
        self.step = TrainingStep(
            module,
            regularizer,
            TrainingSettings(),
            precision=precision,
            compiled=compiled,
            device=self.device,
            memory=begin_peak(self.device),
        )
        if not recorded:
            self.step.recordings = None
        source = TrainingImages(splits, batch_size=BATCH, device=self.device)
        self.draws = source.epoch(0, 1)
        self.step.begin_epoch(seed=randomness.derive_seed(0, 1))
        module.train()
        self.done = 0

    def rate(self, steps: int) -> float:
        """Train for some steps and return images per second."""
        self.train(max(warm_up(steps), STEPS_BEFORE_RECORDING + 1))
        self.wait()
        started = time.perf_counter()
        self.train(steps)
        self.wait()
        return steps * BATCH / (time.perf_counter() - started)

    def train(self, steps: int) -> None:
        """Ask for some steps."""
        for _ in range(steps):
            self.step(*self.draws.batch(self.done % BATCHES), step=self.done)
            self.done += 1

    def wait(self) -> None:
        """Wait until all that was asked for is done."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def measure(*, short: bool) -> Iterator[str]:
    """Yield the results, or why there are none."""
    if not torch.cuda.is_available():
        yield "## One GPU\n\nNot measured: there is no GPU here.\n"
        return
    repeats = 5 if short else 9
    peak = matrix_rate(repeats=repeats)
    yield contenders(RESNET, peak, repeats=repeats)
    yield contenders(LENET, peak, repeats=repeats)
    yield against(RESNET, repeats=repeats)
    yield against(LENET, repeats=repeats)
    yield determinism(repeats=repeats)
    for network in (RESNET, LENET):
        yield processes(network, peak, repeats=repeats)
        if shutil.which(MPS):
            yield under_mps(network, peak, repeats=repeats)
        yield streams(network, peak, repeats=repeats)
    yield cap()


def computes() -> bool:
    """Return whether the GPU computes at all: a stand-in for one does not."""
    ones = torch.ones(64, 64, device="cuda")
    return bool((ones @ ones == 64).all())


def matrix_rate(*, repeats: int) -> float:
    """Return the GPU's own rate of bf16 matrix products, in FLOP/s."""
    one, other = torch.randn(2, MATRIX, MATRIX, dtype=torch.bfloat16, device="cuda")
    seconds = []
    for _ in range(repeats + 1):
        torch.cuda.synchronize()
        started = time.perf_counter()
        for _ in range(20):
            one @ other
        torch.cuda.synchronize()
        seconds.append((time.perf_counter() - started) / 20)
    return 2 * MATRIX**3 / spread(seconds[1:]).median


@cache
def flop_per_image(name: str) -> float:
    """Return what forward and backward pass take, counted; two for each multiply and add."""
    with torch.device("meta"):
        network = networks.build(name, num_classes=CLASSES)
        images_NCHW = torch.empty(BATCH, 3, 32, 32)
        labels_N = torch.empty(BATCH, dtype=torch.long)
    with FlopCounterMode(display=False) as counter:
        F.cross_entropy(network(images_NCHW), labels_N).backward()
    return float(counter.get_total_flops()) / BATCH


def contenders(network: Mapping[str, Any], peak: float, *, repeats: int) -> str:
    """Return the rates of a step, computed, compiled and recorded."""
    name = network["name"]
    trials = {
        "eager fp32": Contender(network, images(), precision="fp32", recorded=False),
        "eager bf16": Contender(network, images(), recorded=False),
        "graph fp32": Contender(network, images(), precision="fp32"),
        "graph bf16": Contender(network, images()),
    }
    compiled = {
        "compiled bf16": Contender(network, images(), recorded=False, compiled=True),
        "compiled bf16 in a graph": Contender(network, images(), compiled=True),
    }
    notes = ""
    try:
        for trial in compiled.values():
            trial.train(1)
    except Exception as error:  # whatever the compiler lacks here
        notes = f" torch.compile does not work here: {str(error).partition(chr(10))[0]}."
    else:
        trials |= compiled
    found = turns(trials, steps=STEPS[name], repeats=repeats)
    notes += "".join(f" {what}: {t.step.notice}" for what, t in trials.items() if t.step.notice)
    figures = [
        Figure(what=what, value=spread(rates), unit="images/s") for what, rates in found.items()
    ]
    figures += [
        Figure(
            what=f"{what} ÷ eager {what.split()[1]}",
            value=spread(ratios(rates, found[f"eager {what.split()[1]}"])),
            unit="x",
        )
        for what, rates in found.items()
        if not what.startswith("eager")
    ]
    if name == "preact_resnet18":
        figures += [
            Figure(what="matrix products of bf16", value=peak / 1e12, unit="TFLOP/s"),
            share("one trial's share of it", name, found["graph bf16"], peak, bar=(23, 30)),
        ]
    return section(
        f"A step on one GPU: {name}, batch {BATCH}",
        f"Windows of {STEPS[name]} steps, {repeats} turns; plain cross entropy, images of 3x32x32, "
        f"augmented on the GPU; {flop_per_image(name) / 1e9:.3g} GFLOP an image. bf16 is with "
        f"channels_last.{notes}",
        figures,
    )


def share(
    what: str, network: str, rates: Sequence[float], peak: float, *, bar: tuple[float, float]
) -> Figure:
    """Return the share of the matrix-product rate that training reaches."""
    percent = [100 * rate * flop_per_image(network) / peak for rate in rates]
    return Figure(what=what, value=spread(percent), unit="%", bar=bar[0], stretch=bar[1])


def against(network: Mapping[str, Any], *, repeats: int) -> str:
    """Return how one trial, and several in processes of their own, compare with the baselines."""
    name, recipe, notes = network["name"], TrainingSettings(), ""

    def build() -> Network:
        return networks.build(**network, num_classes=CLASSES)

    loops = {
        "A": baseline_a(images(), build(), recipe),
        "B": baseline_b(images(), build, recipe, steps=BASELINE_STEPS),
    }
    try:
        loops["C"] = baseline_c(images(), build(), recipe)
    except ImportError:
        notes = " C needs the package `airbench`, which is not installed."
    ours, several = Contender(network, images()), f"{MOST} of ours side by side"
    windows = {what: lambda loop=loop: loop.rate(BASELINE_STEPS) for what, loop in loops.items()}
    windows["ours"] = lambda: ours.rate(STEPS[name])
    with served(network, [0.9 / MOST] * MOST) as connections:
        windows[several] = lambda: joint_rate(connections, STEPS[name])
        found = in_turns(windows, repeats=repeats)
    for loop in loops.values():
        loop.close()
    figures = [
        Figure(what=what, value=spread(rates), unit="images/s") for what, rates in found.items()
    ]
    for what in ("ours", several):
        for baseline in loops:
            bar, stretch = BARS.get((name, what == "ours", baseline), (None, None))
            times = spread(ratios(found[what], found[baseline]))
            figures.append(
                Figure(what=f"{what} ÷ {baseline}", value=times, unit="x", bar=bar, stretch=stretch)
            )
    return section(
        f"Against the baselines on one GPU: {name}, batch {BATCH}",
        f"Windows of {STEPS[name]} steps, of {BASELINE_STEPS} of a baseline, {repeats} turns; A "
        f"has {loops['A'].style.workers} workers, B goes fastest with "
        f"{loops['B'].style.workers}. Trials side by side against A are as many in sequence by "
        f"A.{notes}",
        figures,
    )


def determinism(*, repeats: int) -> str:
    """Return the price of deterministic algorithms, and of the filling of memory among them."""
    modes = {"free": (False, False), "deterministic": (True, True), "unfilled": (True, False)}
    trials = {mode: Contender(RESNET, images()) for mode in modes}

    def rate(mode: str) -> float:
        deterministic, fill = modes[mode]
        torch.use_deterministic_algorithms(deterministic)
        torch.utils.deterministic.fill_uninitialized_memory = fill
        return trials[mode].rate(STEPS["preact_resnet18"])

    try:
        found = in_turns({mode: lambda mode=mode: rate(mode) for mode in modes}, repeats=repeats)
    finally:
        torch.use_deterministic_algorithms(False)
        torch.utils.deterministic.fill_uninitialized_memory = True
    cost = {
        mode: spread([100 * (ratio - 1) for ratio in ratios(found["free"], found[mode])])
        for mode in ("deterministic", "unfilled")
    }
    return section(
        f"Determinism on one GPU: preact_resnet18, batch {BATCH}",
        "The deterministic step against the free one, both in a graph, in bf16. Deterministic "
        "mode also fills memory that nothing was written to; `unfilled` leaves that out.",
        [
            Figure(
                what="cost of deterministic mode",
                value=cost["deterministic"],
                unit="%",
                bar=15,
                stretch=5,
                better="less",
            ),
            Figure(what="the same, unfilled", value=cost["unfilled"], unit="%"),
        ],
    )


def processes(network: Mapping[str, Any], peak: float, *, repeats: int, under: str = "") -> str:
    """Return the joint rates of trials in processes of their own, each with its share of memory."""
    torch.cuda.empty_cache()  # of this process, for theirs
    found = {}
    for count in SIDE_BY_SIDE:
        with served(network, [0.9 / count] * count) as connections:
            found[count] = in_turns(
                {"": lambda each=connections: joint_rate(each, STEPS[network["name"]])},
                repeats=repeats,
            )[""]
    return packed(f"Trials side by side{under}", "A process each.", network, found, peak)


def under_mps(network: Mapping[str, Any], peak: float, *, repeats: int) -> str:
    """Return the same with NVIDIA's multi-process service, or why there is none."""
    try:
        with mps():
            return processes(network, peak, repeats=repeats, under=" under MPS")
    except (subprocess.CalledProcessError, EOFError) as error:
        return (
            f"## Trials side by side under MPS\n\nNot measured: {MPS} does not serve: {error!r}\n"
        )


def streams(network: Mapping[str, Any], peak: float, *, repeats: int) -> str:
    """Return the joint rates of trials in one process, each on its own stream."""
    steps, found = STEPS[network["name"]], {}
    for count in SIDE_BY_SIDE:
        trials = [(Contender(network, images()), torch.cuda.Stream()) for _ in range(count)]
        found[count] = in_turns({"": lambda each=trials: by_turns(each, steps)}, repeats=repeats)[
            ""
        ]
    return packed("Trials on streams", "All in one process.", network, found, peak)


def by_turns(trials: Sequence[tuple[Contender, torch.cuda.Stream]], steps: int) -> float:
    """Ask for a step of each trial in turn, and return their joint images per second."""

    def go(steps: int) -> None:
        for _ in range(steps):
            for trial, stream in trials:
                with torch.cuda.stream(stream):
                    trial.train(1)
        torch.cuda.synchronize()

    torch.cuda.synchronize()
    go(max(warm_up(steps), STEPS_BEFORE_RECORDING + 1))
    started = time.perf_counter()
    go(steps)
    return len(trials) * steps * BATCH / (time.perf_counter() - started)


def packed(
    title: str, text: str, network: Mapping[str, Any], found: dict[int, list[float]], peak: float
) -> str:
    """Return the section on trials that share the GPU."""
    name = network["name"]
    figures = [
        Figure(what=f"{count} at once, together", value=spread(rates), unit="images/s")
        for count, rates in found.items()
    ]
    figures += [
        Figure(
            what=f"{count} at once ÷ one", value=spread(ratios(found[count], found[1])), unit="x"
        )
        for count in SIDE_BY_SIDE[1:]
    ]
    if name == "preact_resnet18":
        best = max(found.values(), key=lambda rates: spread(rates).median)
        figures.append(share("share of matrix products, packed", name, best, peak, bar=(30, 38)))
    return section(
        f"{title}: {name}, batch {BATCH}",
        f"{text} In bf16, each step a graph; windows of {STEPS[name]} steps of each trial.",
        figures,
    )


@contextlib.contextmanager
def served(network: Mapping[str, Any], fractions: Sequence[float]) -> Iterator[list[Connection]]:
    """Yield connections to processes that train when they are sent a number of steps."""
    context = multiprocessing.get_context("spawn")
    started = []
    for fraction in fractions:
        here, there = context.Pipe()
        process = context.Process(target=_serve, args=(there, dict(network), fraction), daemon=True)
        process.start()
        there.close()  # so that the end of the process is the end of the connection
        started.append((here, process))
    try:
        for here, _ in started:
            here.recv()
        yield [here for here, _ in started]
    finally:
        for here, process in started:
            with contextlib.suppress(OSError):  # it has ended already
                here.send(0)
            process.join()


def joint_rate(connections: Iterable[Connection], steps: int) -> float:
    """Have all processes train at once, and return their images per second together."""
    for connection in connections:
        connection.send(steps)
    return sum(connection.recv() for connection in connections)


def _serve(connection: Connection, network: dict[str, Any], fraction: float) -> None:
    keep_within(fraction)
    trial = Contender(network, images())
    trial.rate(1)
    connection.send("ready")
    while steps := connection.recv():
        connection.send(trial.rate(steps) if steps > 0 else _ask_for(-steps))


def _ask_for(gibibytes: int) -> str:
    """Ask for that much memory, and return what comes of it."""
    try:
        torch.empty(gibibytes, 2**30, dtype=torch.uint8, device="cuda")
    except torch.OutOfMemoryError:
        return "refused"
    return "given"


def cap() -> str:
    """Return whether a trial that asks for more than its share is refused, and harms nobody."""
    total = torch.cuda.get_device_properties(0).total_memory // 2**30
    with served(LENET, [0.25, 0.25]) as (greedy, neighbour):
        greedy.send(-(total // 2))
        neighbour.send(STEPS["lenet"])
        answer, trained = greedy.recv(), neighbour.recv() > 0
        went_on = joint_rate([greedy, neighbour], STEPS["lenet"]) > 0
    return section(
        "The cap of memory",
        f"Two trials with a quarter of {total} GiB each; one asks for half.",
        [
            Figure(what="asked for beyond its share, refused", value=answer == "refused", bar=1),
            Figure(what="both trained on", value=trained and went_on, bar=1),
        ],
    )


@contextlib.contextmanager
def mps() -> Iterator[None]:
    """Run NVIDIA's multi-process service for the processes that are started meanwhile."""
    with tempfile.TemporaryDirectory(prefix="mps-") as folder:
        own = {"CUDA_MPS_PIPE_DIRECTORY": folder, "CUDA_MPS_LOG_DIRECTORY": folder}
        environment = {**os.environ, **own}
        subprocess.run([MPS, "-d"], env=environment, check=True)
        os.environ.update(own)
        try:
            yield
        finally:
            for name in own:
                del os.environ[name]
            subprocess.run([MPS], input=b"quit\n", env=environment, check=True)


def turns(trials: Mapping[str, Contender], *, steps: int, repeats: int) -> dict[str, list[float]]:
    """Return the rates of trials that train in turn."""
    return in_turns(
        {name: lambda trial=trial: trial.rate(steps) for name, trial in trials.items()},
        repeats=repeats,
    )


def in_turns(
    measures: Mapping[str, Callable[[], float]], *, repeats: int
) -> dict[str, list[float]]:
    """Measure A B C A B C …; the first turn warms up and does not count."""
    found: dict[str, list[float]] = {name: [] for name in measures}
    for turn in range(repeats + 1):
        for name, one in measures.items():
            value = one()
            if turn:
                found[name].append(value)
    return found


def main() -> None:
    """Measure, print, and write to a file if one is named."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.gpu", description=__doc__)
    parser.add_argument("--short", action="store_true", help="fewer repeats")
    parser.add_argument("--out", type=Path, metavar="FILE")
    options = parser.parse_args()
    # Before CUDA starts, as in a trial: without it cuBLAS refuses deterministic mode.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if torch.cuda.is_available() and not computes():
        print("This GPU computes nothing: all figures are without meaning, and none is kept.")
        options.out = None
    measured = [header(short=options.short)]
    print(measured[0])
    for text in measure(short=options.short):
        print(text, flush=True)
        measured.append(text)
        if options.out:
            options.out.write_text("\n".join(measured))


if __name__ == "__main__":
    main()
