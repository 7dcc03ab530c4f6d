"""What a trial costs, from a few seconds of it: run as a process of its own, or beside others."""

import time
from dataclasses import dataclass
from pathlib import Path

import torch

from trainables.configuration import Configuration
from trainables.devices import device_name
from trainables.training import EVALUATION_BATCH, Trainer

SECONDS = 4.0
"""How long training is watched."""
WARM_UP_STEPS = 3
RECORDING_STEPS = 20
"""Enough for a GPU's steps to be recorded, those of PuzzleMix's four variants too."""


@dataclass(frozen=True)
class Probe:
    """What a few seconds of a trial showed."""

    start_seconds: float
    """Loading the data and building the networks."""
    epoch_seconds: float
    """Training and evaluation of one epoch."""
    memory_mb: float
    """Peak of the GPU, or of the process on a CPU; 2^20 bytes."""
    device: str


def probe(configuration: Configuration, *, data: Path, device: str, threads: int = 1) -> Probe:
    """Train for a few seconds, never to an end, and say what an epoch takes.

    Short epochs are measured whole; of a long one some steps and one evaluation batch are, and
    the epoch is computed from them.
    """
    torch.set_num_threads(threads)
    started = time.perf_counter()
    trainer = Trainer(configuration, data=data, device=device)
    start_seconds = time.perf_counter() - started
    steps = iter(range(1, RECORDING_STEPS if trainer.step.recordings else WARM_UP_STEPS))
    trainer.train_epoch(pause=lambda: next(steps, None) is None)  # which compiles and allocates
    return Probe(
        start_seconds=start_seconds,
        epoch_seconds=_epoch_seconds(trainer),
        memory_mb=trainer.step.memory.megabytes(),
        device=device_name(trainer.device),
    )


def _epoch_seconds(trainer: Trainer) -> float:
    done, started, steps = trainer.epoch, time.perf_counter(), 0

    def enough() -> bool:
        nonlocal steps
        steps += 1
        return time.perf_counter() - started >= SECONDS

    while not trainer.finished and time.perf_counter() - started < SECONDS:
        trainer.train_epoch(pause=enough)
    whole = trainer.history[done:]
    if len(whole) > 1:
        return sum(epoch.epoch_seconds for epoch in whole[1:]) / len(whole[1:])
    step_seconds = (time.perf_counter() - started) / max(1, steps)
    return step_seconds * len(trainer.images) + _evaluation_seconds(trainer)


def _evaluation_seconds(trainer: Trainer) -> float:
    images = trainer.evaluated["test"]
    some = type(images)(images.images_NCHW[:EVALUATION_BATCH], images.labels_N[:EVALUATION_BATCH])
    started = time.perf_counter()
    trainer.error(some)
    seconds = time.perf_counter() - started
    return seconds * sum(len(part) for part in trainer.evaluated.values()) / len(some)
