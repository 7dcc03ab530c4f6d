"""The watch over trials under way: are they heard of, and does memory hold them side by side."""

import time
from collections.abc import Callable, Sequence

from study.scheduling.memory_room import MemoryRoom
from study.scheduling.protocols import SchedulerLike
from study.scheduling.silence import SilenceWatch, describe_hours
from study.trials import Trial
from trainables.metrics import EpochMetrics

LOOK_SECONDS = 1.0
"""How often to look for trials that nothing is heard of."""


class TrialWatch:
    """Sees what no trial says of itself, and tells the user."""

    def __init__(
        self,
        scheduler: SchedulerLike,
        on_notice: Callable[[str], None],
        *,
        granted_mb: float | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare.

        Args:
            scheduler: knows which trials are under way.
            on_notice: called with what the user should know.
            granted_mb: the memory of this machine that the launch is granted; None of a cluster.
            clock: in seconds, and never back.
        """
        self.scheduler = scheduler
        self.on_notice = on_notice
        self.clock = clock
        self.memory = MemoryRoom(granted_mb)
        self.silence = SilenceWatch(scheduler.study.resources.trial_timeout)
        self._looked_at = float("-inf")

    def has_room(self, trials: int) -> bool:
        """Return whether memory has room for one more trial beside so many."""
        return self.memory.has_room(trials, self.clock())

    def note_begun(self, trial: Trial) -> None:
        """Note that an actor has taken a trial up."""
        self.silence.note_news(trial, self.clock())

    def note_epochs(self, trial: Trial, epochs: Sequence[EpochMetrics], *, places: int) -> None:
        """Note what a trial has told of its epochs.

        Args:
            trial: which.
            epochs: those that have ended since its last news.
            places: how many trials the CPUs have room for.
        """
        self.silence.note_news(trial, self.clock(), [epoch.epoch_seconds for epoch in epochs])
        if trial.gpus or not epochs:  # the peak of a trial on a GPU is of the GPU's memory
            return
        peak = max(epoch.peak_memory_mb for epoch in epochs)
        if fewer := self.memory.note_peak(peak, places):
            self.on_notice(fewer)

    def forget(self, trial: Trial) -> None:
        """Forget a trial that is no longer under way."""
        self.silence.forget(trial)

    def look(self) -> list[Trial]:
        """Say of which trials nothing is heard; return those whose attempts are to be ended."""
        now = self.clock()
        if now - self._looked_at < LOOK_SECONDS:
            return []
        self._looked_at = now
        self.silence.look(now)
        for notice in self.silence.notices(now):
            self.on_notice(notice)
        return self.silence.given_up(now)

    def describe_end(self, trial: Trial, failure: str) -> str:
        """Return why an attempt failed, in other words where it was ended for its silence."""
        timeout = self.silence.timeout
        if timeout is None or self.silence.silence_of(trial, self.clock()) <= timeout:
            return failure
        said = f"nothing was heard of the trial for {describe_hours(timeout)}"
        self.on_notice(f"{trial.name}: {said}; the attempt is ended.")
        return f"TrialTimeoutError: {said} (resources.trial_timeout)"

    def make_room(self, trial: Trial) -> bool:
        """Let fewer run side by side than when this trial was killed for lack of memory.

        Returns:
            whether it may do better so; False if it ran alone.
        """
        beside = len(set(self.scheduler.running) - {trial}) + 1
        if not self.memory.note_killed(beside, self.clock()):
            return False
        self.on_notice(
            f"{trial.name} was killed for lack of memory, {beside} trials side by side being too "
            f"many. It is tried again, with at most {self.memory.most} side by side."
        )
        return True
