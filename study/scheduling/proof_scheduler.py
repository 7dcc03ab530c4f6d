"""A few trials trained anew for their first epochs: handed out as all trials are, put nowhere."""

import dataclasses
from collections import deque
from collections.abc import Iterable, Sequence

from study.file.resolved import ResolvedStudy
from study.scheduling.code_proof import PROOF_EPOCHS, TrainedSample
from study.scheduling.failed_attempts import RETRIES
from study.scheduling.gpu_shares import GpuShares
from study.trials import Trial
from trainables.artifacts import open_artifacts
from trainables.metrics import EpochMetrics

PREFIX = "proof-"
"""Begins the key under which a trial is trained anew: no checkpoint of the trial is touched."""


class ProofScheduler:
    """The trials that a proof trains. It records nothing and tells the search nothing."""

    def __init__(self, study: ResolvedStudy, shares: GpuShares, trials: Iterable[Trial]) -> None:
        """Prepare to train each trial once, from its start.

        Args:
            study: whose trials.
            shares: of GPUs.
            trials: they are copied, and stay as they are.
        """
        self.study = study
        self.shares = shares
        self.stopping = False
        self.active: set[Trial] = set()
        self.samples: dict[str, TrainedSample] = {}
        """What the training came to, by the trial's own key."""
        copies = {trial.key: _fresh_copy(trial) for trial in trials}
        self.todo = deque(copies.values())
        self._left = len(copies)

    @property
    def running(self) -> list[Trial]:
        """The trials under way."""
        return [trial for trial in self.active if trial.state == "running"]

    @property
    def is_finished(self) -> bool:
        """Whether every trial was trained or could not be."""
        return self._left == 0

    def hand_out_trial(self) -> Trial | None:
        """Return the next trial to train, or None if there is none."""
        if self.stopping or not self.todo:
            return None
        trial = self.todo.popleft()
        trial.state = "assigned"
        trial.gpus = max(trial.gpus, self.shares.share_of(trial.cost_class))
        self.active.add(trial)
        return trial

    def take_back(self, trial: Trial) -> None:
        """Take back a trial that was handed out: it is trained again, from its start."""
        trial.state, trial.history = "todo", []
        self.active.discard(trial)
        self.todo.appendleft(trial)

    def note_begun(self, trial: Trial) -> None:
        """Note that the trial begins."""
        trial.state = "running"

    def note_epochs(
        self,
        trial: Trial,
        epochs: Sequence[EpochMetrics],
        *,
        device: str,
        precision: str = "fp32",
        compiled: bool | None = None,
    ) -> bool:
        """Note finished epochs; return whether they are enough."""
        if epochs:
            trial.history = [*trial.history[: epochs[0].epoch - 1], *epochs]
        trained = tuple(trial.history[:PROOF_EPOCHS])
        sample = TrainedSample(trained, device, precision, compiled)
        self.samples[trial.key.removeprefix(PREFIX)] = sample
        return len(trial.history) >= PROOF_EPOCHS

    def is_to_wait(self, trial: Trial) -> bool:
        """Return False: nobody judges the trials of a proof by rungs."""
        del trial
        return False

    def note_waiting(self, trial: Trial) -> None:
        """Take back a trial that waits, which none of a proof does."""
        self.take_back(trial)

    def record_diagnostics(
        self, trial: Trial, names: Sequence[str], *, location: str, missing: Sequence[str] = ()
    ) -> None:
        """Delete the files that the trial has left: nothing of a proof is a result."""
        artifacts = open_artifacts(location)
        for name in names:
            artifacts.discard(trial.key, name)

    def note_completed(self, trial: Trial) -> None:
        """Note that the trial was trained as far as is wanted, or has diverged before."""
        self._end_trial(trial)

    def note_failed(self, trial: Trial, failure: str, *, out_of_memory: bool = False) -> bool:
        """Note that an attempt failed; return whether the trial is tried again."""
        trial.failures.append(failure)
        if len(trial.failures) <= RETRIES:
            if out_of_memory and trial.gpus:
                trial.gpus = min(2 * trial.gpus, max(1.0, trial.gpus))
            self.take_back(trial)
            return True
        self._end_trial(trial)
        reason = failure.strip().splitlines()[-1]
        self.samples[trial.key.removeprefix(PREFIX)] = TrainedSample(failure=reason)
        return False

    def _end_trial(self, trial: Trial) -> None:
        trial.state = "done"
        self.active.discard(trial)
        self._left -= 1

    def forgive_failure(self, trial: Trial) -> None:
        """Forget the trial's last failure: its node was lost, as is known only now."""
        if trial.state != "done":
            trial.failures.pop()

    def note_lost(self, trial: Trial) -> None:
        """Note that the trial's node went away."""
        self.take_back(trial)

    def note_interrupted(self, trial: Trial) -> None:
        """Note that the launch ends before the trial does."""
        trial.state = "todo"
        self.active.discard(trial)


def _fresh_copy(trial: Trial) -> Trial:
    """Return the trial as if nothing were known of it, under a key of the proof's own."""
    return dataclasses.replace(
        trial,
        key=f"{PREFIX}{trial.key}",
        state="todo",
        outcome=None,
        recorded=False,
        cut_off=False,
        proved=frozenset(),
        history=[],
        failures=[],
        course={},
    )
