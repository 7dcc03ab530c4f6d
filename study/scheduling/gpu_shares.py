"""How much of a GPU a trial gets: what the study file says, or what was measured.

With ``resources: {gpus: auto}`` trials of each cost class train for a few seconds on one GPU: one
alone, then twice as many side by side for as long as that pays and memory and CPUs allow it. The
figures are remembered with the study; the shares are computed from them at every launch.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from study.file.settings import ResourceSettings
from study.file.space import describe_point
from study.scheduling.share_file import (
    Figures,
    ShareConditions,
    ShareFile,
    ShareMeasurement,
)
from study.trials import CostClass, cost_class
from trainables.code_digest import trial_code
from trainables.configuration import Configuration
from trainables.devices import GpuDevice
from trainables.failures import error_cause
from trainables.probe import TrialProbe, TrialProbeError

log = logging.getLogger(__name__)

LEAST_GAIN = 1.05
"""How much more a GPU must train with twice as many trials on it; less than that is noise."""
MOST_SIDE_BY_SIDE = 16
"""The most trials that are tried on one GPU."""
MEMORY_MARGIN = 1.15
"""A trial's share holds this much times the memory that a trial alone was seen to take."""


class ShareError(Exception):
    """A trial could not be measured; the message says why."""


class HostMemoryShortError(Exception):
    """The machine's memory does not hold so many trials side by side; the GPU's may."""


@dataclass(frozen=True)
class GpuBench:
    """A GPU to measure on."""

    gpu: GpuDevice
    most: int
    """Trials that the CPUs beside it have room for."""
    probe: Callable[[Configuration, int], list[TrialProbe]]
    """Trains so many trials side by side for a few seconds; returns no probe if the memory does not
    hold them."""

    def allows(self, figures: Figures, count: int) -> bool:
        """Return whether so many trials may share the GPU, by the memory that one has taken."""
        memory = count * figures[1].taken_mb * MEMORY_MARGIN
        return count == 1 or (
            count <= min(self.most, MOST_SIDE_BY_SIDE) and memory <= self.gpu.memory_mb
        )


def next_to_measure(figures: Figures, bench: GpuBench) -> int | None:
    """Return how many trials to measure next, or None when enough is known."""
    if not figures:
        return 1
    last = max(figures)
    return 2 * last if _doubling_pays(figures, last) and bench.allows(figures, 2 * last) else None


def best_count(figures: Figures, bench: GpuBench) -> int:
    """Return how many trials share the GPU best: twice as many for as long as that pays."""
    count = 1
    while (
        2 * count in figures
        and bench.allows(figures, 2 * count)
        and _doubling_pays(figures, 2 * count)
    ):
        count *= 2
    return count


def _doubling_pays(figures: Figures, count: int) -> bool:
    """Return whether so many trials together train more than half as many do."""
    if count == 1:
        return figures[1].epochs_per_second > 0
    before, now = figures[count // 2].epochs_per_second, figures[count].epochs_per_second
    return now >= LEAST_GAIN * before and now > 0


@dataclass
class GpuShares:
    """The shares of a study's trials."""

    resources: ResourceSettings
    file: Path | None = None
    """Where figures are remembered."""
    data_of: Callable[[Configuration], str] = lambda configuration: ""
    """Gives the fingerprint of a configuration's data; figures are of these data alone."""
    figures: dict[CostClass, Figures] = field(default_factory=dict)
    """What was measured on the bench."""
    samples: dict[CostClass, Configuration] = field(default_factory=dict)
    """One configuration of each class of the figures."""
    bench: GpuBench | None = None
    """The GPU that shares are for, if they are measured and there is one."""

    @property
    def is_measured(self) -> bool:
        """Whether shares are measured."""
        return self.resources.gpus == "auto"

    def share_of(self, kind: CostClass) -> float:
        """Return the share of a trial of a cost class; the largest if it was not measured."""
        if not isinstance(self.resources.gpus, str):
            return self.resources.gpus
        if self.bench is None:
            return 0.0
        if kind not in self.figures:  # batch sizes, say, are searched between those measured
            return max(map(self.share_of, self.figures), default=1.0)
        return 1 / best_count(self.figures[kind], self.bench)

    @property
    def sizes(self) -> list[float]:
        """The different shares, the largest first."""
        if self.bench is None:
            return [0.0 if isinstance(self.resources.gpus, str) else self.resources.gpus]
        return sorted(set(map(self.share_of, self.figures)), reverse=True)

    @property
    def largest(self) -> float:
        """The largest share."""
        return self.sizes[0]

    def measure_missing(
        self,
        configurations: Iterable[Configuration],
        bench: GpuBench | None,
        *,
        say: Callable[[str], None],
    ) -> bool:
        """Measure the cost classes of these configurations that are not known; say what follows.

        Returns:
            Whether anything was measured that `file` now remembers.

        Raises:
            ShareError: if a trial cannot be measured.
        """
        if not self.is_measured:
            return False
        self.bench = bench
        if bench is None:
            say("There is no GPU here: with `gpus: auto` trials train on CPUs.")
            return False
        if ShareFile(self.file).is_of_older_format:
            say(
                f"The figures in {self.file} are of an older version, which took unlike trials for "
                "alike and other processes' memory for the trials'; they are measured anew."
            )
        by_class = {cost_class(each): each for each in configurations}
        self.samples |= by_class
        has_measured = False
        for kind, name in class_names(by_class).items():
            figures = ShareFile(self.file).read_figures(kind, **self._conditions(kind, bench))
            self.figures[kind] = figures
            while (count := next_to_measure(figures, bench)) is not None:
                say(f"Measuring {name}: {count} on one GPU …")
                try:
                    figures[count] = _measure(by_class[kind], name, count, bench)
                except HostMemoryShortError:  # not remembered: it says nothing of the GPU
                    say(f"{name}: the machine's memory does not hold {count} side by side.")
                    break
                self._remember(kind, bench)
                has_measured = self.file is not None
            say(describe_share(name, figures, bench))
        return has_measured

    def note_out_of_memory(self, kind: CostClass, share: float) -> None:
        """Note that a trial ran out of memory with its share: so many of them do not fit."""
        figures = self.figures.get(kind, {})
        for count in figures:
            if count > 1 and count >= round(1 / share):
                figures[count] = ShareMeasurement(0.0, figures[count].taken_mb)
        if figures and self.bench is not None:
            self._remember(kind, self.bench)

    def _remember(self, kind: CostClass, bench: GpuBench) -> None:
        ShareFile(self.file).write_figures(
            kind, self.figures[kind], **self._conditions(kind, bench)
        )

    def _conditions(self, kind: CostClass, bench: GpuBench) -> ShareConditions:
        gpu = bench.gpu
        return {
            "gpu": gpu.name,
            "driver": gpu.driver,
            "mps": gpu.mps,
            "cpus": self.resources.cpus,
            "data": self.data_of(self.samples[kind]),
            "code_digest": trial_code(self.samples[kind]).digest,
        }


def _measure(
    configuration: Configuration, name: str, count: int, bench: GpuBench
) -> ShareMeasurement:
    try:
        probes = bench.probe(configuration, count)
    except Exception as error:  # a trial may fail of anything, and so may the GPU's node
        of_trial = error if isinstance(error, TrialProbeError) else None
        cause = of_trial.cause if of_trial else error_cause(error)
        if count > 1 and cause == "host_memory":
            raise HostMemoryShortError from error
        log.exception("a measurement failed")
        if of_trial:
            raise ShareError(f"a trial of {name} does not train: {error}") from error
        why = f"{type(error).__name__}: {error}".strip().splitlines()[-1]
        raise ShareError(
            f"resources.gpus: auto: cannot measure {name}: {why}; give a number instead"
        ) from error
    if count == 1 and not probes:
        raise ShareError(
            f"resources.gpus: auto: {name}: the memory of a whole GPU, "
            f"{bench.gpu.memory_mb:,.0f} MB of {bench.gpu.name}, does not hold a trial"
        )
    return measurement_of(probes)


def measurement_of(probes: list[TrialProbe]) -> ShareMeasurement:
    """Return what probes of trials side by side say together."""
    if not probes:
        return ShareMeasurement(0.0, 0.0)
    return ShareMeasurement(
        epochs_per_second=sum(1 / probe.epoch_seconds for probe in probes),
        taken_mb=sum(probe.taken_mb for probe in probes),
        epoch_seconds=sum(probe.epoch_seconds for probe in probes) / len(probes),
        peak_mb=max(probe.memory_mb for probe in probes),
    )


def describe_share(name: str, figures: Figures, bench: GpuBench) -> str:
    """Return which share trials of this name get, and from which figures that follows."""
    count = best_count(figures, bench)
    chosen = f"{count} trials share a GPU" if count > 1 else "a trial gets a GPU of its own"
    alone = figures[1]
    compared = [_compare_counts(n, figures) for n in sorted(figures) if n > 1]
    more = 2 * max(figures)
    if _doubling_pays(figures, max(figures)) and not bench.allows(figures, more):
        compared.append(_reason_for_limit(more, bench))
    memory = f"one takes {alone.taken_mb:,.0f} of {bench.gpu.memory_mb:,.0f} MB"
    return f"{name}: {chosen}; {'; '.join([*compared, memory])} ({bench.gpu.name})"


def _compare_counts(count: int, figures: Figures) -> str:
    if not figures[count].epochs_per_second:
        return f"{count} do not fit into its memory"
    times = figures[count].epochs_per_second / figures[1].epochs_per_second
    return f"{count} side by side train {times:.2f} times what one does"


def _reason_for_limit(count: int, bench: GpuBench) -> str:
    """Return why so many are not tried."""
    if count > MOST_SIDE_BY_SIDE:
        return f"more than {MOST_SIDE_BY_SIDE} are not tried"
    if count > bench.most:
        return f"the CPUs have no room for {count}"
    return f"{count} would not fit into its memory"


def class_names(configurations: Mapping[CostClass, Configuration]) -> dict[CostClass, str]:
    """Return what people call cost classes; a name of several says how each differs.

    Args:
        configurations: one of each class.
    """
    short = {kind: _short_name(configuration) for kind, configuration in configurations.items()}
    names = {}
    for kind, name in short.items():
        alike = [set(other) for other, other_name in short.items() if other_name == name]
        common = set.intersection(*alike)
        own = describe_point(dict(item for item in kind if item not in common))
        names[kind] = f"{name}, {own}" if own else name
    return names


def _short_name(configuration: Configuration) -> str:
    c = configuration
    return (
        f"{c.network.name} on {c.dataset.name}, {c.regularizer.name}, "
        f"batches of {c.training.batch_size}"
    )
