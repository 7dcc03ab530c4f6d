"""Trials that nothing is heard of: the user is told, and in the end the attempt is given up."""

import statistics
from collections.abc import Hashable, Iterable

from study.trials import Trial

LEAST_SECONDS = 120.0
"""A shorter silence is nothing to speak of."""
FIRST_SECONDS = 600.0
"""How long the first news of a kind of trial may take."""
TIMES_AN_EPOCH = 10.0
"""A silence of this many usual epochs is one to speak of."""
LONGEST_STEP = 30.0
"""Where the driver itself has not looked for longer, such as on a computer that was asleep, nobody
could be heard."""


class SilenceWatch:
    """Knows when each trial was heard of last."""

    def __init__(self, timeout_hours: float | None) -> None:
        """Prepare.

        Args:
            timeout_hours: the silence after which an attempt is given up; None for never.
        """
        self.timeout = None if timeout_hours is None else timeout_hours * 3600
        self._heard: dict[Trial, float] = {}
        self._told: set[Trial] = set()
        self._epoch_seconds: dict[Hashable, list[float]] = {}
        self._looked = float("inf")

    def note_news(self, trial: Trial, now: float, epoch_seconds: Iterable[float] = ()) -> None:
        """Note that a trial was heard of.

        Args:
            trial: which.
            now: in seconds, on a clock that does not go back.
            epoch_seconds: what the epochs took that it has told of.
        """
        self._heard[trial] = now
        self._told.discard(trial)
        known = self._epoch_seconds.setdefault(trial.cost_class, [])
        known += epoch_seconds
        del known[:-50]

    def forget(self, trial: Trial) -> None:
        """Forget a trial that is no longer under way."""
        self._heard.pop(trial, None)
        self._told.discard(trial)

    def look(self, now: float) -> None:
        """Note that the driver looks for news, as it does again and again."""
        if now - self._looked > LONGEST_STEP:
            missed = now - self._looked
            self._heard = {trial: heard + missed for trial, heard in self._heard.items()}
        self._looked = now

    def silence_of(self, trial: Trial, now: float) -> float:
        """Return for how many seconds nothing was heard of a trial; 0 of one not under way."""
        return now - self._heard.get(trial, now)

    def given_up(self, now: float) -> list[Trial]:
        """Return the trials whose attempts are to be ended."""
        if self.timeout is None:
            return []
        return [trial for trial, heard in self._heard.items() if now - heard > self.timeout]

    def notices(self, now: float) -> list[str]:
        """Return what there is to say of trials that are silent for long, once a silence."""
        silent = [
            trial
            for trial, heard in self._heard.items()
            if trial not in self._told and now - heard > self._patience_with(trial)
        ]
        self._told.update(silent)
        return [self._describe(trial, now - self._heard[trial]) for trial in silent]

    def _patience_with(self, trial: Trial) -> float:
        known = self._epoch_seconds.get(trial.cost_class)
        if not known:
            return FIRST_SECONDS
        return max(LEAST_SECONDS, TIMES_AN_EPOCH * statistics.median(known))

    def _describe(self, trial: Trial, seconds: float) -> str:
        known = self._epoch_seconds.get(trial.cost_class)
        usual = f"; an epoch usually takes {statistics.median(known):,.1f} s" if known else ""
        then = (
            "`resources.trial_timeout: HOURS` would end such an attempt and try again"
            if self.timeout is None
            else f"after {describe_hours(self.timeout)} the attempt ends, and is made again"
        )
        return f"Nothing is heard of {trial.name} for {seconds / 60:.0f} min{usual}; {then}."


def describe_hours(seconds: float) -> str:
    """Return a time in hours as a study file gives it."""
    return f"{seconds / 3600:g} h"
