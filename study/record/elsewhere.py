"""Trials that other studies on the same tracking server have finished.

Of trials that differ in their diagnostics alone the study's own are found too: the study may have
asked for other diagnostics before.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from analysis.record.client import search_all_experiments, search_all_runs, with_tags
from analysis.record.names import PARENT_RUN, ROLE, STUDY_ROLE, TRIAL_KEY, TRIAL_ROLE
from study.record.same_metrics import SameMetrics, trials_of_same_metrics
from study.record.study_run import StudyRun
from study.record.trial_runs import recorded_trial
from study.trials import RecordedTrial, Trial

log = logging.getLogger(__name__)

ANSWER_SECONDS = 5.0
"""How long a study waits for word of who else has trained a trial; then it trains it itself."""
FORESIGHT_SECONDS = 20.0
"""How long a launch looks, before it begins, for what it will adopt."""
OTHERS_SECONDS = 10.0
"""How long a study that has just appeared on the server may go unnoticed."""


Answer = TypeVar("Answer")


def _told(question: Callable[[], list[Answer]]) -> list[Answer]:
    """Return the answer to a question, an empty one if the server has none."""
    try:
        return question()
    except Exception as error:  # whatever it is, it must not end a study
        log.warning("cannot ask what other studies have trained: %s", error)
        return []


class OtherStudies:
    """The other studies, and the other scales of this one, on the tracking server."""

    def __init__(self, study_run: StudyRun) -> None:
        """Start with nothing known and nothing asked."""
        self.client = study_run.client
        self.study_run = study_run
        self._asking = threading.Thread()
        """Asks who else has trained a trial; alive while the server owes an answer."""
        self.has_diagnosed = False
        """Whether the study's own record holds trials of other diagnostics."""
        self._experiments: list[str] = []
        """The experiments that hold other studies, as last looked up."""
        self._looked_up = float("-inf")

    def finished(
        self, key: str, accept: Callable[[RecordedTrial], bool] = lambda found: True
    ) -> RecordedTrial | None:
        """Return a trial as another study has finished it, the first one that is accepted.

        A server that does not answer soon has finished nothing: the study goes on without it.
        """
        return next(filter(accept, self.runs_of(key)), None)

    def runs_of(self, key: str) -> list[RecordedTrial]:
        """Return all runs in which other studies have finished a trial; see `finished`."""
        return self._ask(lambda: self._search(key))

    def finished_alike(
        self, trial: Trial, accept: Callable[[RecordedTrial], bool] = lambda found: True
    ) -> RecordedTrial | None:
        """Return a finished trial of the same metrics that has the files asked for, if accepted.

        A server that does not answer soon has finished nothing.
        """
        whole = (found.recorded for found in self.runs_alike(trial) if not found.lacking)
        return next(filter(accept, whole), None)

    def runs_alike(self, trial: Trial) -> list[SameMetrics]:
        """Return the finished trials that differ in their diagnostics alone; see `finished`."""

        def search() -> list[SameMetrics]:
            experiments = {*self._find_experiments(), *self._own_experiment()}
            return list(trials_of_same_metrics(self.client, sorted(experiments), trial))

        return self._ask(search) if self.has_diagnosed or self.are_there() else []

    def _own_experiment(self) -> tuple[str, ...]:
        return (self.study_run.experiment_id,) if self.has_diagnosed else ()

    def are_there(self) -> bool:
        """Return whether there are other studies, or other scales of this one, as far as known."""
        return bool(self._ask(self._find_experiments))

    def _ask(self, question: Callable[[], list[Answer]]) -> list[Answer]:
        """Return the server's answer; an empty one from a server that does not answer soon."""
        if self._asking.is_alive():
            return []
        found: list[Answer] = []
        ask = threading.Thread(target=lambda: found.extend(_told(question)), daemon=True)
        ask.start()
        ask.join(ANSWER_SECONDS)
        self._asking = ask
        return list(found)

    def finished_among(self, trials: Iterable[Trial]) -> dict[str, list[SameMetrics]]:
        """Return all runs in which these trials are finished, whatever their diagnostics, by key.

        With so many trials that the server takes long, the last ones are not looked up.
        """
        deadline = time.monotonic() + FORESIGHT_SECONDS
        found: dict[str, list[SameMetrics]] = {}
        for trial in trials:
            if time.monotonic() > deadline or self._asking.is_alive():
                break
            equal = [SameMetrics(run, ()) for run in self.runs_of(trial.key)]
            if runs := [*equal, *self.runs_alike(trial)]:
                found[trial.key] = runs
        return found

    def _search(self, key: str) -> list[RecordedTrial]:
        tags = with_tags({ROLE: TRIAL_ROLE, TRIAL_KEY: key})
        others = self._find_experiments()
        where = f"{tags} and attributes.status = 'FINISHED'"
        found = self.client.search_runs(others, where) if others else []
        elsewhere = [run for run in found if run.data.tags.get(PARENT_RUN) != self.study_run.run_id]
        return [trial for trial in map(recorded_trial, elsewhere) if trial.is_finished]

    def _find_experiments(self) -> list[str]:
        """Return the experiments with other studies, or other scales of this one.

        They are looked up now and then, since every trial asks: a study that has a server to
        itself asks no more.
        """
        if time.monotonic() - self._looked_up > OTHERS_SECONDS:
            everywhere = [str(e.experiment_id) for e in search_all_experiments(self.client)]
            parents = search_all_runs(self.client, everywhere, with_tags({ROLE: STUDY_ROLE}))
            self._experiments = sorted(
                {
                    run.info.experiment_id
                    for run in parents
                    if run.info.run_id != self.study_run.run_id
                }
            )
            self._looked_up = time.monotonic()
        return self._experiments
