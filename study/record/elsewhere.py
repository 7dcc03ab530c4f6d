"""Trials that other studies on the same tracking server have finished."""

import logging
import threading
import time

from analysis.record.client import search_all_experiments, search_all_runs, with_tags
from analysis.record.names import PARENT_RUN, ROLE, STUDY_ROLE, TRIAL_KEY
from study.record.study_run import StudyRun
from study.record.trial_runs import recorded_trial
from study.trials import RecordedTrial

log = logging.getLogger(__name__)

ANSWER_SECONDS = 5.0
"""How long a study waits for word of who else has trained a trial; then it trains it itself."""
OTHERS_SECONDS = 10.0
"""How long a study that has just appeared on the server may go unnoticed."""


class OtherStudies:
    """The other studies, and the other scales of this one, on the tracking server."""

    def __init__(self, study_run: StudyRun) -> None:
        """Start with nothing known and nothing asked."""
        self.client = study_run.client
        self.study_run = study_run
        self._asking = threading.Thread()
        """Asks who else has trained a trial; alive while the server owes an answer."""
        self._experiments: list[str] = []
        """The experiments that hold other studies, as last looked up."""
        self._looked_up = float("-inf")

    def finished(self, key: str) -> RecordedTrial | None:
        """Return a trial as another study has finished it, if one has.

        A server that does not answer soon has finished nothing: the study goes on without it.
        """
        if self._asking.is_alive():
            return None
        found: list[RecordedTrial | None] = []
        ask = threading.Thread(target=lambda: found.append(self._search(key)), daemon=True)
        ask.start()
        ask.join(ANSWER_SECONDS)
        self._asking = ask
        return found[0] if found else None

    def _search(self, key: str) -> RecordedTrial | None:
        where = f"{with_tags({TRIAL_KEY: key})} and attributes.status = 'FINISHED'"
        try:
            others = self._find_experiments()
            found = self.client.search_runs(others, where) if others else []
        except Exception as error:  # whatever it is, it must not end a study
            log.warning("cannot ask who else has trained %s: %s", key, error)
            return None
        for run in found:
            trial = recorded_trial(run)
            if run.data.tags.get(PARENT_RUN) != self.study_run.run_id and trial.is_finished:
                return trial
        return None

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
