"""The training loop of one trial. It knows nothing of Ray, Optuna or MLflow."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainables import datasets, networks, randomness
from trainables.batches import EpochPosition, PixelNormaliser, TrainingImages, evaluated_images
from trainables.compile_choice import choose_compilation
from trainables.configuration import Configuration, check_last_batch, parse_configuration
from trainables.datasets import Images
from trainables.devices import open_device
from trainables.diagnostics import TrialDiagnostics, TrialSubject
from trainables.evaluation import evaluate_splits
from trainables.history import epochs_from, history_columns
from trainables.initialisation import build_networks
from trainables.memory import refused_allocations
from trainables.metrics import EpochMetrics, has_diverged
from trainables.precision import chosen_precision
from trainables.recipe import Precision
from trainables.training_step import StepCache
from trainables.trial_identity import TrialIdentity

LOOK_AHEAD = 100  # steps whose variants must be recorded for a trial to be warm
MEMORY_NOTICE = (
    "The GPU refused memory that a library asked for. cuDNN then takes another algorithm, whose "
    "results may differ in their last bits; a larger share (`resources.gpus`) avoids it."
)


class Trainer:
    """Trains one configuration with one seed, epoch by epoch.

    On one device and one version of the software, the metrics are a function of the configuration,
    the seed and the data: bitwise equal on a rerun and after any number of saves and restores.
    """

    def __init__(
        self,
        config: Configuration | Mapping[str, Any],
        *,
        seed: int = 0,
        data: Path | str = "data",
        device: torch.device | str | None = None,
        warmth: StepCache | None = None,
    ) -> None:
        """Load the data and initialise the networks.

        Args:
            config: a configuration, or plain data as in the `trial` part of a study file.
            seed: keys all randomness of the trial; the split of the data does not depend on it.
            data: the folder that holds the data sets.
            device: a torch device; by default the current GPU, or the CPU where there is none.
            warmth: what the process has kept of a trial that has ended, whose trainer is of no use
                from then on; it keeps of this one what the next may need.

        Raises:
            pydantic.ValidationError: if the configuration is wrong.
            DeviceError: if there is no such device.
            PrecisionError: if the device does not compute in the configuration's precision.
            datasets.DatasetError: if the data is missing or damaged, or leaves a mini-batch of one
                image that the network cannot be trained on.
        """
        self.configuration = config = parse_configuration(config)
        self.seed = seed
        self.device = open_device(device)
        self.splits = datasets.load(self.configuration.dataset, Path(data).absolute())
        check_last_batch(self.configuration, len(self.splits.train))
        self._identity = TrialIdentity(self.configuration, seed, self.splits.fingerprint)
        self.warmth = warmth or StepCache()
        precision = chosen_precision(config.training.precision, self.device)
        compiled, self._notice_of_choice = choose_compilation(
            config, self.splits, precision=precision, device=self.device, warmth=self.warmth
        )
        self._build(precision, compiled=compiled)

    def _build(self, precision: Precision, *, compiled: bool) -> None:
        """Initialise networks, optimiser and position, as at the trial's start."""
        splits, training = self.splits, self.configuration.training
        network, regularizer = build_networks(self.configuration, splits, seed=self.seed)
        self._refused = refused_allocations(self.device)
        self.step = self.warmth.step_on(
            network,
            regularizer,
            self.configuration,
            precision=precision,
            compiled=compiled,
            device=self.device,
            data=splits.fingerprint,
        )
        self.network, self.regularizer = self.step.network, self.step.regularizer
        self.images = TrainingImages(splits, batch_size=training.batch_size, device=self.device)
        self.normalise = PixelNormaliser(splits, self.device)
        self.evaluated = evaluated_images(splits, self.device)
        self.diagnostics = TrialDiagnostics(self.configuration.diagnostics, self._subject())
        self.history: list[EpochMetrics] = []
        self._position: EpochPosition | None = None

    def _subject(self) -> TrialSubject:
        return TrialSubject(
            network=self.network,
            embed=networks.embedder_of(self.configuration.network.name),
            regularizer=self.regularizer,
            splits=self.splits,
            normalise=self.normalise,
            autocast=self.step.autocast,
            seed=self.seed,
            device=self.device,
        )

    @property
    def precision(self) -> Precision:
        """What the trial computes in."""
        return self.step.precision

    @property
    def compiled(self) -> bool:
        """Whether its training passes are compiled."""
        return self.step.compiled

    @property
    def notice(self) -> str:
        """What the user should know, or nothing."""
        short = MEMORY_NOTICE if refused_allocations(self.device) > self._refused else ""
        return " ".join(filter(None, (self._notice_of_choice, self.step.notice, short)))

    @property
    def is_warm(self) -> bool:
        """Whether of the steps to come none has a variant that is still to be recorded."""
        begun = self._position
        done = len(self.images) * self.epoch if begun is None else self._step_of(begun)
        full = len(self.splits.train) // self.configuration.training.batch_size
        ahead = range(done, done + LOOK_AHEAD)
        usual = (step for step in ahead if step % len(self.images) < full)
        seeds = ((step, self._draw_seed(step // len(self.images) + 1)) for step in usual)
        return self.step.is_recorded(seeds)

    @property
    def epoch(self) -> int:
        """The number of epochs that are finished."""
        return len(self.history)

    @property
    def finished(self) -> bool:
        """Whether all epochs are trained, or the loss is no longer finite."""
        return self.epoch >= self.configuration.training.epochs or has_diverged(self.history)

    @property
    def between_epochs(self) -> bool:
        """Whether no epoch is begun."""
        return self._position is None

    def train_epoch(self, *, pause: Callable[[], bool] = lambda: False) -> EpochMetrics | None:
        """Train to the end of the current epoch, and evaluate.

        Args:
            pause: asked after each step; once it says yes the epoch is left where it is, to be
                gone on with by the next call, here or after a restore.

        Returns:
            the epoch's metrics, or None if it was left before its end.
        """
        if self.finished:
            raise RuntimeError(f"the trial ended after epoch {self.epoch}")
        if self._position is None:
            self._position = self._begin_epoch()
            # Not within `_begin_epoch`: after a restore it is the checkpoint that says what holds.
            self.regularizer.begin_epoch(
                self.network,
                epoch=self._position.epoch,
                epochs=self.configuration.training.epochs,
            )
        position = self._position
        self.step.set_learning_rate(self.configuration.training.learning_rate_at(position.epoch))
        started = time.perf_counter()
        self.network.train()
        self.regularizer.train()
        while position.batch < len(self.images):
            self._step(position)
            if position.batch < len(self.images) and pause():
                position.seconds += time.perf_counter() - started
                return None
        loss = (self.step.loss_sum / len(self.images)).item()  # the epoch's first wait for the GPU
        train_seconds = position.seconds + time.perf_counter() - started
        scores: dict[str, Any] = self.evaluate(
            fit_temperature=position.epoch == self.configuration.training.epochs
        )
        metrics = EpochMetrics(
            epoch=position.epoch,
            train_loss=loss,
            **scores,
            learning_rate=self.configuration.training.learning_rate_at(position.epoch),
            epoch_seconds=position.seconds + time.perf_counter() - started,
            images_per_second=len(self.splits.train) / train_seconds,
            peak_memory_mb=self.step.memory.megabytes(),
        )
        self.history.append(metrics)
        self._position = None
        if not has_diverged(self.history):
            self.diagnostics.end_epoch(metrics)
        return metrics

    def _begin_epoch(self) -> EpochPosition:
        epoch = self.epoch + 1
        self.step.begin_epoch(seed=self._draw_seed(epoch))
        return EpochPosition(epoch=epoch, draws=self.images.epoch(self.seed, epoch))

    def _draw_seed(self, epoch: int) -> int:
        return randomness.derive_seed(self.seed, epoch, "regularizer")

    def _step_of(self, position: EpochPosition) -> int:
        return (position.epoch - 1) * len(self.images) + position.batch

    def _step(self, position: EpochPosition) -> None:
        images_NCHW, labels_N = position.draws.batch(position.batch)
        self.step(images_NCHW, labels_N, step=self._step_of(position))
        position.batch += 1

    def evaluate(
        self, splits: Mapping[str, Images] | None = None, *, fit_temperature: bool = False
    ) -> dict[str, float | None]:
        """Return the scores of the network as it is, by metric; see `trainables.evaluation`.

        Args:
            splits: images by split, on the trainer's device; by default those that every epoch
                is evaluated on.
            fit_temperature: as for `evaluate_splits`.
        """
        self.network.eval()
        return evaluate_splits(
            self._logits, splits or self.evaluated, fit_temperature=fit_temperature
        )

    def _logits(self, bytes_NCHW: Tensor) -> Tensor:
        with self.step.autocast():
            logits_NC: Tensor = self.network(self.normalise(bytes_NCHW))
        return logits_NC

    def state_dict(self) -> dict[str, Any]:
        """Return all that a resume needs: tensors and plain data, safe for `weights_only` loads."""
        return {
            **self._identity.state_dict(),
            "precision": self.precision,
            "compiled": self.compiled,
            "network": self.network.state_dict(),
            "regularizer": self.regularizer.state_dict(),
            "optimizer": self.step.optimizer.state_dict(),
            "history": history_columns(self.history),
            "position": self._position_state(),
            "diagnostics": self.diagnostics.state_dict(),
        }

    def _position_state(self) -> dict[str, Any] | None:
        if self._position is None:
            return None
        return {**self._position.state_dict(), **self.step.epoch_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`, in the middle of an epoch too.

        Raises:
            ValueError: if the state is of another configuration, seed or data.
        """
        self._identity.check_state(state)
        precision = state.get("precision", "fp32")
        # Checkpoints from before there was an `auto` do not say it.
        compiled = state.get("compiled", self.configuration.training.compile is True)
        if (precision, compiled) != (self.precision, self.compiled):  # as chosen elsewhere
            self._notice_of_choice = ""
            self._build(precision, compiled=compiled)
        self.step.load_networks(state)
        self.history = epochs_from(state["history"])
        self._position = None
        if state["position"] is not None:
            self._position = self._begin_epoch()
            self._position.load_state_dict(state["position"])
            self.step.load_epoch_state(state["position"])
        self.diagnostics.load_state_dict(state.get("diagnostics", {}))
