"""How a trial leaves its actor: ended for good, cut off, or taken back to be tried again.

An end goes on record, may judge the configurations that hold the trial, and is looked at.
"""

from analysis.record.names import COMPLETED, DIVERGED, FAILED, STOPPED_EARLY, Outcome
from study.scheduling.budget import BudgetMeter
from study.scheduling.judging import ConfigurationJudge
from study.scheduling.protocols import RecordLike
from study.scheduling.study_looks import StudyLooks
from study.scheduling.trial_queue import TrialQueue
from study.trials import Trial
from trainables.metrics import TrialSummary, has_diverged, summarise_trial


class TrialEnds:
    """Changes the state of trials that are under way no more."""

    def __init__(
        self,
        record: RecordLike,
        meter: BudgetMeter,
        *,
        queue: TrialQueue,
        judge: ConfigurationJudge,
        looks: StudyLooks,
    ) -> None:
        """Take the parts that hear of an end.

        Args:
            record: takes how a trial ended.
            meter: counts what the trial took.
            queue: gets back what is not done.
            judge: judges the configurations of a trial that is done.
            looks: sees what follows.
        """
        self.record = record
        self.meter = meter
        self.queue = queue
        self.judge = judge
        self.looks = looks
        self.known = judge.known

    def take_back(self, trial: Trial, *, last: bool = False) -> None:
        """Take back a trial that was handed out: it is the next to be tried, or the last."""
        trial.state = "todo"
        self.meter.note_at_rest(trial)
        self.queue.put_back(trial, last=last)

    def interrupt(self, trial: Trial) -> None:
        """Cut a trial off; a later launch goes on with it."""
        trial.state, trial.cut_off = "todo", True
        self._note_at_rest(trial)
        self.record.interrupt(trial.key)

    def complete(self, trial: Trial) -> None:
        """End a trial that was trained to its end, or stopped early, or has diverged."""
        summary = summarise_trial(trial.history) if trial.history else None
        if has_diverged(trial.history):
            self._end_trial(trial, DIVERGED, summary)
        elif len(trial.history) >= trial.epochs:
            self._end_trial(trial, COMPLETED, summary)
        else:
            self._end_trial(trial, STOPPED_EARLY, summary)

    def fail(self, trial: Trial) -> None:
        """End a trial whose attempts have failed."""
        self._end_trial(trial, FAILED, None, failure=trial.failures[-1])

    def end_if_stopped(self, trial: Trial) -> bool:
        """End a trial if its configuration was stopped early meanwhile; return whether it was."""
        if not self.known.is_stopped_early(trial):
            return False
        self._end_trial(trial, STOPPED_EARLY, None)
        return True

    def _end_trial(
        self, trial: Trial, outcome: Outcome, summary: TrialSummary | None, *, failure: str = ""
    ) -> None:
        trial.outcome = outcome
        trial.state, trial.cut_off = "done", False
        self._note_at_rest(trial)
        if outcome != FAILED:
            self.meter.note_success()
        if summary is not None:
            self.known.note_measured(trial, summary)
        self.record.end(trial.key, outcome, summary, failure=failure)
        self.judge.judge_holders(trial)
        self.judge.drop_histories(trial)
        self.looks.take_look()

    def _note_at_rest(self, trial: Trial) -> None:
        self.queue.active.discard(trial)
        self.meter.note_at_rest(trial)
