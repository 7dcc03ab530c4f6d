"""Whether a trial is compiled where its setting is `auto`: measured once on a node, and remembered.

Whole training steps are timed, compiled and uncompiled in turns, on networks that are built for it
and thrown away: the trial's own begin as if nothing had been measured. What a node remembers are
the times, in a small file for each device, network, precision and shape of batch; whoever measures
at the same time takes those that were written first, so that all its trials choose alike.
"""

import gc
import hashlib
import json
import logging
import os
import random
import statistics
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainables import plugins
from trainables.batches import TrainingImages
from trainables.configuration import Configuration, settings_key
from trainables.datasets import Splits, cache_folder
from trainables.devices import device_name, time_when_done
from trainables.initialisation import build_networks
from trainables.memory import PeakMemory, give_back_freed
from trainables.recipe import Precision
from trainables.storage import PART
from trainables.training_step import StepCache, TrainingStep

log = logging.getLogger(__name__)

SHORT_SECONDS = 120.0
"""A training that takes less is not compiled: the compiler alone takes a good part of that."""
FEWEST_STEPS = 500
"""A training of fewer steps is not measured either, for what is measured takes some tens."""
GAIN = 1.05
"""How many times as fast compiled steps have to be."""
COMPILER_SECONDS = 20.0
"""What compiled steps have to save, for a process takes about that to load or compile them."""
TURNS = 5
"""Of each contender; the median counts."""
TURN_SECONDS = 0.5
"""Of uncompiled steps, about, where one does not take longer."""
MOST_STEPS = 8
"""In a turn."""
MOST_CHARACTERS = 200
"""Of the compiler's message that a notice repeats."""


@dataclass(frozen=True)
class StepTimes:
    """What a training step of a whole batch takes, in seconds."""

    eager: float
    compiled: float


def choose_compilation(
    configuration: Configuration,
    splits: Splits,
    *,
    precision: Precision,
    device: torch.device,
    warmth: StepCache,
) -> tuple[bool, str]:
    """Return whether a trial's training passes are compiled, and what the user should know of it.

    Args:
        configuration: of the trial.
        splits: its data.
        precision: that it computes in.
        device: where it computes.
        warmth: forgets its step where memory for others is needed.
    """
    setting = configuration.training.compile
    if isinstance(setting, bool):
        return setting, ""
    rehearsal = TrialRehearsal(configuration, splits, precision=precision, device=device)
    if rehearsal.total_steps < FEWEST_STEPS:
        return False, ""
    memory = TimesFile(rehearsal.circumstances())
    times = memory.read()
    if times is not None:
        if not rehearsal.is_worth_compiling(times):
            return False, ""
        if memory.path in warmth.compiling:
            return True, ""
    warmth.forget_step()
    notice = ""
    try:
        with _random_states_kept(device):
            if times is not None:
                rehearsal.try_compiler()  # what is remembered may be older than the compiler
            elif (found := rehearsal.compare()) is not None:
                times = memory.write(found)
    except Exception as error:  # whatever the compiler, or a second trial's memory, lacks here
        times, notice = None, _notice_of(error)
    _give_memory_back(device)
    if times is None or not rehearsal.is_worth_compiling(times):
        return False, notice
    warmth.compiling.add(memory.path)
    return True, notice


class TrialRehearsal:
    """The steps of a trial, taken on other networks of the same settings."""

    def __init__(
        self,
        configuration: Configuration,
        splits: Splits,
        *,
        precision: Precision,
        device: torch.device,
    ) -> None:
        self.configuration, self.splits = configuration, splits
        self.precision, self.device = precision, device
        training = configuration.training
        self.total_steps = training.epochs * (len(splits.train) // training.batch_size)
        """Of whole batches, in the trial: others are never compiled."""

    def circumstances(self) -> dict[str, Any]:
        """Return all that the speed of a step depends on, but for the code."""
        _, network, regularizer = self.configuration.components
        own = plugins.own_modules_of([network, regularizer])
        training = dict(settings_key(self.configuration.training, "cost"))
        del training["precision"], training["compile"]
        return {
            "device": device_name(self.device),
            "threads": torch.get_num_threads() if self.device.type == "cpu" else None,
            "torch": torch.__version__,
            "precision": self.precision,
            "images": [self.splits.in_channels, self.splits.image_size, self.splits.image_size],
            "classes": self.splits.num_classes,
            "network": dict(settings_key(network, "cost")),
            "regularizer": dict(settings_key(regularizer, "cost")),
            "training": training,
            "own_modules": {module.shown_name: module.digest for module in own},
        }

    def is_short(self, seconds: float) -> bool:
        """Return whether the whole training is, if a step takes so long."""
        return seconds * self.total_steps < SHORT_SECONDS

    def is_worth_compiling(self, times: StepTimes) -> bool:
        """Return whether the whole training is faster compiled, by more than chance may do."""
        saved = (times.eager - times.compiled) * self.total_steps
        faster = times.compiled * GAIN < times.eager and saved > COMPILER_SECONDS
        return faster and not self.is_short(times.eager)

    def compare(self) -> StepTimes | None:
        """Time steps, compiled and not; return None if the training is too short for it."""
        eager = self._contender(compiled=False)
        self._warm_up(eager, count=1)
        seconds = time_steps(eager, *self._batch, count=2)
        if self.is_short(seconds):
            return None
        count = max(1, min(MOST_STEPS, int(TURN_SECONDS / seconds)))
        compiled = self._contender(compiled=True)
        for contender in (eager, compiled):
            self._warm_up(contender, count=count)
        turns = [
            [time_steps(contender, *self._batch, count=count) for contender in (eager, compiled)]
            for _ in range(TURNS)
        ]
        times = StepTimes(*map(statistics.median, zip(*turns, strict=True)))
        log.info("a step takes %.3g s, compiled %.3g s", times.eager, times.compiled)
        return times

    def try_compiler(self) -> None:
        """Take a compiled step."""
        time_steps(self._contender(compiled=True), *self._batch, count=1)

    @cached_property
    def _batch(self) -> tuple[Tensor, Tensor]:
        size = self.configuration.training.batch_size
        images = TrainingImages(self.splits, batch_size=size, device=self.device)
        return images.epoch("rehearsal").batch(0)

    def _contender(self, *, compiled: bool) -> TrainingStep:
        network, regularizer = build_networks(self.configuration, self.splits, seed=0)
        training = self.configuration.training
        step = TrainingStep(
            network.train(),
            regularizer.train(),
            training,
            precision=self.precision,
            compiled=compiled,
            device=self.device,
            memory=PeakMemory(self.device),
        )
        step.set_learning_rate(0.0)  # one batch again and again must not lead anywhere
        regularizer.begin_epoch(network, epoch=1, epochs=training.epochs)
        return step

    def _warm_up(self, step: TrainingStep, *, count: int) -> None:
        """Take the steps of a turn until they hold nothing new."""
        time_steps(step, *self._batch, count=count)
        while not step.is_recorded((number, 0) for number in range(count)):
            time_steps(step, *self._batch, count=count)


def time_steps(step: TrainingStep, images_NCHW: Tensor, labels_N: Tensor, *, count: int) -> float:
    """Return the seconds that a step takes, of the first few: they have the same variants again."""
    step.begin_epoch(seed=0)
    started = time_when_done(step.device)
    for number in range(count):
        step(images_NCHW, labels_N, step=number)
    return (time_when_done(step.device) - started) / count


class TimesFile:
    """What a node remembers of one kind of step. Without a place to write it remembers nothing."""

    def __init__(self, circumstances: dict[str, Any]) -> None:
        """Take what decides the times."""
        self.circumstances = circumstances
        text = json.dumps(circumstances, sort_keys=True, default=str)
        digest = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
        data = cache_folder()  # it counts and removes what lies in it, so that these lie beside it
        self.path = data.parent / "compile" / data.name / f"{digest}.json"

    def read(self) -> StepTimes | None:
        """Return what is remembered, or None; a damaged file holds nothing."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            seconds = json.loads(self.path.read_text())["seconds"]
            times = StepTimes(float(seconds["eager"]), float(seconds["compiled"]))
            if times.eager > 0 and times.compiled > 0:
                return times
        return None

    def write(self, times: StepTimes) -> StepTimes:
        """Remember times, and return those that hold: another process's, if it was first."""
        content = {"seconds": asdict(times), "of": self.circumstances}
        part = self.path.with_name(f"{self.path.name}.{os.getpid()}{PART}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(content, indent=1, default=str) + "\n")
            try:
                self.path.hardlink_to(part)
            except FileExistsError:
                first = self.read()
                if first is not None:
                    return first
                part.replace(self.path)  # it was damaged
        except OSError as error:
            log.warning("%s is not written, the next trial measures again: %s", self.path, error)
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)
        return times


@contextmanager
def _random_states_kept(device: torch.device) -> Iterator[None]:
    """Let nothing drawn in the block be missing after it."""
    python, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002  # what is kept is the legacy state
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy_state)  # noqa: NPY002  # likewise


def _give_memory_back(device: torch.device) -> None:
    """Leave nothing of the networks to the trial's peak."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    give_back_freed()


def _notice_of(error: Exception) -> str:
    said = " ".join(f"{type(error).__name__}: {error}".split())
    if len(said) > MOST_CHARACTERS:
        said = f"{said[:MOST_CHARACTERS]}…"
    return (
        "`training.compile: auto` leaves trials uncompiled, as with `compile: false`: their steps "
        f"cannot be compiled here ({said})."
    )
