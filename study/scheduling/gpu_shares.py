"""How much of a GPU a trial gets: what the study file says, or what was measured.

With ``resources: {gpus: auto}`` some trials of each kind train for a few seconds on one GPU: one
alone, then twice as many side by side for as long as that pays and memory and CPUs allow it. The
figures are remembered with the study; the shares are computed from them at every launch.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from study.file.settings import ResourceSettings
from study.trials import CostClass, cost_class
from trainables.configuration import Configuration
from trainables.devices import GpuDevice
from trainables.probe import TrialProbe

LEAST_GAIN = 1.05
"""How much more a GPU must train with twice as many trials on it; below, measuring sees noise."""
MOST_SIDE_BY_SIDE = 16
"""More trials than these are not tried on one GPU."""
MEMORY_MARGIN = 1.15
"""How much more memory than it was seen to take a trial's share should hold."""


class ShareError(Exception):
    """A trial could not be measured; the message says why."""


@dataclass(frozen=True)
class ShareMeasurement:
    """What some trials of a kind did side by side on one GPU."""

    epochs_per_second: float
    """Of all together; 0 if the memory did not hold them."""
    taken_mb: float
    """Of the GPU's memory, by all together; 2^20 bytes."""
    epoch_seconds: float = 0.0
    """Of one of them."""
    peak_mb: float = 0.0
    """Of the memory that one of them allocated."""


Figures = dict[int, ShareMeasurement]
"""By how many there were side by side."""


@dataclass(frozen=True)
class GpuBench:
    """A GPU to measure on."""

    gpu: GpuDevice
    most: int
    """Trials that the CPUs beside it have room for."""
    probe: Callable[[Configuration, int], list[TrialProbe]]
    """Trains so many trials side by side for a few seconds; none if the memory does not hold them.
    """

    def allows(self, figures: Figures, count: int) -> bool:
        """Return whether so many may share the GPU, by the memory that one alone has taken."""
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
    figures: dict[CostClass, Figures] = field(default_factory=dict)
    """What was measured on the bench."""
    bench: GpuBench | None = None
    """The GPU that shares are for, if they are measured and there is one."""

    @property
    def auto(self) -> bool:
        """Whether shares are measured."""
        return self.resources.gpus == "auto"

    def of(self, configuration: Configuration) -> float:
        """Return the share of a trial; of a kind that was not measured, the largest."""
        return self.of_kind(cost_class(configuration))

    def of_kind(self, kind: CostClass) -> float:
        """Return the share of a kind of trials."""
        if not isinstance(self.resources.gpus, str):
            return self.resources.gpus
        if self.bench is None:
            return 0.0
        if kind not in self.figures:  # batch sizes, say, are searched between those measured
            return max(map(self.of_kind, self.figures), default=1.0)
        return 1 / best_count(self.figures[kind], self.bench)

    @property
    def distinct(self) -> list[float]:
        """The different shares, the largest first."""
        if self.bench is None:
            return [0.0 if isinstance(self.resources.gpus, str) else self.resources.gpus]
        return sorted(set(map(self.of_kind, self.figures)), reverse=True)

    @property
    def largest(self) -> float:
        """The largest share."""
        return self.distinct[0]

    def settle(
        self,
        configurations: Iterable[Configuration],
        bench: GpuBench | None,
        *,
        say: Callable[[str], None],
    ) -> None:
        """Measure what is not known of the kinds of these configurations, and say what follows.

        Raises:
            ShareError: if a trial cannot be measured.
        """
        if not self.auto:
            return
        self.bench = bench
        if bench is None:
            say("There is no GPU here: with `gpus: auto` trials train on CPUs.")
            return
        for configuration in {cost_class(c): c for c in configurations}.values():
            self._measure(configuration, bench, say)
            say(describe_share(configuration, self.figures[cost_class(configuration)], bench))

    def _measure(
        self, configuration: Configuration, bench: GpuBench, say: Callable[[str], None]
    ) -> None:
        figures = self.figures[cost_class(configuration)] = self._remembered(
            cost_class(configuration)
        )
        while (count := next_to_measure(figures, bench)) is not None:
            say(f"Measuring {_class_name(configuration)}: {count} on one GPU …")
            try:
                probes = bench.probe(configuration, count)
            except Exception as error:  # a trial may fail of anything
                why = f"{type(error).__name__}: {error}".strip().splitlines()[-1]
                raise ShareError(
                    f"resources.gpus: auto: cannot measure {_class_name(configuration)}: {why}; "
                    "give a number instead"
                ) from error
            if count == 1 and not probes:
                raise ShareError(
                    f"resources.gpus: auto: {_class_name(configuration)}: the memory of a whole "
                    f"GPU, {bench.gpu.memory_mb:,.0f} MB of {bench.gpu.name}, does not hold a trial"
                )
            figures[count] = measurement_of(probes)
            self._remember(cost_class(configuration))

    def ran_out(self, trial_kind: CostClass, share: float) -> None:
        """Learn that a trial ran out of memory with its share: so many of them do not fit."""
        figures = self.figures.get(trial_kind, {})
        for count in figures:
            if count > 1 and count >= round(1 / share):
                figures[count] = ShareMeasurement(0.0, figures[count].taken_mb)
        self._remember(trial_kind)

    def _remembered(self, kind: CostClass) -> Figures:
        found = self._file_content().get(self._key(kind), {})
        return {int(count): ShareMeasurement(**values) for count, values in found.items()}

    def _remember(self, kind: CostClass) -> None:
        if self.file is None or kind not in self.figures:
            return
        figures = {str(count): asdict(values) for count, values in self.figures[kind].items()}
        content = {**self._file_content(), self._key(kind): figures}
        part = self.file.with_suffix(".part")
        with suppress(OSError):  # on a full disk it is measured again
            part.write_text(json.dumps(content, indent=1))
            os.replace(part, self.file)

    def _file_content(self) -> Mapping[str, Mapping[str, Mapping[str, float]]]:
        with suppress(OSError, ValueError):
            if self.file is not None:
                content: Mapping[str, Mapping[str, Mapping[str, float]]]
                content = json.loads(self.file.read_text())
                return content
        return {}

    def _key(self, kind: CostClass) -> str:
        assert self.bench is not None
        of = (*kind, self.bench.gpu.name, f"torch {torch.__version__}", f"{self.resources.cpus:g}")
        return " | ".join(map(str, of))


def measurement_of(probes: list[TrialProbe]) -> ShareMeasurement:
    """Return what probes of trials side by side say together."""
    if not probes:
        return ShareMeasurement(0.0, 0.0)
    return ShareMeasurement(
        epochs_per_second=sum(1 / probe.epoch_seconds for probe in probes),
        taken_mb=max(probe.taken_mb for probe in probes),
        epoch_seconds=sum(probe.epoch_seconds for probe in probes) / len(probes),
        peak_mb=max(probe.memory_mb for probe in probes),
    )


def describe_share(configuration: Configuration, figures: Figures, bench: GpuBench) -> str:
    """Return which share was chosen, and from which figures."""
    count = best_count(figures, bench)
    chosen = f"{count} trials share a GPU" if count > 1 else "a trial gets a GPU of its own"
    alone = figures[1]
    compared = [_compare_counts(n, figures) for n in sorted(figures) if n > 1]
    more = 2 * max(figures)
    if _doubling_pays(figures, max(figures)) and not bench.allows(figures, more):
        compared.append(_reason_for_limit(more, bench))
    memory = f"one takes {alone.taken_mb:,.0f} of {bench.gpu.memory_mb:,.0f} MB"
    name = _class_name(configuration)
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


def _class_name(configuration: Configuration) -> str:
    c = configuration
    return (
        f"{c.network.name} on {c.dataset.name}, {c.regularizer.name}, "
        f"batches of {c.training.batch_size}"
    )
