"""Trials that other studies on the same tracking server have finished.

Of trials that differ in their diagnostics alone the study's own are found too: the study may have
asked for other diagnostics before.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from mlflow.entities import Run

from analysis.record.client import search_all_experiments, search_all_runs, with_tags
from analysis.record.names import PARENT_RUN, ROLE, STUDY_ROLE, TRIAL_KEY, TRIAL_ROLE
from study.record.finished_index import FinishedIndex
from study.record.same_metrics import (
    SameMetrics,
    keys_of,
    metrics_key,
    same_metrics,
    same_metrics_filter,
)
from study.record.study_run import StudyRun
from study.record.trial_runs import recorded_trial
from study.trials import TRAINED_TO_THE_END, RecordedTrial, Trial

log = logging.getLogger(__name__)

ANSWER_SECONDS = 5.0
"""How long a study waits for word of who else has trained a trial; then it trains it itself."""
FORESIGHT_SECONDS = 20.0
"""How long a launch looks, before it begins, for what it will adopt."""
OTHERS_SECONDS = 10.0
"""How long a study that has just appeared on the server may go unnoticed."""
RUNS_A_QUESTION = 100
"""Runs that are asked for by their ids at once."""

Answer = TypeVar("Answer")


def _told(question: Callable[[], list[Answer]]) -> list[Answer]:
    """Return the answer to a question, an empty one if the server has none."""
    try:
        return question()
    except Exception as error:  # whatever it is, it must not end a study
        log.warning("cannot ask what other studies have trained: %s", error)
        return []


def _with_ids(run_ids: Sequence[str]) -> str:
    named = ", ".join(f"'{run_id}'" for run_id in run_ids)
    return f"attributes.run_id IN ({named})"


class OtherStudies:
    """The other studies, and the other scales of this one, on the tracking server."""

    def __init__(self, study_run: StudyRun) -> None:
        """Start with nothing known and nothing asked."""
        self.client = study_run.client
        self.study_run = study_run
        study = study_run.study
        trials = study.configurations * len(study.search.seed_list)
        self.index = FinishedIndex(self._find_experiments, self._search_ended, trials=trials)
        self._asking = threading.Thread()
        """Asks who else has trained a trial; alive while the server owes an answer."""
        self._own: dict[str, list[RecordedTrial]] = {}
        """Trials that the study has trained and no longer holds, by the keys that find them."""
        self._experiments: list[str] = []
        """The experiments that hold other studies, as last looked up."""
        self._looked_up = float("-inf")
        self._looking = threading.Lock()
        """Held while the experiments are looked up; several threads ask for them."""

    def finished(
        self, key: str, accept: Callable[[RecordedTrial], bool] = lambda found: True
    ) -> RecordedTrial | None:
        """Return a trial as another study has finished it, the first one that is accepted.

        A server that does not answer soon has finished nothing: the study goes on without it.
        """
        return next(filter(accept, self.runs_of(key)), None)

    def runs_of(self, key: str) -> list[RecordedTrial]:
        """Return all runs in which other studies have finished a trial; see `finished`.

        The server is not asked for a trial that the fresh index does not know.
        """
        self.index.keep_fresh()
        if self.index.is_fresh and not self.index.run_ids(key):
            return []
        return self._ask(lambda: self._search_key(key))

    def finished_alike(
        self, trial: Trial, accept: Callable[[RecordedTrial], bool] = lambda found: True
    ) -> RecordedTrial | None:
        """Return a finished trial of the same metrics that has the files asked for, if accepted.

        A server that does not answer soon has finished nothing.
        """
        whole = (found.recorded for found in self.runs_alike(trial) if not found.lacking)
        return next(filter(accept, whole), None)

    def know_own(self, trials: Iterable[RecordedTrial]) -> None:
        """Note trials that the study itself has trained and no longer holds."""
        self._own = {}
        for trial in trials:
            if trial.outcome in TRAINED_TO_THE_END:
                for key in keys_of(trial):
                    self._own.setdefault(key, []).append(trial)

    def runs_alike(self, trial: Trial) -> list[SameMetrics]:
        """Return the finished trials that differ in their diagnostics alone; see `finished`."""
        self.index.keep_fresh()
        key = metrics_key(trial)
        own = self._own.get(key, [])
        known = self.index.run_ids(key) if self.index.is_fresh else None

        def search() -> list[SameMetrics]:
            others = [*own, *self._candidates(trial, known)]
            found = (same_metrics(self.client, other, trial) for other in others)
            return [same for same in found if same is not None]

        is_worth_asking = own or (self.are_there() if known is None else known)
        return self._ask(search) if is_worth_asking else []

    def _candidates(self, trial: Trial, known: Sequence[str] | None) -> list[RecordedTrial]:
        """Return runs that may be alike: those the index knows or, without it, all by settings."""
        if known is None:
            where = same_metrics_filter(trial)
        elif known:
            where = _with_ids(known)
        else:
            return []
        experiments = self._find_experiments()
        runs = self._search_finished(where, experiments) if experiments else ()
        return [recorded_trial(run) for run in runs]

    def are_there(self) -> bool:
        """Return whether there are other studies, or other scales of this one, as far as known."""
        return bool(self._ask(self._find_experiments))

    def close(self) -> None:
        """Read no more of what other studies finish."""
        self.index.stop()

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

    def finished_among(self, keys: Iterable[str]) -> dict[str, list[RecordedTrial]]:
        """Return all runs in which other studies have finished these trials, by key.

        With so many trials that the server takes long, the last ones are not looked up.
        """
        wanted = set(keys)
        deadline = time.monotonic() + FORESIGHT_SECONDS
        found: dict[str, list[RecordedTrial]] = {}
        for question in self._questions_on(sorted(wanted)):
            if time.monotonic() > deadline or self._asking.is_alive():
                break
            for trial in self._ask(question):
                if trial.key in wanted:
                    found.setdefault(trial.key, []).append(trial)
        return found

    def alike_among(self, trials: Iterable[Trial]) -> dict[str, list[SameMetrics]]:
        """Return the runs that differ from these trials in diagnostics alone, by the trials' keys.

        With so many trials that the server takes long, the last ones are not looked up.
        """
        deadline = time.monotonic() + FORESIGHT_SECONDS
        found: dict[str, list[SameMetrics]] = {}
        for trial in trials:
            if time.monotonic() > deadline or self._asking.is_alive():
                break
            if alike := self.runs_alike(trial):
                found[trial.key] = alike
        return found

    def _questions_on(self, keys: list[str]) -> Iterator[Callable[[], list[RecordedTrial]]]:
        """Yield the questions that tell who has finished trials: few where the index can help."""
        self.index.keep_fresh()
        if not self.index.wait_until_fresh(FORESIGHT_SECONDS):
            for key in keys:
                yield partial(self._search_key, key)
            return
        run_ids = [run_id for key in keys for run_id in self.index.run_ids(key)]
        for start in range(0, len(run_ids), RUNS_A_QUESTION):
            yield partial(self._read_runs, run_ids[start : start + RUNS_A_QUESTION])

    def _search_key(self, key: str) -> list[RecordedTrial]:
        return self._search(with_tags({TRIAL_KEY: key}), self._find_experiments())

    def _read_runs(self, run_ids: Sequence[str]) -> list[RecordedTrial]:
        return self._search(_with_ids(run_ids), self._find_experiments())

    def _search(self, where: str, experiments: Sequence[str]) -> list[RecordedTrial]:
        runs = self._search_finished(where, experiments) if experiments else ()
        return [trial for trial in map(recorded_trial, runs) if trial.is_finished]

    def _search_ended(self, experiments: Sequence[str], since: int) -> Iterator[Run]:
        return self._search_finished(f"attributes.end_time >= {since}", experiments)

    def _search_finished(self, where: str, experiments: Sequence[str]) -> Iterator[Run]:
        """Yield the runs of other studies' finished trials in experiments, as far as they match."""
        own = self.study_run.run_id
        finished = f"{with_tags({ROLE: TRIAL_ROLE})} and attributes.status = 'FINISHED'"
        others = f" and tags.`{PARENT_RUN}` != '{own}'" if own else ""
        return search_all_runs(self.client, experiments, f"{where} and {finished}{others}")

    def _find_experiments(self) -> list[str]:
        """Return the experiments with other studies, or other scales of this one.

        They are looked up now and then, since every trial asks: a study that has a server to
        itself asks no more.
        """
        with self._looking:
            if time.monotonic() - self._looked_up > OTHERS_SECONDS:
                self._experiments = self._look_for_experiments()
                self._looked_up = time.monotonic()
            return self._experiments

    def _look_for_experiments(self) -> list[str]:
        everywhere = [str(e.experiment_id) for e in search_all_experiments(self.client)]
        parents = search_all_runs(self.client, everywhere, with_tags({ROLE: STUDY_ROLE}))
        others = (run for run in parents if run.info.run_id != self.study_run.run_id)
        return sorted({run.info.experiment_id for run in others})
