"""One training step: forward, loss, backward, update. On a GPU it is recorded, and then replayed.

All that a step works on stays at its place in memory: weights, momentum, generator, learning rate,
the dials of the regularizer. A recording therefore serves the trial to its end, whatever changes
from epoch to epoch, and later trials of the same process that differ in nothing that is recorded.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from trainables.configuration import Configuration, settings_key
from trainables.cuda_graphs import CudaRecorder, RecordingFailedError, StepRecordings
from trainables.memory import PeakMemory, begin_peak
from trainables.networks import Network
from trainables.optimizer import EagerSgd
from trainables.precision import computing_in, put_on
from trainables.recipe import Precision, TrainingSettings
from trainables.regularizers import RegularizerModule


class TrainingStep:
    """Takes a mini-batch and leaves the weights a step further.

    Recorded or not, it computes the same, bit by bit: the same operations on the same draws.
    """

    def __init__(
        self,
        network: Network,
        regularizer: RegularizerModule[Any],
        training: TrainingSettings,
        *,
        precision: Precision,
        compiled: bool,
        device: torch.device,
        memory: PeakMemory,
    ) -> None:
        """Take networks at their start, and put them on the device.

        Args:
            network: is trained.
            regularizer: says what with, and is trained too.
            training: the recipe.
            precision: of the forward and backward pass.
            compiled: whether both passes of a whole batch are compiled.
            device: where it computes.
            memory: its peak since before the networks went to the device.
        """
        self.memory = memory
        """Since before the step was made: what a recording takes shows only while it is made."""
        self.precision, self.compiled, self.device = precision, compiled, device
        self.batch_size = training.batch_size
        self.network = network
        put_on(network, precision, device)
        self.regularizer = regularizer.to(device)
        self.optimizer, self.momentum = _build_optimizer((network, regularizer), training, device)
        self.generator = torch.Generator(device)
        """The regularizer's, seeded for each epoch."""
        self.loss_sum = torch.zeros((), device=device)
        """Over the steps of the epoch so far."""
        self.recordings: StepRecordings | None = None
        """Of the steps, by variant; None where each is computed operation by operation."""
        if device.type == "cuda" and training.graphs and not regularizer.waits_for_device:
            self.recordings = StepRecordings(CudaRecorder(device))
        self.notice = ""
        """What the user should know, or nothing."""

    def __call__(self, images_NCHW: Tensor, labels_N: Tensor, *, step: int) -> None:
        """Do one step; nothing waits for the device.

        Args:
            images_NCHW: augmented and normalised, at most a mini-batch of them.
            labels_N: their class indices.
            step: counts the training steps of the trial from 0.
        """
        variant = self.regularizer.variant(step, seed=self.generator.initial_seed())
        recordings = self.recordings
        if recordings is None:
            self._compute(images_NCHW, labels_N, variant)
            return
        with recordings.stream():
            # An epoch has one smaller batch, its last. An observer keeps what it sees anywhere.
            usual = len(labels_N) == self.batch_size and self.regularizer.observer is None
            if usual and recordings.due(variant):
                self._replay(recordings, images_NCHW, labels_N, variant)
            else:
                self._compute(images_NCHW, labels_N, variant)

    def _compute(self, images_NCHW: Tensor, labels_N: Tensor, variant: Hashable) -> None:
        """Do a step, operation by operation; under a recorder, ask for them only."""
        # The last batch of an epoch is not worth a compilation of its own.
        compiled = self.compiled and len(labels_N) == self.batch_size
        # Autocast is left here: the weights that it has converted are not for a replay.
        with self.autocast(), self.network.compiling(compiled):
            batch = self.regularizer.batch(
                images_NCHW, labels_N, variant=variant, generator=self.generator
            )
            loss = self.regularizer.loss_of(self.network, batch)
        self.optimizer.zero_grad()  # to None: a recording makes its own, in its own memory
        loss.backward()
        self.optimizer.step()
        self.loss_sum += loss.detach()  # stays on the device: .item() would wait for it

    def _replay(
        self, recordings: StepRecordings, images_NCHW: Tensor, labels_N: Tensor, variant: Hashable
    ) -> None:
        recordings.fill(images_NCHW, labels_N)
        if variant in recordings.replays or self._record(recordings, variant):
            recordings.replays[variant]()
        else:
            self._compute(images_NCHW, labels_N, variant)

    def _record(self, recordings: StepRecordings, variant: Hashable) -> bool:
        """Record a step of the variant; if that fails, the trial goes on as if not tried."""
        draws = self.generator.get_state()
        try:
            recordings.add(variant, self._compute, self.generator)
        except RecordingFailedError as failure:
            self.notice = (
                f"The training step cannot be recorded as a CUDA graph ({failure}); "
                "the trial trains on without, more slowly and with the same results."
            )
            self.recordings = None
            self.generator = torch.Generator(self.device)
            self.generator.set_state(draws)
        return self.recordings is not None

    def autocast(self) -> AbstractContextManager[None]:
        """Return the context of the precision that the trial computes in."""
        return computing_in(self.precision, self.device)

    def is_recorded(self, steps: Iterable[tuple[int, int]]) -> bool:
        """Return whether steps need no recording any more, or are not to be recorded at all.

        Args:
            steps: each counted as for a call, and the seed of its epoch.
        """
        if self.recordings is None or self.regularizer.observer is not None:
            return True
        variants = (self.regularizer.variant(step, seed=seed) for step, seed in steps)
        return all(variant in self.recordings.replays for variant in variants)

    def set_learning_rate(self, rate: float) -> None:
        """Set the learning rate of the steps to come."""
        for group in self.optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate

    def begin_epoch(self, *, seed: int) -> None:
        """Seed the draws of an epoch, and forget the losses of the one before."""
        self.generator.manual_seed(seed)
        self.loss_sum.zero_()

    @torch.no_grad()
    def restart(self, network: Network, regularizer: RegularizerModule[Any]) -> None:
        """Begin another trial in the memory of the last.

        Args:
            network: at its start, of the same settings as the step's.
            regularizer: likewise, but for its dials.
        """
        for kept, fresh in ((self.network, network), (self.regularizer, regularizer)):
            for there, here in zip(_tensors_of(kept), _tensors_of(fresh), strict=True):
                there.copy_(here)
        self.regularizer.settings = regularizer.settings
        self.regularizer.observer = None
        for momentum in self.momentum:
            momentum.zero_()

    def load_networks(self, state: Mapping[str, Any]) -> None:
        """Take weights and momentum from a checkpoint, each to its place."""
        self.network.load_state_dict(state["network"])
        self.regularizer.load_state_dict(state["regularizer"])
        saved = state["optimizer"]["state"]
        for index, momentum in enumerate(self.momentum):
            if index in saved:
                momentum.copy_(saved[index]["momentum_buffer"])
            else:  # as it was written before the first step
                momentum.zero_()

    def epoch_state(self) -> dict[str, Any]:
        """Return what, of the epoch that is under way, is not a function of its seed."""
        return {"generator": self.generator.get_state(), "loss_sum": self.loss_sum.clone()}

    def load_epoch_state(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`."""
        self.generator.set_state(state["generator"].cpu())
        self.loss_sum.copy_(state["loss_sum"])


@dataclass
class StepCache:
    """What a process keeps of its last trial for the next: one step, with its recordings."""

    key: object = None
    step: TrainingStep | None = None
    compiling: set[object] = field(default_factory=set)
    """What is known to compile in this process; see `trainables.compile_choice`."""

    def forget_step(self) -> None:
        """Free the memory of the last trial's step."""
        self.key = self.step = None

    def step_on(
        self,
        network: Network,
        regularizer: RegularizerModule[Any],
        configuration: Configuration,
        *,
        precision: Precision,
        compiled: bool,
        device: torch.device,
        data: str,
    ) -> TrainingStep:
        """Return a step at its start: the last one's, if it differs in nothing that is recorded.

        Args:
            network: at its start, as the configuration says.
            regularizer: at its start, as the configuration says.
            configuration: may differ from the last one's in settings that no recording holds.
            precision: of the step.
            compiled: whether the step is.
            device: of the step.
            data: fingerprint of the data set.
        """
        key = (settings_key(configuration, "step"), data, precision, compiled, device)
        if self.step is not None and self.key == key:
            self.step.restart(network, regularizer)
        else:
            self.forget_step()  # its memory is free before this one's is taken
            self.step = TrainingStep(
                network,
                regularizer,
                configuration.training,
                precision=precision,
                compiled=compiled,
                device=device,
                memory=begin_peak(device),
            )
            self.key = key
        return self.step


def _build_optimizer(
    modules: tuple[nn.Module, ...], training: TrainingSettings, device: torch.device
) -> tuple[EagerSgd, list[Tensor]]:
    """Return SGD, and the momentum of each parameter, or nothing where there is none.

    It begins at 0: the first step then is no other than the rest, and leaves the gradient in it.
    """
    parameters = [parameter for module in modules for parameter in module.parameters()]
    rate = training.learning_rate
    optimizer = EagerSgd(
        parameters,
        # On a GPU the update reads it from the device: a recorded step serves every rate.
        lr=torch.tensor(rate, device=device) if device.type == "cuda" else rate,
        momentum=training.momentum,
        nesterov=training.nesterov,
        weight_decay=training.weight_decay,
        fused=True,
    )
    if training.momentum == 0:
        return optimizer, []
    momentum = [torch.zeros_like(parameter) for parameter in parameters]
    for parameter, buffer in zip(parameters, momentum, strict=True):
        optimizer.state[parameter]["momentum_buffer"] = buffer
    return optimizer, momentum


def _tensors_of(module: nn.Module) -> Iterator[Tensor]:
    return chain(module.parameters(), module.buffers())
