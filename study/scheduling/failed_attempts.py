"""What becomes of a trial after an attempt that failed: another attempt, or its end."""

from study.scheduling.gpu_shares import GpuShares
from study.scheduling.trial_ends import TrialEnds
from study.trials import Trial

RETRIES = 2
"""How often a trial that failed is begun again, from its checkpoint."""


class FailedAttempts:
    """Counts the failed attempts at trials, and decides which are tried again."""

    def __init__(self, ends: TrialEnds, shares: GpuShares) -> None:
        """Start with no failure.

        Args:
            ends: carries out what is decided.
            shares: of GPUs, told where one was too small.
        """
        self.ends = ends
        self.shares = shares
        self.meter = ends.meter

    def note_failed(self, trial: Trial, failure: str, *, out_of_memory: bool = False) -> bool:
        """Note that an attempt at the trial failed; return whether it is tried again.

        An attempt that a larger share of the GPU may mend is none of those that are counted: the
        share doubles until the trial has a whole GPU.

        Args:
            trial: which.
            failure: the traceback, or what else is known.
            out_of_memory: whether the GPU's memory ran out, which calls for a larger share.
        """
        if self.ends.end_if_stopped(trial):
            return False
        if out_of_memory and 0 < trial.gpus < 1:
            self.shares.note_out_of_memory(trial.cost_class, trial.gpus)
            trial.gpus = min(2 * trial.gpus, 1.0)
            self.ends.take_back(trial)
            return True
        trial.failures.append(failure)
        for_good = len(trial.failures) > RETRIES
        self.meter.note_failure(failure, for_good=for_good)
        if for_good:
            self.ends.fail(trial)
        else:
            self.ends.take_back(trial, last=self.meter.tries_others_first)
        if self.meter.is_hopeless:
            self._end_those_that_failed()
        return trial.state != "done"

    def forgive_failure(self, trial: Trial) -> None:
        """Forget the trial's last failure: its node was lost, as is known only now."""
        if trial.state != "done" and trial.failures:
            self.meter.forgive_failure(trial.failures.pop())

    def _end_those_that_failed(self) -> None:
        """Try none of the waiting trials again that has failed."""
        waiting = self.ends.queue.waiting
        for trial in [trial for trial in waiting if trial.failures]:
            del waiting[trial]
            self.ends.fail(trial)
