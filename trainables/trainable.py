"""The training loop as a Ray Tune Trainable. Ray is imported here and nowhere else in this room.

Over 300 lines for that reason.
"""

import faulthandler
import gc
import logging
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import ray
import torch
from ray import get_runtime_context, tune
from ray.util.metrics import Gauge

from trainables import plugins
from trainables.artifacts import open_artifacts
from trainables.assignment import TrialAssignment
from trainables.checkpoints import (
    CheckpointError,
    SaveCadence,
    estimated_cost,
    open_checkpoints,
)
from trainables.code_digest import NOT_RECORDED, CodeChangedError, trial_code
from trainables.configuration import Configuration, parse_configuration
from trainables.datasets import load_planned
from trainables.devices import be_deterministic, device_name
from trainables.memory import give_back_freed, keep_freed, keep_within
from trainables.metrics import GAUGES, EpochMetrics
from trainables.node_checks import refuse_other_versions
from trainables.own_modules import OwnModule
from trainables.storage import describe_error
from trainables.training import Trainer
from trainables.training_step import StepCache

log = logging.getLogger(__name__)

REPORT_SECONDS = 1.0
"""Epochs shorter than this are reported together: a report costs the driver some milliseconds."""
SLICE_SECONDS = 10.0
"""A longer epoch is left in its middle, so that the driver can stop and save the trial."""


def _set_process_title(title: str) -> None:
    """Set what the system calls this process; Ray's function is private, and may go."""
    set_title = getattr(ray._raylet, "setproctitle", None)
    if set_title is not None:
        set_title(title)


@contextmanager
def _ended_after(seconds: float) -> Iterator[None]:
    """End this process, with its traceback in Ray's log, if the block takes longer; 0 for ever.

    The system's own thread does it, also where Python's hangs.
    """
    if not seconds:
        yield
        return
    faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__ or sys.stderr)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def _check_code(configuration: Configuration, planned: str) -> None:
    """Check that this process has loaded the code that the trial's record will name.

    Raises:
        CodeChangedError: if somebody has edited the code since the launch began.
    """
    found = trial_code(configuration).digest
    if found != planned:
        raise CodeChangedError(
            f"The training code has changed since the launch began (digest {planned}, now "
            f"{found}): launch again to go on with the code as it is now."
        )


class TrialGauges:
    """Metrics of the trial that runs, as `study_…` among those that each Ray node exports."""

    def __init__(self) -> None:
        labels = ("study", "configuration", "seed")
        self.gauges = {
            name: Gauge(f"study_{name}", description=text, tag_keys=labels)
            for name, text in GAUGES.items()
        }

    def show(self, metrics: EpochMetrics, config: TrialAssignment) -> None:
        """Show a trial's last epoch."""
        labels = {
            "study": config["study"],
            "configuration": config["point"],
            "seed": str(config["seed"]),
        }
        for name, gauge in self.gauges.items():
            value = getattr(metrics, name)
            if value is not None:
                gauge.set(float(value), tags=labels)


class TrialTrainable(tune.Trainable):
    """One trial. A step is a slice of training: some epochs, or a part of a long one.

    The trial goes on from its checkpoint, if there is one, whoever wrote it. A result holds:

    - `epochs`: metrics of each epoch finished since the last result; after a restore, of all epochs
      so far, since those after the last record may have been lost with the driver;
    - `between_epochs`: whether no epoch is begun;
    - `at_rung`: whether the trial is saved at a rung, and may wait there;
    - `finished`: whether all epochs are trained, or the loss has diverged (`done` is Ray Tune's);
    - `diagnostics`: names of the files that a finished trial has left (see `Artifacts`);
    - `missing`: names of those that it should have left, but could not;
    - `device`: the name of the GPU or CPU;
    - `precision`: what the trial computes in;
    - `compiled`: whether its training passes are;
    - `node`: the id of the cluster's node;
    - `notice`: what the user should know, or nothing.
    """

    @classmethod
    def default_resource_request(cls, config: Mapping[str, Any]) -> tune.PlacementGroupFactory:
        """Return the trial's share of CPUs and GPUs, and where it may not be."""
        share = {"CPU": config["cpus"], "GPU": config["gpus"]}
        bundles = [{name: n for name, n in share.items() if n}]
        if not config["avoid"]:
            return tune.PlacementGroupFactory(bundles)
        elsewhere = {"ray.io/node-id": f"!in({','.join(config['avoid'])})"}
        return tune.PlacementGroupFactory(bundles, bundle_label_selector=[elsewhere])

    def __repr__(self) -> str:
        """Return what Ray's dashboard and logs call the actor: the trial that it began with."""
        return str(self.assignment["name"]) if hasattr(self, "assignment") else type(self).__name__

    def setup(self, config: dict[str, Any]) -> None:
        """Prepare the process, then the trial."""
        be_deterministic()
        keep_freed()
        # What is imported stays. To look at it again and again for garbage took half of the time in
        # which the digest of the code is made.
        gc.freeze()
        self.gauges = TrialGauges()
        self.warmth = StepCache()
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begin another trial in this warm process.

        It keeps the data set in memory and, for a trial of the same shape, the networks' memory and
        the recorded steps.
        """
        config = cast(TrialAssignment, new_config)
        if config["versions"]:
            refuse_other_versions(config["versions"], get_runtime_context().get_node_id())
        # The driver, which hears of slices, hears nothing of this.
        with _ended_after(config["timeout_seconds"]):
            self._prepare(config)
        return True

    def _prepare(self, config: TrialAssignment) -> None:
        torch.set_num_threads(max(1, int(config["cpus"])))
        if 0 < config["gpus"] < 1:
            keep_within(config["gpus"])
        self.assignment = config
        self.key = config["key"]
        plugins.know_shipped(OwnModule(**module) for module in config["own_modules"])
        configuration = parse_configuration(config["configuration"])
        _check_code(configuration, config["code"])
        self.checkpoints = open_checkpoints(config["checkpoints"])
        self.artifacts = open_artifacts(config["checkpoints"])
        vars(self).pop("trainer", None)  # what is not kept of it is free before more is taken
        give_back_freed()
        planned = Path(config["data"]).absolute(), config["fingerprint"]
        load_planned(configuration.dataset, *planned)
        self.trainer = self._new_trainer()
        self.device_name = device_name(self.trainer.device)
        self.reported = 0
        self.notice = ""
        self.notice_of_start = self._take_up()
        self.cadence = SaveCadence(
            config["checkpoint_seconds"],
            estimated_cost=estimated_cost(self.trainer.state_dict()),
        )

    def _new_trainer(self) -> Trainer:
        """Return the trial at its start."""
        config = self.assignment
        return Trainer(
            config["configuration"],
            seed=config["seed"],
            data=config["data"],
            device="cuda" if config["gpus"] else "cpu",
            warmth=self.warmth,
        )

    def _take_up(self) -> str:
        """Go on from the checkpoint, if there is one; return what is wrong with it, or nothing."""
        try:
            state = self.checkpoints.load(self.key)
            if state is None:
                return ""
            self._check_code_of(state)
            try:
                self.trainer.load_state_dict(state)
            except torch.OutOfMemoryError:  # says nothing of the file
                raise
            except Exception as error:  # whatever a file that is no checkpoint of it leads to
                del self.trainer  # perhaps half of it was loaded
                self.trainer = self._new_trainer()
                reason = f"{type(error).__name__}: {error}".splitlines()[0]
                raise CheckpointError(f"its checkpoint is none of this trial ({reason})") from error
        except CheckpointError as error:
            log.warning("%s: %s", self.assignment["name"], error)
            return f"{self.assignment['name']} starts anew: {error}."
        return ""

    def _check_code_of(self, state: Mapping[str, Any]) -> None:
        """Check that a checkpoint is of this code, or of code that was proven equal to it.

        Raises:
            CheckpointError: if it is of other code.
        """
        was = state.get("code", NOT_RECORDED)
        if was not in (self.assignment["code"], *self.assignment["proved"]):
            raise CheckpointError(
                f"its checkpoint is of other code (digest {was}, now {self.assignment['code']})"
            )

    def step(self) -> dict[str, Any]:
        """Train for one slice."""
        # The dashboard's list of processes, and `top`, name the trial that runs.
        _set_process_title(f"ray::{type(self).__name__} {self.assignment['name']}")
        started = time.monotonic()
        at_rung = False
        while not self.trainer.finished:
            metrics = self.trainer.train_epoch(
                pause=lambda: time.monotonic() - started >= SLICE_SECONDS
            )
            at_rung = metrics is not None and metrics.epoch in self.assignment["rungs"]
            if not self.trainer.finished and (at_rung or self.cadence.due()):
                self._save()
            if at_rung or metrics is None or time.monotonic() - started >= REPORT_SECONDS:
                break
        history = self.trainer.history
        if history:
            self.gauges.show(history[-1], self.assignment)
        left, missing = self._leave_diagnostics() if self.trainer.finished else ([], [])
        notices = (self.notice_of_start, self.notice, self.trainer.notice)
        result: dict[str, Any] = {
            "epochs": [asdict(metrics) for metrics in history[self.reported :]],
            "between_epochs": self.trainer.between_epochs,
            "device": self.device_name,
            "precision": self.trainer.precision,
            "compiled": self.trainer.compiled,
            "node": get_runtime_context().get_node_id(),
            "notice": " ".join(filter(None, notices)),
            "diagnostics": left,
            "missing": missing,
            "at_rung": at_rung and not self.notice,  # which says that it could not be saved
            "finished": self.trainer.finished,
            "done": self.trainer.finished,
        }
        self.reported = len(history)
        return result

    def _leave_diagnostics(self) -> tuple[list[str], list[str]]:
        """Write the trial's diagnostics, before anyone hears that it is finished.

        Returns:
            the names of those that are written, and of those that could not be: without them the
            trial is complete all the same.
        """
        left: list[str] = []
        missing: list[str] = []
        for name, content in self.trainer.diagnostics.files().items():
            try:
                self.artifacts.save(self.key, name, content)
            except OSError as error:  # a full disk must not cost a trial that is trained
                log.warning("cannot keep %s of %s: %s", name, self.assignment["name"], error)
                missing.append(name)
                self.notice = (
                    f"Cannot keep the diagnostics of trials: {describe_error(error)}; the trials "
                    "end without them, the tag missing_diagnostics of a run names its own, and the "
                    "next launch trains these trials again."
                )
            else:
                left.append(name)
        return left, missing

    def save_checkpoint(self, checkpoint_dir: str) -> dict[str, Any]:
        """Save the trial where any later process finds it; Ray Tune itself keeps only the key."""
        del checkpoint_dir
        self._save()
        return {"key": self.key}

    def load_checkpoint(self, checkpoint: Mapping[str, Any] | None) -> None:
        """Go on from the trial's checkpoint; `reset_config` or `setup` has loaded it already."""
        assert checkpoint is None or checkpoint["key"] == self.key

    def _save(self) -> None:
        started = time.monotonic()
        try:
            state = {**self.trainer.state_dict(), "code": self.assignment["code"]}
            self.checkpoints.save(self.key, state)
        except OSError as error:  # a full disk must not end a trial that trains well without it
            reason = describe_error(error)
            self.notice = f"Cannot save unfinished trials: {reason}; they train on all the same."
        else:
            self.notice = ""
        self.cadence.saved(time.monotonic() - started)
