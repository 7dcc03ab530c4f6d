"""What the trials to come will cost: from the record, or measured by a short probe.

The file is over 300 lines because an estimate and the sentence on it are of one piece.
"""

import logging
import math
import re
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from analysis.counted import agreeing, count_text
from analysis.record.names import ADOPTED_FROM, COMPLETED, DEVICE
from study.launching.display import duration_text
from study.scheduling.gpu_shares import MEMORY_MARGIN, GpuShares, ShareError, best_count
from study.scheduling.granted import granted_cpus, granted_megabytes
from study.scheduling.memory_room import trials_that_fit
from study.scheduling.nodes import StudyPlace, room_for, this_machine
from study.scheduling.scheduler import StudyScheduler
from study.trials import CostClass, RecordedTrial, Trial, cost_class
from trainables import probe
from trainables.configuration import Configuration
from trainables.metrics import EPOCH_SECONDS, PEAK_MEMORY_MB

log = logging.getLogger(__name__)

RAY_SECONDS = 15.0
"""What starting a local Ray and its first trials takes, about; on a loaded machine it is twice."""
RAY_MEGABYTES = 160.0
"""What the process of Ray's that trains a trial on a CPU holds beside what a probe's does, about.

Measured with LeNet on the digits, Linux, Ray 2.60: 745 MB in place of 584, of which Ray's import
takes 130. On record a trial's memory is that of its whole process.
"""
TRIAL_SECONDS = 0.3
"""What a trial costs beside its epochs, on a warm actor."""
TRACEBACK_LINE = re.compile(r'File "([^"]+)", line (\d+)')
NO_ROOM = "none: no node has room for a trial, so that a launch here is refused"
SPREAD = 0.25
"""Half the width of the range that is given around an estimate."""


@dataclass(frozen=True)
class TrialCost:
    """What one trial of a cost class takes."""

    epoch_seconds: float
    start_seconds: float
    memory_mb: float | None
    basis: str
    """Where the figures come from."""


def costs_by_class(
    configurations: Iterable[Configuration],
    recorded: Mapping[str, RecordedTrial],
    scheduler: StudyScheduler,
    data: Path,
    *,
    say: Callable[[str], None] = lambda sentence: None,
) -> dict[CostClass, TrialCost]:
    """Return what each cost class costs, from the record where it has trials of the class.

    Args:
        configurations: of the trials to come.
        recorded: the record's trials by key.
        scheduler: reconciled with the record.
        data: the folder of the data sets.
        say: told before each probe, which takes seconds.

    Raises:
        ShareError: if the GPU's memory does not hold a trial.
    """
    costs: dict[CostClass, TrialCost] = {}
    known = scheduler.trials
    announced: set[str] = set()
    for configuration in configurations:
        kind = cost_class(configuration)
        if kind in costs:
            continue
        seen = [
            trial
            for key, trial in recorded.items()
            if key in known
            and trial.outcome == COMPLETED
            and ADOPTED_FROM not in trial.tags
            and known[key].cost_class == kind
        ]
        if seen:
            cost = _from_record(seen)
        elif kind in scheduler.shares.figures:
            cost = _from_figures(kind, scheduler.shares)
        else:
            # Several kinds of trials may have the same method, network and data set.
            if (words := probe_words(configuration)) not in announced:
                announced.add(words)
                say(f"Measuring {words} for some seconds …")
            cost = _from_probe(configuration, scheduler, data)
        costs[kind] = cost
    return costs


def _from_record(trials: Sequence[RecordedTrial]) -> TrialCost:
    return TrialCost(
        epoch_seconds=statistics.median(t.metrics[EPOCH_SECONDS] for t in trials),
        start_seconds=0.0,
        memory_mb=max(t.metrics[PEAK_MEMORY_MB] for t in trials),
        basis=(
            f"{count_text(len(trials), 'trial')} on record, on {trials[-1].tags.get(DEVICE, '?')}"
        ),
    )


def _from_figures(kind: CostClass, shares: GpuShares) -> TrialCost:
    """Return what was measured to choose the share of a cost class."""
    assert shares.bench is not None
    figures = shares.figures[kind]
    count = best_count(figures, shares.bench)
    return TrialCost(
        epoch_seconds=figures[count].epoch_seconds,
        start_seconds=0.0,
        memory_mb=figures[count].peak_mb,
        basis=_probe_basis(count, shares.bench.gpu.name),
    )


def _from_probe(configuration: Configuration, scheduler: StudyScheduler, data: Path) -> TrialCost:
    """Train for a few seconds, as many processes side by side as will run in the study."""
    cpus = scheduler.study.resources.cpus
    gpu = scheduler.shares.share_of(cost_class(configuration)) > 0 and torch.cuda.is_available()
    count = 1 if gpu else min(slots_here(cpus, 0), granted_cpus())
    try:
        probes = probe.side_by_side(
            configuration,
            count,
            data=data,
            device="cuda" if gpu else "cpu",
            threads=max(1, int(cpus)),
        )
    except Exception as error:  # a component's own, as a rule
        log.exception("a probe failed")
        raise ShareError(
            f"a trial of {probe_words(configuration)} does not train: {failure_words(error)}"
        ) from error
    if not probes:
        raise ShareError(f"the GPU's memory does not hold a trial of {configuration.network.name}")
    return TrialCost(
        epoch_seconds=statistics.fmean(p.epoch_seconds for p in probes),
        start_seconds=statistics.fmean(p.start_seconds for p in probes),
        memory_mb=max(p.memory_mb for p in probes) + (0 if gpu else RAY_MEGABYTES),
        basis=_probe_basis(count, probes[0].device)
        + ("" if gpu else f", with {RAY_MEGABYTES:.0f} MB of memory for Ray around a trial")
        + _shape_words(probes, configuration),
    )


def probe_words(configuration: Configuration) -> str:
    """Return what is measured: the method, the network and the data set."""
    network, dataset = configuration.network.name, configuration.dataset.name
    return f"{configuration.regularizer.name} with {network} on {dataset}"


def failure_words(error: BaseException) -> str:
    """Return where a process failed and of what, in a line: ``methods.py:22: NameError: …``."""
    told = str(error.__cause__ or "")  # the traceback there, where the error came from a process
    own = [each for each in TRACEBACK_LINE.findall(told) if "site-packages" not in each[0]]
    where = "{}:{}: ".format(*own[-1]) if own else ""
    reason = str(error).partition("\n")[0]
    return f"{where}{type(error).__name__}: {reason}"


def _probe_basis(count: int, device: str) -> str:
    beside = f", {count} side by side" if count > 1 else ""
    return f"a probe of a few seconds{beside}, on {device}"


def _shape_words(probes: Sequence[probe.TrialProbe], configuration: Configuration) -> str:
    if not any(found.by_known_shape for found in probes):
        return ""
    return f", by the known shape of {configuration.dataset.name}; the data are not here"


def slots_here(cpus: float, gpus: float) -> int:
    """Return how many trials run side by side on this machine, on its CPUs if it has no GPU."""
    return max(1, this_machine().room(cpus, gpus if torch.cuda.is_available() else 0))


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
    """Return what each trial to do takes; arguments as for `estimate_lines`."""
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


def estimate_lines(
    scheduler: StudyScheduler,
    todo: Sequence[Trial],
    configurations: Sequence[Configuration],
    costs: Mapping[CostClass, TrialCost],
    place: StudyPlace,
) -> list[tuple[str, str]]:
    """Return label and text of what the trials to do will take; arguments as `estimate_study`."""
    study = scheduler.study
    found = estimate_study(scheduler, todo, configurations, costs, place)
    shares = {scheduler.shares.share_of(cost_class(c)) for c in configurations}
    wall, hours, gpu = found.wall_seconds, found.work_hours, found.unit == "GPU"
    lines = [
        ("work", f"{_show_hours(hours * 3600)} {found.unit}-hours ({_hours_range(hours)})"),
        ("wall time", NO_ROOM if wall is None else _wall_time(wall, found.side_by_side)),
        *_memory_lines(found, gpu=gpu),
        ("measured by", "; ".join(found.basis)),
    ]
    if not gpu and max(shares) > 0:
        lines.append(("no GPU here", "the figures are of this machine's CPU, not of a GPU"))
    if study.search.early_stopping is not None:
        lines.append(
            ("assumed", f"no trial is stopped early ({study.search.early_stopping.name} may save)")
        )
    return lines


def _wall_time(seconds: float, beside: Sequence[int]) -> str:
    return (
        f"about {duration_text(seconds)} ({duration_text(seconds * (1 - SPREAD))} to "
        f"{duration_text(seconds * (1 + SPREAD))}), "
        f"{_beside_words(beside)}"
    )


def _beside_words(beside: Sequence[int]) -> str:
    if tuple(beside) == (1,):
        return "one trial at a time"
    return f"{' or '.join(map(str, beside))} trials side by side"


def _memory_lines(found: StudyEstimate, *, gpu: bool) -> list[tuple[str, str]]:
    peak = found.memory_mb
    if peak is None:
        return []
    lines = [("memory", f"{peak:,.0f} MB a trial at its peak")]
    if gpu:
        total = torch.cuda.get_device_properties(0).total_memory / 2**20
        fit = math.floor(total / (peak * MEMORY_MARGIN))
        lines.append(
            (
                "GPU share",
                f"up to {count_text(fit, 'trial')} {agreeing(fit, 'fits', 'fit')} into one "
                f"GPU of {total:,.0f} MB",
            )
        )
    elif (granted := granted_megabytes()) is not None:
        fit = trials_that_fit(granted, peak)
        if fit < max(found.side_by_side, default=0):
            lines.append(
                ("", f"{granted:,.0f} MB of memory hold {fit} side by side, fewer than have CPUs")
            )
    return lines


def _show_hours(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:.3f}" if hours < 0.1 else f"{hours:,.1f}"


def _hours_range(hours: float) -> str:
    return (
        f"{_show_hours(hours * 3600 * (1 - SPREAD))} to {_show_hours(hours * 3600 * (1 + SPREAD))}"
    )
