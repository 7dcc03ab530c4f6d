"""What a launch has spent of its budget, and when that ends the launch."""

import re
import time
from collections import Counter
from collections.abc import Callable

from analysis.counted import count_text
from study.file.evidence import LaunchBudget
from study.trials import Trial

NUMBER = re.compile(r"0x[0-9a-f]+|\d+(\.\d+)?")
"""What differs between failures that have one cause: addresses, sizes, line numbers."""


class BudgetMeter:
    """Counts what trials of one launch take: hours, GPU-hours, trials and failures."""

    def __init__(
        self, budget: LaunchBudget | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin to count.

        Args:
            budget: of the launch; None sets no bound.
            clock: returns seconds.
        """
        self.budget = budget
        self._clock = clock
        self._started = clock()
        self._since: dict[Trial, float] = {}
        """Since when a trial that is under way runs."""
        self._gpu_seconds = 0.0
        self._handed_out: set[Trial] = set()
        self._failures: list[str] = []
        """A last line for each failed attempt."""
        self._failed = 0
        """Trials that failed for good."""
        self._has_success = False

    # What trials do

    def note_handed_out(self, trial: Trial) -> None:
        """Count a trial; one that is handed out again counts once."""
        self._handed_out.add(trial)

    def note_begun(self, trial: Trial) -> None:
        """Note that a trial is under way."""
        self._since[trial] = self._clock()

    def note_at_rest(self, trial: Trial) -> None:
        """Note that a trial is under way no more."""
        began = self._since.pop(trial, None)
        if began is not None:
            self._gpu_seconds += trial.gpus * (self._clock() - began)

    def note_success(self) -> None:
        """Note that a trial has ended otherwise than by failing."""
        self._has_success = True

    def note_failure(self, failure: str, *, for_good: bool) -> None:
        """Note that an attempt at a trial has failed.

        Args:
            failure: the traceback, or what else is known.
            for_good: whether the trial is not tried again.
        """
        self._failures.append(_last_line(failure))
        self._failed += for_good

    def forgive_failure(self, failure: str) -> None:
        """Forget an attempt that failed: its node was lost."""
        self._failures.remove(_last_line(failure))

    # What is left

    @property
    def hours(self) -> float:
        """Hours since the launch began."""
        return (self._clock() - self._started) / 3600

    @property
    def gpu_hours(self) -> float:
        """Hours of whole GPUs that trials have taken, those under way included."""
        now = self._clock()
        running = sum(trial.gpus * (now - began) for trial, began in self._since.items())
        return (self._gpu_seconds + running) / 3600

    def is_time_spent(self) -> bool:
        """Return whether the hours or the GPU-hours are spent: what runs is to be saved."""
        return bool(self._spent_times())

    def has_place_for(self, trial: Trial) -> bool:
        """Return whether a trial may begin: trials that are begun already may go on."""
        most = self.budget.trials if self.budget else None
        return most is None or trial in self._handed_out or len(self._handed_out) < most

    @property
    def is_hopeless(self) -> bool:
        """Whether the failures are spent; until a trial succeeds every attempt counts as one."""
        most = self.budget.failures if self.budget else None
        count = self._failed if self._has_success else len(self._failures)
        return most is not None and count >= most

    @property
    def tries_others_first(self) -> bool:
        """Whether a trial that failed waits for the others: do they fail as well?"""
        bounded = self.budget is not None and self.budget.failures is not None
        return bounded and not self._has_success

    # In words

    def describe_budget(self) -> str:
        """Return the budget in words, or nothing."""
        given = self.budget
        if given is None:
            return ""
        parts = [
            given.hours and count_text(given.hours, "hour"),
            given.gpu_hours and count_text(given.gpu_hours, "GPU-hour"),
            given.trials and count_text(given.trials, "trial"),
            given.failures and count_text(given.failures, "failure"),
        ]
        return ", ".join(part for part in parts if part)

    def describe_spent(self) -> str:
        """Return in words which part of the budget has ended the launch, or nothing."""
        if self.is_hopeless:
            return f"The launch gave up: {self._describe_failures()}"
        spent = self._spent_times()
        most = self.budget.trials if self.budget else None
        if most is not None and len(self._handed_out) >= most:
            spent.append(f"{len(self._handed_out):,} of {count_text(most, 'trial')} begun")
        return f"The budget is spent: {', '.join(spent)}." if spent else ""

    def _spent_times(self) -> list[str]:
        if self.budget is None:
            return []
        bounds = (
            ("hour", self.hours, self.budget.hours),
            ("GPU-hour", self.gpu_hours, self.budget.gpu_hours),
        )
        return [
            f"{used:.3g} of {count_text(most, unit)}"
            for unit, used, most in bounds
            if most is not None and used >= most
        ]

    def _describe_failures(self) -> str:
        kinds = Counter(NUMBER.sub("…", line) for line in self._failures)
        kind, times = kinds.most_common(1)[0]
        example = next(line for line in self._failures if NUMBER.sub("…", line) == kind)
        none = "" if self._has_success else " and none succeeded"
        attempts = count_text(len(self._failures), "attempt")
        share = "all" if times == len(self._failures) else f"{times} of them"
        return f"{attempts} failed{none}, {share} by: {example}"


def _last_line(failure: str) -> str:
    return (failure.strip().splitlines() or [""])[-1]
