"""Which trials other studies have finished: run ids by trial key, read once and then by increments.

A trial that a fresh index does not know costs no question. A run that the index knows is only a
hint, for the run may have been deleted or taken up again since: whoever uses the hint asks the
server for the run.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from mlflow.entities import Run

from analysis.record.client import PAGE
from analysis.record.names import TRIAL_KEY
from study.record.same_metrics import keys_of
from study.record.trial_runs import recorded_trial

log = logging.getLogger(__name__)

FRESH_SECONDS = 10.0
"""An index that was last renewed longer ago does not know what has ended meanwhile."""
RENEWAL_SECONDS = 2.0
"""Between two renewals; more where a renewal takes longer."""
IDLE_SECONDS = 30.0
"""After so long without a question the index is no longer renewed."""
OVERLAP_SECONDS = 300.0
"""How far a renewal looks back: clocks differ, and records may wait in a spool. A run that reaches
the server later than that is not noticed by a launch under way."""
TRIALS_A_PAGE = 2
"""To read a page of runs takes about as long as to ask for so many trials one by one."""

SearchRuns = Callable[[Sequence[str], int], Iterator[Run]]
"""Yields the finished runs of experiments that have ended since a time, in milliseconds."""


class FinishedIndex:
    """Run ids by trial key, renewed by a thread as long as somebody asks."""

    def __init__(
        self,
        find_experiments: Callable[[], Sequence[str]],
        search_runs: SearchRuns,
        *,
        trials: int,
    ) -> None:
        """Start with nothing read.

        Args:
            find_experiments: asks the server which experiments there are to read.
            search_runs: asks the server for finished runs.
            trials: how many trials may be asked for. Where the server holds so many runs that to
                ask for each trial is quicker, the index is given up.
        """
        self.find_experiments = find_experiments
        self.search_runs = search_runs
        self.most_runs = PAGE * (1 + trials // TRIALS_A_PAGE)
        self.is_given_up = False
        """Whether there are too many runs; nothing more is read."""
        self._run_ids: dict[str, tuple[str, ...]] = {}
        self._read: set[str] = set()
        """The experiments that are read to their end."""
        self._latest = 0
        """When the last of the runs ended, in milliseconds since 1970."""
        self._renewed = self._asked = float("-inf")
        self._changed = threading.Condition()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def is_fresh(self) -> bool:
        """Whether the index knows all but what has ended a moment ago."""
        return time.monotonic() - self._renewed < FRESH_SECONDS

    def run_ids(self, key: str) -> tuple[str, ...]:
        """Return the runs that may have finished a trial, also with other diagnostics.

        Args:
            key: the trial's or, for all that have its metrics, its key without diagnostics.
        """
        return self._run_ids.get(key, ())

    def keep_fresh(self) -> None:
        """Have the index renewed from now on, for a while, without waiting for that."""
        self._asked = time.monotonic()
        with self._changed:
            if not (self._is_reading() or self.is_given_up or self._stopped.is_set()):
                self._thread = threading.Thread(target=self._live, name="elsewhere", daemon=True)
                self._thread.start()

    def wait_until_fresh(self, seconds: float) -> bool:
        """Wait for so long at most; return whether the index is fresh then."""
        with self._changed:
            self._changed.wait_for(lambda: self.is_fresh or not self._is_reading(), seconds)
        return self.is_fresh

    def stop(self) -> None:
        """Read nothing more."""
        self._stopped.set()

    def _is_reading(self) -> bool:
        return self._thread is not None and self._thread.is_alive() and not self.is_given_up

    def _live(self) -> None:
        while time.monotonic() - self._asked < IDLE_SECONDS:
            started = time.monotonic()
            try:
                self.renew()
            except Exception as error:  # whatever it is, each trial can be asked for
                log.warning("cannot read what other studies have trained: %s", error)
            pause = max(RENEWAL_SECONDS, time.monotonic() - started)
            if self.is_given_up or self._stopped.wait(min(pause, FRESH_SECONDS / 2)):
                return

    def renew(self) -> None:
        """Read what has ended since the last renewal; of experiments not read before, all.

        Raises:
            MlflowException: if the server cannot be asked.
        """
        started, clock = time.monotonic(), int(1000 * time.time())
        present = set(self.find_experiments())
        since = min(self._latest, clock) - int(1000 * OVERLAP_SECONDS)
        is_whole = self._take(self._read & present, max(since, 0)) and self._take(
            present - self._read, 0
        )
        with self._changed:
            if is_whole:
                self._read, self._renewed = present, started
            self._changed.notify_all()

    def _take(self, experiments: set[str], since: int) -> bool:
        """Note the runs of experiments; return whether these are all, and not too many."""
        if not experiments:
            return True
        for number, run in enumerate(self.search_runs(sorted(experiments), since), start=1):
            if self._stopped.is_set():
                return False
            if number > self.most_runs:
                self.is_given_up, self._run_ids, self._renewed = True, {}, float("-inf")
                return False
            self._note(run)
        return True

    def _note(self, run: Run) -> None:
        self._latest = max(self._latest, run.info.end_time or 0)
        run_id = str(run.info.run_id)
        if TRIAL_KEY not in run.data.tags:
            return
        for key in keys_of(recorded_trial(run)):
            if run_id not in self.run_ids(key):
                self._run_ids[key] = (*self.run_ids(key), run_id)
