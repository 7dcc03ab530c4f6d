"""What the trials to do will take, in numbers, from what one trial of each kind costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from study.launching.trial_costs import TrialCost, slots_here
from study.scheduling.nodes import StudyPlace, room_for
from study.scheduling.scheduler import StudyScheduler
from study.trials import CostClass, Trial, cost_class
from trainables.configuration import Configuration

RAY_SECONDS = 15.0
"""What starting a local Ray and its first trials takes, about; on a loaded machine it is twice."""
TRIAL_SECONDS = 0.3
"""What a trial costs beside its epochs, on a warm actor."""


@dataclass(frozen=True)
class PlannedWork:
    """What each trial to do takes, in the order in which they are begun."""

    seconds: list[float]
    shares: list[float]
    """Of a GPU."""
    beside: list[int]
    """How many trials like it run side by side."""


def planned_work(
    scheduler: StudyScheduler,
    todo: Sequence[Trial],
    configurations: Sequence[Configuration],
    costs: Mapping[CostClass, TrialCost],
    place: StudyPlace,
) -> PlannedWork:
    """Return what each trial to do takes; arguments as for `estimate_study`."""
    cpus = scheduler.study.resources.cpus
    done_epochs = [len(trial.history) for trial in todo]
    done_epochs += [0] * (len(configurations) - len(todo))
    seconds = [
        costs[cost_class(c)].epoch_seconds * (c.training.epochs - done) + TRIAL_SECONDS
        for c, done in zip(configurations, done_epochs, strict=True)
    ]
    shares = [scheduler.shares.share_of(cost_class(c)) for c in configurations]
    rooms = {s: room_for(place.nodes, cpus, s) or slots_here(cpus, s) for s in set(shares)}
    return PlannedWork(seconds, shares, [min(rooms[s], len(configurations)) for s in shares])


@dataclass(frozen=True)
class StudyEstimate:
    """What the trials to do will take, in numbers."""

    wall_seconds: float | None
    """None where no node has room for a trial: a launch there is refused."""
    work_hours: float
    """Of whole GPUs or CPUs, summed over the trials."""
    unit: Literal["GPU", "CPU"]
    side_by_side: tuple[int, ...]
    """How many trials run at once; several numbers where kinds of trials have other shares, none
    where no node has room for a trial."""
    memory_mb: float | None
    """Of a trial, at its peak; 2^20 bytes."""
    basis: tuple[str, ...]
    """Where the figures come from."""


def estimate_study(
    scheduler: StudyScheduler,
    todo: Sequence[Trial],
    configurations: Sequence[Configuration],
    costs: Mapping[CostClass, TrialCost],
    place: StudyPlace,
) -> StudyEstimate:
    """Return what the trials to do will take.

    Args:
        scheduler: reconciled with the record.
        todo: the trials to do of the configurations that are chosen already.
        configurations: of all trials to do, those of `todo` first.
        costs: of each of their cost classes.
        place: what the study would run on.
    """
    cpus = scheduler.study.resources.cpus
    work = planned_work(scheduler, todo, configurations, costs, place)
    has_room = all(room_for(place.nodes, cpus, share) for share in set(work.shares))
    works, shares, beside = work.seconds, work.shares, work.beside
    longest = max(costs[cost_class(c)].epoch_seconds * c.training.epochs for c in configurations)
    start = RAY_SECONDS + max(cost.start_seconds for cost in costs.values())
    wall = start + max(sum(w / n for w, n in zip(works, beside, strict=True)), longest)
    gpu = max(shares) > 0 and torch.cuda.is_available()
    peaks = [cost.memory_mb for cost in costs.values() if cost.memory_mb is not None]
    return StudyEstimate(
        wall_seconds=wall if has_room else None,
        work_hours=sum(w * (s if gpu else cpus) for w, s in zip(works, shares, strict=True)) / 3600,
        unit="GPU" if gpu else "CPU",
        side_by_side=tuple(sorted(set(beside))) if has_room else (),
        memory_mb=max(peaks, default=None),
        basis=tuple(dict.fromkeys(cost.basis for cost in costs.values())),
    )
