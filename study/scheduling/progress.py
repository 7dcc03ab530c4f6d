"""How far a study is, counted in trials."""

from study.scheduling.scheduler import StudyScheduler
from study.trials import ConfigurationTrials, Trial


def trial_counts(scheduler: StudyScheduler) -> tuple[int, int]:
    """Return how many trials are done and how many there are to be.

    In a race these are the trials that are wanted as far as it is decided.
    """
    seeds = scheduler.study.search.judging_seeds
    unasked = scheduler.study.configurations - len(scheduler.configurations)
    done = sum(
        is_settled(trial, configuration)
        for configuration in scheduler.configurations
        for trial in configuration.wanted_trials
    )
    asked = sum(len(configuration.wanted_trials) for configuration in scheduler.configurations)
    return done, asked + unasked * seeds


def is_settled(trial: Trial, configuration: ConfigurationTrials) -> bool:
    """Return whether nothing more is to be done for the trial."""
    stopped = configuration.judgement.state == "pruned"
    return trial.state == "done" or (stopped and trial.state == "todo")


def describe_left(scheduler: StudyScheduler) -> str:
    """Return in words what an unfinished study still lacks."""
    done, total = trial_counts(scheduler)
    cut_off = sum(trial.cut_off for trial in scheduler.trials.values())
    begun = f", {cut_off} of them cut off" if cut_off else ""
    return f"{done} of {total} trials are done; {total - done} are left{begun}."


def describe_spent(scheduler: StudyScheduler) -> str:
    """Return in words how the budget ends an unfinished launch, or nothing."""
    ends = scheduler.stopping and not scheduler.is_finished
    return scheduler.meter.describe_spent() if ends else ""
