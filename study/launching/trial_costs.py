"""What one trial of a cost class costs: from the record, or measured by a short probe."""

import logging
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from analysis.counted import count_text
from analysis.record.names import ADOPTED_FROM, COMPLETED, DEVICE
from study.scheduling.gpu_shares import GpuShares, ShareError, best_count
from study.scheduling.granted import granted_cpus
from study.scheduling.nodes import this_machine
from study.scheduling.scheduler import StudyScheduler
from study.trials import CostClass, RecordedTrial, cost_class
from trainables import probe
from trainables.configuration import Configuration
from trainables.metrics import EPOCH_SECONDS, PEAK_MEMORY_MB

log = logging.getLogger(__name__)

RAY_MEGABYTES = 160.0
"""What the process of Ray's that trains a trial on a CPU holds beside what a probe's does, about.

Measured with LeNet on the digits, Linux, Ray 2.60: 745 MB in place of 584, of which Ray's import
takes 130. On record a trial's memory is that of its whole process.
"""


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
        ShareError: if a trial does not train, or the GPU's memory does not hold one.
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
    except probe.TrialProbeError as error:
        log.exception("a probe failed")
        raise ShareError(
            f"a trial of {probe_words(configuration)} does not train: {error}"
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
