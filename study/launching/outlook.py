"""What can be learnt for a budget: how many trials fit, and which differences they would show."""

import math
from itertools import accumulate

import numpy as np

from analysis.counted import count_text
from analysis.statistics.prediction import (
    SeedSpread,
    pooled_spread,
    smallest_difference,
    spread_of_differences,
)
from study.file.evidence import LaunchBudget
from study.launching.estimate import RAY_SECONDS, PlannedWork
from study.scheduling.scheduler import StudyScheduler
from trainables.metrics import PERCENT, description_of

SEED_CHOICES = (3, 5, 10)
"""Numbers of seeds that are compared, beside the study's own."""


def budget_lines(
    scheduler: StudyScheduler, budget: LaunchBudget, work: PlannedWork
) -> list[tuple[str, str]]:
    """Return label and text of what can be learnt for a budget.

    Args:
        scheduler: reconciled with the record.
        budget: of one launch.
        work: of all trials to do, in order.
    """
    fitting, planned = fitting_trials(budget, work), len(work.seconds)
    said = {0: "none", planned: "all"}.get(fitting, f"about {fitting:,}")
    lines = [
        (
            "budget",
            f"{said} of the {count_text(planned, 'trial')} to do fit, of {_epochs(scheduler)}",
        )
    ]
    done = sum(trial.state == "done" for trial in scheduler.trials.values())
    total = done + fitting
    own = scheduler.study.search.judging_seeds
    choices = sorted({own, *SEED_CHOICES})
    designs = [(total // seeds, seeds) for seeds in choices if total // seeds >= 2]
    if not designs:
        return [*lines, ("can be learnt", "nothing: two configurations need two seeds each")]
    spread = _spread_of_record(scheduler)
    if not math.isfinite(spread.sd):
        text = "no spread is on record yet; two configurations with three seeds each show one"
        return [*lines, *_design_lines(scheduler, designs, None), ("spread", text)]
    objective = scheduler.study.search.objectives[0]
    unit = " points" if description_of(objective).unit == PERCENT else ""
    text = (
        f"two configurations' {objective} differ from seed to seed by {spread.sd:.3g}{unit} "
        "(standard deviation, on record)"
    )
    return [*lines, *_design_lines(scheduler, designs, spread), ("spread", text)]


def fitting_trials(budget: LaunchBudget, work: PlannedWork) -> int:
    """Return how many of the trials to do fit into a budget, in their order."""
    wall = accumulate(s / n for s, n in zip(work.seconds, work.beside, strict=True))
    gpus = accumulate(s * share for s, share in zip(work.seconds, work.shares, strict=True))
    hours = math.inf if budget.hours is None else budget.hours
    gpu_hours = math.inf if budget.gpu_hours is None else budget.gpu_hours
    fitting = sum(
        RAY_SECONDS + seconds <= hours * 3600 and gpu_seconds <= gpu_hours * 3600
        for seconds, gpu_seconds in zip(wall, gpus, strict=True)
    )
    return min(fitting, fitting if budget.trials is None else budget.trials)


def _design_lines(
    scheduler: StudyScheduler, designs: list[tuple[int, int]], spread: SeedSpread | None
) -> list[tuple[str, str]]:
    objective = scheduler.study.search.objectives[0]
    unit = " points" if description_of(objective).unit == PERCENT else ""
    lines: list[tuple[str, str]] = []
    for configurations, seeds in designs:
        text = f"{count_text(configurations, 'configuration')} x {count_text(seeds, 'seed')}"
        if spread is not None:
            told = smallest_difference(spread.sd, seeds)
            text += f": a difference of {told:.3g}{unit} is told apart with probability .8"
        lines.append(("can be learnt" if not lines else "or", text))
    return lines


def _epochs(scheduler: StudyScheduler) -> str:
    lengths = sorted({corner.training.epochs for corner in scheduler.study.extremes()})
    return f"{' or '.join(map(str, lengths))} epoch{'' if lengths == [1] else 's'}"


def _spread_of_record(scheduler: StudyScheduler) -> SeedSpread:
    """Return the spread of the differences between two configurations, seed by seed."""
    seeds = scheduler.study.search.seed_list
    rows = [
        [trial.values[0] if trial.values else math.nan for trial in configuration.trials]
        for configuration in scheduler.configurations
    ]
    errors = np.array(rows, dtype=np.float64).reshape(len(rows), len(seeds))
    errors[~np.isfinite(errors)] = np.nan
    spread = spread_of_differences(errors) if len(errors) > 1 else pooled_spread(errors)
    if math.isfinite(spread.sd) and len(errors) > 1:
        return spread
    pooled = pooled_spread(errors)
    return SeedSpread(math.sqrt(2) * pooled.sd, pooled.df)
