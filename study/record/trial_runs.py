"""The runs of a study's trials: which run belongs to a trial, and what that run holds so far.

What is known here is known by the trial's key, so that several writers may each take the trials of
their own.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from mlflow.entities import Metric, Param, RunTag

from analysis.record.client import search_all_runs, with_tags
from analysis.record.duplicates import SortedRuns, oldest_first, sort_runs
from analysis.record.names import (
    FAILURE,
    MISSING_DIAGNOSTICS,
    OUTCOME,
    PARENT_RUN,
    POINT,
    RETIRED,
    ROLE,
    SCALE,
    TRIAL_KEY,
    TRIAL_ROLE,
)
from analysis.record.values import flag_text, is_flag
from analysis.record.whole_runs import WholeRun, find_whole_runs
from study.record.batches import RunBatch
from study.record.study_run import StudyRun, put_away, run_tags, ui_tags
from study.trials import RecordedTrial

NAMED = 3
"""Runs that a sentence names."""


class TrialRuns:
    """The runs below a study's run, one per trial."""

    def __init__(self, study_run: StudyRun) -> None:
        """Start with nothing known."""
        self.client = study_run.client
        self.study_run = study_run
        self.scale = study_run.study.scale
        self.with_device: set[str] = set()
        """Keys of trials whose device this process has recorded."""
        self._run_ids: dict[str, str] = {}
        self._in_doubt: set[str] = set()
        """Trials whose run may have been made by a request that failed on its way back."""
        self._last_epochs: dict[str, dict[str, int]] = {}
        self._gathered: dict[str, RunBatch] = {}
        """What waits to be written of trials whose entries are written together."""
        self._read: SortedRuns[WholeRun] | None = None
        """All runs as last read, until something is written: thousands take seconds."""

    @property
    def experiment_id(self) -> str:
        """The study's experiment."""
        return self.study_run.experiment_id

    @property
    def parent_id(self) -> str:
        """The study's own run; empty while there is none."""
        return self.study_run.run_id

    def trials(self) -> dict[str, RecordedTrial]:
        """Return all trials of the study by key, whatever became of them."""
        return {trial.key: trial for trial in map(recorded_trial, self._sorted().kept)}

    def _sorted(self) -> SortedRuns[WholeRun]:
        if self._read is None:
            self._read = sort_runs(self._search())
        return self._read

    def _search(self) -> list[WholeRun]:
        if not self.experiment_id:
            return []
        return find_whole_runs(self.client, self.experiment_id, self._own_tags())

    def _own_tags(self) -> dict[str, str]:
        """Return the tags that all runs of the study's trials have."""
        return {ROLE: TRIAL_ROLE, SCALE: self.scale}

    def known_runs(self) -> list[WholeRun] | None:
        """Return one run per trial, the oldest first; None if some were written since last read.

        Reading the runs of thousands of trials takes seconds, which a launch that finds nothing to
        do needs once.
        """
        if self._read is None:
            return None
        return oldest_first(self._read.kept)

    def forget_trials(self) -> None:
        """Have `trials` read the record again, since it changes."""
        self._read = None

    def note_runs(self) -> None:
        """Note the runs that earlier launches made."""
        self._run_ids = {key: trial.run_id for key, trial in self.trials().items()}

    def settle(self) -> list[str]:
        """Have each trial one run, below the study's run; return what was found, in sentences.

        Runs below another parent are left of a study's run that was deleted, or that two launches
        have made.
        """
        found = self._sorted()
        orphans = [run for run in found.kept if run.data.tags.get(PARENT_RUN) != self.parent_id]
        if orphans:
            self.study_run.create_missing()
        for run in orphans:
            self.client.set_tag(run.info.run_id, PARENT_RUN, self.parent_id)
        for run, kept in found.superseded:
            put_away(self.client, run, kept.info.run_id)
        if orphans or found.superseded:
            self.forget_trials()
        damaged = [trial for trial in self.trials().values() if is_point_damaged(trial)]
        return [
            *_sentences(orphans, "taken up: it belonged to another run of this study, or to none"),
            *_sentences(
                [run for run, _ in found.superseded],
                "deleted, for its trial has another one (MLflow can restore it)",
            ),
            *_sentences(found.keyless, f"left out: it has no tag `{TRIAL_KEY}`"),
            *(
                f"The tag `{POINT}` of run {trial.run_id} is damaged and is left out."
                for trial in damaged
            ),
        ]

    def end_running(self) -> None:
        """End the runs that a dead process has left running; these trials are cut off."""
        if not self.experiment_id:
            return
        where = f"{with_tags(self._own_tags())} and attributes.status = 'RUNNING'"
        running = [*search_all_runs(self.client, [self.experiment_id], where)]
        if running:
            self.forget_trials()
        for run in running:
            self.client.set_terminated(run.info.run_id, "KILLED")

    def create(self, key: str, *, name: str, start: int, tags: Mapping[str, str]) -> str:
        """Make the run of a trial and return its id.

        Args:
            key: the trial's.
            name: what people call the trial.
            start: when the trial began, in milliseconds since 1970.
            tags: beside those that tie the run to trial and study.
        """
        own = {
            ROLE: TRIAL_ROLE,
            SCALE: self.scale,
            TRIAL_KEY: key,
            PARENT_RUN: self.parent_id,
            **ui_tags(self.study_run.study.source, tags),
            **tags,
        }
        self._in_doubt.add(key)
        run = self.client.create_run(self.experiment_id, start_time=start, tags=own, run_name=name)
        self._in_doubt.remove(key)
        run_id: str = run.info.run_id
        self._run_ids[key], self._last_epochs[key] = run_id, {}
        return run_id

    @contextmanager
    def gathering(self, key: str) -> Iterator[None]:
        """Have what is logged of a trial meanwhile go in few requests, the last one at the end.

        After an error it is unknown what has been written, so that the record is asked again.
        """
        batch = self._gathered[key] = RunBatch(self.client)
        try:
            yield
            batch.flush()
        except BaseException:
            self._last_epochs.pop(key, None)
            self.with_device.discard(key)
            raise
        finally:
            del self._gathered[key]

    def log(
        self,
        key: str,
        run_id: str,
        *,
        params: Sequence[Param] = (),
        metrics: Sequence[Metric] = (),
        tags: Sequence[RunTag] = (),
    ) -> None:
        """Write to a run of a trial, at once or with what is gathered of the trial."""
        if key in self._gathered:
            self._gathered[key].add(run_id, params=params, metrics=metrics, tags=tags)
        else:
            self.client.log_batch(run_id, params=params, metrics=metrics, tags=tags)

    def end(self, key: str, status: str, time: int) -> None:
        """End the run of a trial, once all is written that is gathered.

        Args:
            key: the trial's.
            status: as MLflow calls it.
            time: in milliseconds since 1970.
        """
        if key in self._gathered:
            self._gathered[key].flush()
        self.client.set_terminated(self.run_id(key), status, time)

    def is_finished_since(self, run_id: str, time: int) -> bool:
        """Return whether a run was trained to its end at a time, or later.

        Whatever else is to be written of the time before comes from a launch that was cut off
        while another launch finished the trial.

        Args:
            run_id: of the run.
            time: in milliseconds since 1970.
        """
        run = self.client.get_run(run_id)
        return recorded_trial(run).is_finished and (run.info.end_time or 0) >= time

    def reopen(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Mark a run as running again, without what is said of the attempt before."""
        known = self.client.get_run(run_id).data.tags
        for tag in known.keys() & {OUTCOME, FAILURE, MISSING_DIAGNOSTICS}:
            self.client.delete_tag(run_id, tag)
        self.client.update_run(run_id, status="RUNNING")
        restored = {RETIRED: flag_text(False)} if RETIRED in known else {}
        self.client.log_batch(run_id, tags=run_tags({**tags, **restored}))

    def restore(self, run_id: str) -> None:
        """Have a retired run belong to the study again."""
        if is_flag(self.client.get_run(run_id).data.tags.get(RETIRED)):
            self.client.set_tag(run_id, RETIRED, flag_text(False))

    def find_run_id(self, key: str) -> str | None:
        """Return the run of a trial, or None if it has none yet."""
        if key not in self._run_ids and key in self._in_doubt:
            where = with_tags({ROLE: TRIAL_ROLE, PARENT_RUN: self.parent_id, TRIAL_KEY: key})
            found = self.client.search_runs([self.experiment_id], where, max_results=1)
            if found:
                self._run_ids[key] = found[0].info.run_id
        return self._run_ids.get(key)

    def forget_run(self, key: str, run_id: str) -> None:
        """Forget a run that is no longer the trial's, so that the trial gets a new one."""
        if self._run_ids.get(key) == run_id:
            del self._run_ids[key]
            self._last_epochs.pop(key, None)
            self.with_device.discard(key)

    def run_id(self, key: str) -> str:
        """Return the run of a trial that was begun."""
        run_id = self.find_run_id(key)
        assert run_id is not None, f"trial {key} was never begun"
        return run_id

    def last_epoch(self, key: str, metric: str) -> int:
        """Return the last epoch at which a trial's metric is on record, 0 if there is none."""
        return self._last_epochs_of(key).get(metric, 0)

    def note_epoch(self, key: str, epoch: int, metrics: Iterable[str]) -> None:
        """Note that these metrics of a trial are on record up to an epoch."""
        self._last_epochs_of(key).update(dict.fromkeys(metrics, epoch))

    def _last_epochs_of(self, key: str) -> dict[str, int]:
        """Return the last epoch on record by metric; an older version measured fewer."""
        if key not in self._last_epochs:
            last = self.client.get_run(self.run_id(key)).data.to_proto().metrics
            self._last_epochs[key] = {metric.key: metric.step for metric in last}
        return self._last_epochs[key]


def is_point_damaged(trial: RecordedTrial) -> bool:
    """Return whether the tag that holds the trial's point cannot be read."""
    return POINT in trial.tags and trial.point is None


def _sentences(runs: Sequence[WholeRun], what: str) -> list[str]:
    """Return a sentence on some runs; the first few are named."""
    if len(runs) < 2:
        return [f"Run {run.info.run_id} is {what}." for run in runs]
    named = ", ".join(run.info.run_id for run in runs[:NAMED])
    more = f" and {len(runs) - NAMED} more" if len(runs) > NAMED else ""
    return [f"{len(runs)} runs, {named}{more}: each is {what}."]


def recorded_trial(run: WholeRun) -> RecordedTrial:
    """Return the trial of a run."""
    return RecordedTrial(
        run_id=run.info.run_id,
        key=run.data.tags[TRIAL_KEY],
        status=run.info.status,
        outcome=run.data.tags.get(OUTCOME),
        metrics=run.data.metrics,
        tags=run.data.tags,
        params=run.data.params,
    )
