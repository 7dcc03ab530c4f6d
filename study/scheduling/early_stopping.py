"""When a configuration is stopped early: which of its seeds a rung is judged by.

The rule itself (ASHA, median, HyperBand) is the search's; this module says what the rule is shown.
It is shown the mean over all seeds that judge the configuration, once all of them have reached the
epoch: no lucky seed decides, and a study that was interrupted shows the same means as one that was
not. So that a rung is judged before its seeds are trained to their ends, seeds wait for each other
at rungs where they cannot run side by side: a trial that is at a rung before the others gives its
place to them.
"""

import statistics
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import takewhile

from analysis.record.names import DIVERGED
from study.file.resolved import ResolvedStudy
from study.file.settings import EarlyStopping, Median
from study.scheduling.protocols import RecordLike, SearchLike
from study.scheduling.study_trials import StudyTrials
from study.trials import ConfigurationTrials, RecordedTrial, Trial
from trainables.metrics import course_metric, has_diverged, judged_value

MEDIAN_GROWTH = 2
"""The median rule judges every epoch; seeds wait for each other at each doubling of the epochs."""


class RungWatch:
    """Follows trials from rung to rung, and sees which configurations are to be stopped."""

    def __init__(
        self, study: ResolvedStudy, known: StudyTrials, search: SearchLike, record: RecordLike
    ) -> None:
        """Prepare.

        Args:
            study: whose early stopping; where there is none, nothing is followed.
            known: which configurations hold a trial.
            search: decides which configurations are stopped.
            record: has the epochs of earlier launches.
        """
        self.rule = study.search.early_stopping
        self.objective = study.search.objectives[0]
        self.known = known
        self.search = search
        self.record = record

    def recall_course(self, trial: Trial, recorded: RecordedTrial) -> None:
        """Read the epochs of a trial on record, where early stopping will go by them."""
        if self.rule is not None:
            trial.course.update(self.record.course(recorded, course_metric(self.objective)))

    def follow(self, trial: Trial) -> Iterator[ConfigurationTrials]:
        """Show the search the epochs of a trial; yield each configuration that it stops."""
        if self.rule is not None:
            note_course(trial, self.objective)
        if not self.may_stop(trial):
            return
        for holder in self.known.holders_of(trial):
            if not holder.is_judged and is_to_stop(holder, self.search, self.objective):
                yield holder

    def may_stop(self, trial: Trial) -> bool:
        """Return whether a trial under way can be stopped early; a diverged one ends by itself."""
        return self.rule is not None and not has_diverged(trial.history)

    def laggards_of(self, trial: Trial) -> list[Trial]:
        """Return the trials that a trial at or past a rung should wait for, in order."""
        rungs = rungs_of(self.rule, trial.epochs)
        holders = self.known.holders_of(trial)
        return [other for holder in holders for other in laggards_of(trial, holder, rungs)]


def rungs_of(rule: EarlyStopping | None, epochs: int) -> list[int]:
    """Return the epochs at which the seeds of a configuration wait for each other.

    Args:
        rule: of early stopping; None has no rungs.
        epochs: of the trial; the last is no rung.
    """
    if rule is None:
        return []
    growth = MEDIAN_GROWTH if isinstance(rule, Median) else rule.reduction_factor
    powers = (rule.grace_period * growth**k for k in range(epochs.bit_length() + 1))
    return list(takewhile(lambda epoch: epoch < epochs, powers))


def in_rung_order(trials: Sequence[Trial], rule: EarlyStopping | None) -> list[Trial]:
    """Return trials of one configuration with those first that have reached the fewest rungs.

    A launch that goes on with them then trains them in the order of one that was not interrupted.
    """
    return sorted(trials, key=lambda t: bisect_right(rungs_of(rule, t.epochs), t.reached))


def note_course(trial: Trial, objective: str) -> None:
    """Add the epochs that a trial has trained to its course."""
    name = course_metric(objective)
    trial.course.update({epoch.epoch: getattr(epoch, name) for epoch in trial.history})


def is_to_stop(configuration: ConfigurationTrials, search: SearchLike, objective: str) -> bool:
    """Report the means that are new to the search; return whether it stops the configuration.

    An epoch is reported once every judging seed has reached it. The last epoch is not reported:
    what is trained to its end is judged by its result.

    Args:
        configuration: whose trials are under way.
        search: is shown the means.
        objective: the study's; what epochs measure of it is what early stopping goes by.
    """
    judging = configuration.judging_trials
    reached = min(trial.reached for trial in judging)
    last = max(trial.epochs for trial in judging)
    while configuration.reported < min(reached, last - 1):
        configuration.reported += 1
        values = [_value_at(trial, configuration.reported, objective) for trial in judging]
        known = [value for value in values if value is not None]
        if len(known) < len(values):  # an older version trained this epoch
            continue
        if search.report(configuration.number, configuration.reported, statistics.fmean(known)):
            return True
    return False


def _value_at(trial: Trial, epoch: int, objective: str) -> float | None:
    value = trial.course.get(epoch)
    if value is None and trial.outcome == DIVERGED:  # it has no such epoch any more
        return judged_value(course_metric(objective), float("nan"), diverged=True)
    return value


def laggards_of(trial: Trial, configuration: ConfigurationTrials, rungs: list[int]) -> list[Trial]:
    """Return the trials that a trial at or past a rung should wait for, in order.

    They are the seeds that judge the same configuration, are not under way, and have not reached
    the rung.

    Args:
        trial: under way.
        configuration: one that holds it.
        rungs: of the trial.
    """
    if configuration.is_judged or trial not in configuration.judging_trials:
        return []
    rung = max((epoch for epoch in rungs if epoch <= trial.reached), default=0)
    return [
        other
        for other in configuration.judging_trials
        if other.state in ("todo", "assigned") and other.reached < rung
    ]
