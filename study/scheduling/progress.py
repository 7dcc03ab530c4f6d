"""How far a study is, counted in trials."""

from analysis.counted import agreeing, count_text
from study.scheduling.scheduler import StudyScheduler
from study.trials import ConfigurationTrials, Trial
from trainables.metrics import PERCENT, description_of


def trial_counts(scheduler: StudyScheduler) -> tuple[int, int]:
    """Return how many trials are done and how many there are to be.

    In a race these are the trials that are wanted as far as it is decided.
    """
    seeds = scheduler.study.search.judging_seeds
    done = sum(
        is_settled(trial, configuration)
        for configuration in scheduler.configurations
        for trial in configuration.wanted_trials
    )
    asked = sum(len(configuration.wanted_trials) for configuration in scheduler.configurations)
    return done, asked + scheduler.unasked * seeds


def is_settled(trial: Trial, configuration: ConfigurationTrials) -> bool:
    """Return whether nothing more is to be done for the trial."""
    stopped = configuration.judgement.state == "pruned"
    return trial.state == "done" or (stopped and trial.state == "todo")


def describe_left(scheduler: StudyScheduler) -> str:
    """Return in words what an unfinished study still lacks."""
    done, total = trial_counts(scheduler)
    cut_off = sum(trial.cut_off for trial in scheduler.trials.values())
    begun = f", {cut_off} of them cut off" if cut_off else ""
    return (
        f"{done:,} of {count_text(total, 'trial')} {agreeing(done, 'is', 'are')} done; "
        f"{total - done:,} {agreeing(total - done, 'is', 'are')} left{begun}."
    )


def describe_settled(scheduler: StudyScheduler) -> str:
    """Return in words why the search has ended before its last configuration, or nothing."""
    settled = scheduler.looks.settled
    if settled is None:
        return ""
    objective = description_of(scheduler.study.search.objectives[0])
    unit = f" {objective.unit}" if objective.unit and objective.unit != PERCENT else ""
    unit = " points" if objective.unit == PERCENT else unit
    begun = len(scheduler.configurations) - settled.configurations
    beyond = f" {begun} more had begun by then." if begun else ""
    return (
        f"Settled after {count_text(settled.configurations, 'configuration')}: "
        f"{objective.label} may gain at "
        f"most {settled.gain:.3g}{unit} by more of them (by a Gaussian process's bound), less than "
        f"the standard error of a mean over seeds, {settled.noise:.3g}{unit}.{beyond}"
    )


def describe_spent(scheduler: StudyScheduler) -> str:
    """Return in words how the budget ends an unfinished launch, or nothing."""
    ends = scheduler.stopping and not scheduler.is_finished
    return scheduler.meter.describe_spent() if ends else ""
