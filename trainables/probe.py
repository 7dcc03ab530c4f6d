"""What a trial costs, from a few seconds of it: run as a process of its own, or beside others."""

import multiprocessing
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Barrier, BrokenBarrierError
from typing import Any

import torch

from trainables import datasets, plugins
from trainables.configuration import Configuration, as_dict, parse_configuration
from trainables.devices import be_deterministic, device_name, time_when_done
from trainables.evaluation import EVALUATION_BATCH
from trainables.failures import FailureCause, error_cause
from trainables.memory import keep_freed, taken_megabytes
from trainables.own_modules import OwnComponentError, OwnModule, failing_line
from trainables.training import Trainer

SECONDS = 4.0
"""How long training is watched."""
WARM_UP_STEPS = 3
MOST_WARM_UP_SECONDS = 60.0
"""How long a GPU's steps are waited for to be recorded, each variant of them."""
ENDLESS = 10**6
"""Epochs."""
MEET_SECONDS = 300.0
"""How long those side by side wait for each other to be ready."""


class TrialProbeError(Exception):
    """A trial does not train: its message says why in a line, and where in the user's own code.

    It is plain text, so it travels between processes that don't know the error it comes from.
    """

    def __init__(self, message: str, cause: FailureCause = "other") -> None:
        super().__init__(message, cause)  # both, as what is pickled
        self.message = message
        self.cause = cause
        """What the trial failed of."""

    def __str__(self) -> str:
        return self.message

    @classmethod
    def of(cls, error: BaseException, modules: Iterable[OwnModule] = ()) -> "TrialProbeError":
        """Return an error of a trial in a line.

        Args:
            error: that was raised in this process, or that ended another one.
            modules: of the user's, whose lines are told.
        """
        if isinstance(error, OwnComponentError):  # which tells the line itself
            return cls(str(error))
        where = failing_line(modules, error)
        said = str(error).strip().partition("\n")[0] or "no message"
        told = f"{type(error).__name__}: {said}"
        return cls(f"{where}: {told}" if where else told, error_cause(error))


@dataclass(frozen=True)
class TrialProbe:
    """What a few seconds of a trial showed."""

    start_seconds: float
    """Loading the data, building the networks, and the first steps, which compile and allocate."""
    epoch_seconds: float
    """Training and evaluation of one epoch."""
    memory_mb: float
    """Peak of the GPU, or of the process on a CPU; 2^20 bytes."""
    taken_mb: float
    """The most that the process took of the GPU's memory, with what CUDA itself takes; on a CPU the
    same as `memory_mb`."""
    device: str
    by_known_shape: bool = False
    """Whether it trained on noise of the data set's shape, for the data are not here."""


@dataclass(frozen=True)
class ProbedTrial:
    """A trial as plain data, which any process can take up."""

    configuration: Mapping[str, Any]
    own_modules: tuple[OwnModule, ...]
    """The users' modules that its components come from."""

    @classmethod
    def of(cls, configuration: Configuration) -> "ProbedTrial":
        """Return a configuration as plain data."""
        own = plugins.own_modules_of(configuration.components)
        return cls(as_dict(configuration), own)


def side_by_side(
    trial: Configuration | ProbedTrial,
    count: int,
    *,
    data: Path,
    device: str,
    threads: int = 1,
) -> list[TrialProbe]:
    """Probe as many trials at once, in processes of their own, each while all others train.

    Returns:
        a probe of each, or none at all if the GPU's memory does not hold them.

    Raises:
        TrialProbeError: if a trial fails; the machine's memory, too, is none of the GPU's.
    """
    probed = trial if isinstance(trial, ProbedTrial) else ProbedTrial.of(trial)
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(count)
    with ProcessPoolExecutor(count, context, initializer=_share_meeting, initargs=(ready,)) as pool:
        probe_beside = partial(_probe_beside, probed, data, device, threads)
        futures = _begin(pool, probe_beside, count)
    errors = [error for future in futures if (error := future.exception()) is not None]
    if errors:
        # A broken barrier only says that another failed.
        told = [e for e in errors if not isinstance(e, BrokenBarrierError)] or errors
        found = [e if isinstance(e, TrialProbeError) else _broken_off(e) for e in told]
        causes = [error.cause for error in found]
        if "gpu_memory" in causes and "host_memory" not in causes:
            return []
        raise found[causes.index("host_memory") if "host_memory" in causes else 0]
    return [future.result() for future in futures]


def _broken_off(error: BaseException) -> TrialProbeError:
    """Return an error that no trial raised, but the processes around the trials."""
    if isinstance(error, BrokenBarrierError):
        return TrialProbeError(f"not all trials were ready within {MEET_SECONDS:g} s")
    return TrialProbeError.of(error)


def _begin(
    pool: ProcessPoolExecutor, probe: Callable[[], TrialProbe], count: int
) -> list[Future[TrialProbe]]:
    """Begin so many probes, each in a process that starts with it."""
    with _deaf_to_interrupts():
        return [pool.submit(probe) for _ in range(count)]


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Let processes that start in the block ignore Ctrl-C, which their parent handles."""
    if threading.current_thread() is not threading.main_thread():  # it alone may say so
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _share_meeting(ready: Barrier) -> None:
    """Keep what the processes meet at: it can be handed to a process only when that starts."""
    global _ready
    _ready = ready


_ready: Barrier


def _probe_beside(trial: ProbedTrial, data: Path, device: str, threads: int) -> TrialProbe:
    be_deterministic()  # as trials are, which may cost them speed
    try:
        plugins.know_shipped(trial.own_modules)
        return probe_trial(
            parse_configuration(trial.configuration),
            data=data,
            device=device,
            threads=threads,
            ready=lambda: _ready.wait(MEET_SECONDS),
        )
    except BaseException as error:
        _ready.abort()  # or the others would wait for this one
        if isinstance(error, (BrokenBarrierError, KeyboardInterrupt)):
            raise
        raise TrialProbeError.of(error, trial.own_modules) from error


def probe_trial(
    configuration: Configuration,
    *,
    data: Path,
    device: str,
    threads: int = 1,
    ready: Callable[[], object] = lambda: None,
) -> TrialProbe:
    """Train for a few seconds, never to an end, and say what an epoch takes.

    Short epochs are measured whole; of a long one some steps and one evaluation batch are, and
    the epoch is computed from them.

    Args:
        configuration: of the trial.
        data: the folder of the data sets.
        device: a torch device.
        threads: of the CPU.
        ready: called when all is built and warm, before anything is measured.
    """
    torch.set_num_threads(threads)
    keep_freed()
    started = time.perf_counter()
    with datasets.stand_in_for_missing():  # what a trial takes does not depend on the pictures
        trainer = Trainer(configuration, data=data, device=device)
    # From here on: how long a training is decides whether it is worth compiling.
    trainer.configuration = _endless(configuration)
    _warm_up(trainer)
    start_seconds = time_when_done(trainer.device) - started
    ready()
    epoch_seconds, memory_mb = _epoch_seconds(trainer), trainer.step.memory.megabytes()
    return TrialProbe(
        start_seconds=start_seconds,
        epoch_seconds=epoch_seconds,
        memory_mb=memory_mb,
        taken_mb=taken_megabytes(trainer.device) or memory_mb,
        device=device_name(trainer.device),
        by_known_shape=trainer.splits.is_stand_in,
    )


def _endless(configuration: Configuration) -> Configuration:
    """Return the configuration without an end; an epoch of it costs the same."""
    endless = replace(configuration.training, epochs=ENDLESS, schedule="steps", milestones=())
    return replace(configuration, training=endless)


def _warm_up(trainer: Trainer) -> None:
    """Train until a step holds nothing new: compiled, allocated, each of its variants recorded.

    Which variants an epoch has is known before. One that is too rare to be recorded within an epoch
    may come later.
    """
    started, done = time.perf_counter(), 0

    def is_warm() -> bool:
        nonlocal done
        done += 1
        late = time.perf_counter() - started > MOST_WARM_UP_SECONDS
        return late or (done >= WARM_UP_STEPS and trainer.is_warm)

    while not trainer.finished and trainer.train_epoch(pause=is_warm) is not None:
        if is_warm():
            return


def _epoch_seconds(trainer: Trainer) -> float:
    done, started, steps = trainer.epoch, time_when_done(trainer.device), 0

    def enough() -> bool:
        nonlocal steps
        steps += 1
        return time.perf_counter() - started >= SECONDS

    while not trainer.finished and time.perf_counter() - started < SECONDS:
        trainer.train_epoch(pause=enough)
    whole = trainer.history[done:]
    if len(whole) > 1:
        return sum(epoch.epoch_seconds for epoch in whole[1:]) / len(whole[1:])
    step_seconds = (time_when_done(trainer.device) - started) / max(1, steps)
    return step_seconds * len(trainer.images) + _evaluation_seconds(trainer)


def _evaluation_seconds(trainer: Trainer) -> float:
    images = trainer.evaluated["test"]
    some = type(images)(images.images_NCHW[:EVALUATION_BATCH], images.labels_N[:EVALUATION_BATCH])
    started = time.perf_counter()
    trainer.evaluate({"test": some})
    seconds = time.perf_counter() - started
    return seconds * sum(len(part) for part in trainer.evaluated.values()) / len(some)
