"""What there is to do and what it will cost, before anything is started."""

import math
import os
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console

from analysis.record.names import ADOPTED_FROM, COMPLETED, DEVICE
from study.file.resolved import ResolvedStudy
from study.file.space import Point
from study.launching.display import duration_text
from study.scheduling import nodes
from study.scheduling.gpu_shares import MEMORY_MARGIN, GpuShares, ShareError, best_count
from study.scheduling.nodes import StudyPlace, room_for, this_machine
from study.scheduling.scheduler import StudyScheduler
from study.trials import (
    ConfigurationTrials,
    CostClass,
    RecordedTrial,
    Trial,
    cost_class,
    describe_point,
)
from trainables import probe
from trainables.configuration import Configuration
from trainables.metrics import EPOCH_SECONDS, PEAK_MEMORY_MB

RAY_SECONDS = 8.0
"""What starting a local Ray takes, about; on a loaded machine it is more."""
TRIAL_SECONDS = 0.3
"""What a trial costs beside its epochs, on a warm actor."""
SPREAD = 0.25
"""Half the width of the range that is given around an estimate."""
SHOWN = 30
"""Configurations listed one by one."""


@dataclass(frozen=True)
class TrialCost:
    """What one trial of a kind takes."""

    epoch_seconds: float
    start_seconds: float
    memory_mb: float | None
    basis: str
    """Where the figures come from."""


def print_plan(
    agenda: StudyScheduler,
    recorded: Mapping[str, RecordedTrial],
    console: Console,
    *,
    upcoming: Sequence[Point],
    data: Path,
    place: StudyPlace,
) -> None:
    """Print the configurations known so far, what is done and to do, where, and an estimate.

    Args:
        agenda: reconciled with the record.
        recorded: the record's trials by key.
        console: where to print.
        upcoming: the configurations that will be chosen next, as far as that is known.
        data: the folder of the data sets.
        place: what the study would run on.
    """
    study = agenda.study
    trials = [trial for plan in agenda.plans for trial in plan.trials]
    unasked = study.configurations - len(agenda.plans)
    todo = [trial for plan in agenda.plans if not plan.judged for trial in plan.trials]
    todo = list(dict.fromkeys(trial for trial in todo if trial.state != "done"))
    seeds = study.search.seed_list
    more = unasked * len(seeds)
    lines = [
        ("configurations", f"{len(agenda.plans)} chosen of {study.configurations}"),
        ("seeds", f"{len(seeds)}: {', '.join(map(str, seeds))}"),
        (
            "trials",
            f"{len(trials) + more}: {sum(t.state == 'done' for t in trials)} done, "
            f"{sum(t.cut_off for t in todo)} cut off, "
            f"{len(todo) + more - sum(t.cut_off for t in todo)} to do",
        ),
        ("nodes", nodes.describe_nodes(place.nodes, study.resources.cpus, *agenda.shares.distinct)),
    ]
    if place.dashboard:
        lines.append(("dashboard", place.dashboard))
    _print_lines(console, lines)
    _print_configurations(agenda.plans, upcoming, console)
    if not todo and not more:
        console.print("Nothing to do: every trial of the study is done.")
        return
    configurations = [t.configuration for t in todo]
    chosen = [study.configuration(point) for point in upcoming] or _stand_ins(study, unasked)
    configurations += [configuration for configuration in chosen for _ in seeds]
    costs = _cost_by_class(configurations, recorded, agenda, data)
    _print_lines(console, _estimate_lines(agenda, todo, configurations, costs, place))


def _stand_ins(study: ResolvedStudy, count: int) -> list[Configuration]:
    """Return configurations in place of those not chosen yet: the corners of the space in turn."""
    corners = study.extremes()
    return [corners[i % len(corners)] for i in range(count)]


def _print_configurations(
    plans: Sequence[ConfigurationTrials], upcoming: Sequence[Point], console: Console
) -> None:
    rows = [(plan.point, _trial_states(plan)) for plan in plans]
    rows += [(point, "to do") for point in upcoming]
    for number, (point, states) in enumerate(rows[:SHOWN]):
        console.print(
            f"  {number:>4}  {describe_point(point):<32} {states}", highlight=False, markup=False
        )
    if len(rows) > SHOWN:
        console.print(f"        and {len(rows) - SHOWN} more", highlight=False)


def _trial_states(plan: ConfigurationTrials) -> str:
    """Return how many of a configuration's trials are in which state."""
    counts = Counter(_trial_state(trial, plan) for trial in plan.trials)
    return ", ".join(f"{count} {state}" for state, count in counts.items())


def _trial_state(trial: Trial, plan: ConfigurationTrials) -> str:
    if trial.state == "done":
        return "done"
    if plan.judgement.state == "pruned":
        return "stopped early"
    return "cut off" if trial.cut_off else "to do"


def _cost_by_class(
    configurations: Iterable[Configuration],
    recorded: Mapping[str, RecordedTrial],
    agenda: StudyScheduler,
    data: Path,
) -> dict[CostClass, TrialCost]:
    """Return what each kind costs, from the record where it has trials of the kind."""
    costs: dict[CostClass, TrialCost] = {}
    known = agenda.trials
    for configuration in configurations:
        if cost_class(configuration) in costs:
            continue
        seen = [
            trial
            for key, trial in recorded.items()
            if key in known
            and trial.outcome == COMPLETED
            and ADOPTED_FROM not in trial.tags
            and cost_class(known[key].configuration) == cost_class(configuration)
        ]
        if seen:
            cost = _from_record(seen)
        elif cost_class(configuration) in agenda.shares.figures:
            cost = _from_figures(cost_class(configuration), agenda.shares)
        else:
            cost = _from_probe(configuration, agenda, data)
        costs[cost_class(configuration)] = cost
    return costs


def _from_record(trials: Sequence[RecordedTrial]) -> TrialCost:
    return TrialCost(
        epoch_seconds=statistics.median(t.metrics[EPOCH_SECONDS] for t in trials),
        start_seconds=0.0,
        memory_mb=max(t.metrics[PEAK_MEMORY_MB] for t in trials),
        basis=f"{len(trials)} trials on record, on {trials[-1].tags.get(DEVICE, '?')}",
    )


def _from_figures(kind: CostClass, shares: GpuShares) -> TrialCost:
    """Return what was measured to choose the kind's share."""
    assert shares.bench is not None
    figures = shares.figures[kind]
    count = best_count(figures, shares.bench)
    return TrialCost(
        epoch_seconds=figures[count].epoch_seconds,
        start_seconds=0.0,
        memory_mb=figures[count].peak_mb,
        basis=_probe_basis(count, shares.bench.gpu.name),
    )


def _from_probe(configuration: Configuration, agenda: StudyScheduler, data: Path) -> TrialCost:
    """Train for a few seconds, as many processes side by side as will run in the study."""
    cpus = agenda.study.resources.cpus
    gpu = agenda.shares.of(configuration) > 0 and torch.cuda.is_available()
    count = 1 if gpu else min(slots_here(cpus, 0), os.cpu_count() or 1)
    probes = probe.side_by_side(
        configuration,
        count,
        data=data,
        device="cuda" if gpu else "cpu",
        threads=max(1, int(cpus)),
    )
    if not probes:
        raise ShareError(f"the GPU's memory does not hold a trial of {configuration.network.name}")
    return TrialCost(
        epoch_seconds=statistics.fmean(p.epoch_seconds for p in probes),
        start_seconds=statistics.fmean(p.start_seconds for p in probes),
        memory_mb=max(p.memory_mb for p in probes),
        basis=_probe_basis(count, probes[0].device),
    )


def _probe_basis(count: int, device: str) -> str:
    beside = f", {count} side by side" if count > 1 else ""
    return f"a probe of a few seconds{beside}, on {device}"


def slots_here(cpus: float, gpus: float) -> int:
    """Return how many trials run side by side on this machine, on its CPUs if it has no GPU."""
    return max(1, this_machine().room(cpus, gpus if torch.cuda.is_available() else 0))


def _estimate_lines(
    agenda: StudyScheduler,
    todo: Sequence[Trial],
    configurations: Sequence[Configuration],
    costs: Mapping[CostClass, TrialCost],
    place: StudyPlace,
) -> list[tuple[str, str]]:
    study, cpus = agenda.study, agenda.study.resources.cpus
    done_epochs = [len(trial.history) for trial in todo]
    done_epochs += [0] * (len(configurations) - len(todo))
    works = [
        costs[cost_class(c)].epoch_seconds * (c.training.epochs - done) + TRIAL_SECONDS
        for c, done in zip(configurations, done_epochs, strict=True)
    ]
    shares = [agenda.shares.of(c) for c in configurations]
    rooms = {s: room_for(place.nodes, cpus, s) or slots_here(cpus, s) for s in set(shares)}
    beside = [min(rooms[share], len(configurations)) for share in shares]
    longest = max(costs[cost_class(c)].epoch_seconds * c.training.epochs for c in configurations)
    start = RAY_SECONDS + max(cost.start_seconds for cost in costs.values())
    wall = start + max(sum(w / n for w, n in zip(works, beside, strict=True)), longest)
    wanted = max(shares) > 0
    gpu = wanted and torch.cuda.is_available()
    unit = "GPU" if gpu else "CPU"
    hours = sum(w * (s if gpu else cpus) for w, s in zip(works, shares, strict=True)) / 3600
    lines = [
        ("work", f"{_show_hours(hours * 3600)} {unit}-hours ({_hours_range(hours)})"),
        (
            "wall time",
            f"about {duration_text(wall)} ({duration_text(wall * (1 - SPREAD))} to "
            f"{duration_text(wall * (1 + SPREAD))}), "
            f"{' or '.join(map(str, sorted(set(beside))))} trials side by side",
        ),
        *_memory_lines(costs, gpu=gpu),
        ("measured by", "; ".join(dict.fromkeys(cost.basis for cost in costs.values()))),
    ]
    if wanted and not gpu:
        lines.append(("no GPU here", "the figures are of this machine's CPU, not of a GPU"))
    if study.search.early_stopping is not None:
        lines.append(
            ("assumed", f"no trial is stopped early ({study.search.early_stopping.name} may save)")
        )
    return lines


def _memory_lines(costs: Mapping[CostClass, TrialCost], *, gpu: bool) -> list[tuple[str, str]]:
    peaks = [cost.memory_mb for cost in costs.values() if cost.memory_mb is not None]
    if not peaks:
        return []
    lines = [("memory", f"{max(peaks):,.0f} MB a trial at its peak")]
    if gpu:
        total = torch.cuda.get_device_properties(0).total_memory / 2**20
        fit = math.floor(total / (max(peaks) * MEMORY_MARGIN))
        lines.append(("GPU share", f"up to {fit} trials fit into one GPU of {total:,.0f} MB"))
    return lines


def _show_hours(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:.3f}" if hours < 0.1 else f"{hours:,.1f}"


def _hours_range(hours: float) -> str:
    return (
        f"{_show_hours(hours * 3600 * (1 - SPREAD))} to {_show_hours(hours * 3600 * (1 + SPREAD))}"
    )


def _print_lines(console: Console, lines: Iterable[tuple[str, str]]) -> None:
    for label, text in lines:
        console.print(f"{label:<16}{text}", highlight=False, markup=False)
