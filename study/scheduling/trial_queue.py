"""The trials that wait for their turn, in order, and those that have had it."""

from collections import OrderedDict
from collections.abc import Iterable

from study.trials import Trial


class TrialQueue:
    """Knows which trial is next, and which are out of the queue for execution."""

    def __init__(self) -> None:
        """Start empty."""
        self.waiting: OrderedDict[Trial, None] = OrderedDict()
        """The trials to run, in order; a set, since every trial is looked up in it."""
        self.active: set[Trial] = set()
        """The trials that are handed out for execution, or under way."""

    @property
    def is_empty(self) -> bool:
        """Whether no trial waits and none is active."""
        return not self.waiting and not self.active

    @property
    def next_trial(self) -> Trial:
        """The trial whose turn it is; there must be one."""
        return next(iter(self.waiting))

    def append(self, trials: Iterable[Trial]) -> None:
        """Put trials at the end; one that waits already keeps its place."""
        for trial in trials:
            self.waiting.setdefault(trial)

    def put_back(self, trial: Trial, *, last: bool = False) -> None:
        """Put a trial that is active no more before all others, or behind them."""
        self.active.discard(trial)
        self.waiting[trial] = None
        self.waiting.move_to_end(trial, last=last)

    def bring_forward(self, trials: Iterable[Trial]) -> None:
        """Put each of the trials, all of which wait, before the others; the last comes first."""
        for trial in trials:
            self.waiting.move_to_end(trial, last=False)

    def take_next(self) -> Trial:
        """Remove the trial whose turn it is, and return it."""
        return self.waiting.popitem(last=False)[0]
