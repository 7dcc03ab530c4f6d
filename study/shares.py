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

from study.file import Resources
from study.model import Kind, kind
from trainables.configuration import Configuration
from trainables.devices import Gpu
from trainables.probe import Probe

GAIN = 1.05
"""How much more a GPU must train with twice as many trials on it; below, measuring sees noise."""
MOST = 16
"""More trials than these are not tried on one GPU."""
MEMORY_MARGIN = 1.15
"""How much more memory than it was seen to take a trial's share should hold."""


class ShareError(Exception):
    """A trial could not be measured; the message says why."""


@dataclass(frozen=True)
class Measured:
    """What some trials of a kind did side by side on one GPU."""

    epochs_per_second: float
    """Of all together; 0 if the memory did not hold them."""
    taken_mb: float
    """Of the GPU's memory, by all together; 2^20 bytes."""
    epoch_seconds: float = 0.0
    """Of one of them."""
    peak_mb: float = 0.0
    """Of the memory that one of them allocated."""


Figures = dict[int, Measured]
"""By how many there were side by side."""


@dataclass(frozen=True)
class Bench:
    """A GPU to measure on."""

    gpu: Gpu
    most: int
    """Trials that the CPUs beside it have room for."""
    probe: Callable[[Configuration, int], list[Probe]]
    """Trains so many trials side by side for a few seconds; none if the memory does not hold them.
    """

    def allows(self, figures: Figures, count: int) -> bool:
        """Return whether so many may share the GPU, by the memory that one alone has taken."""
        memory = count * figures[1].taken_mb * MEMORY_MARGIN
        return count == 1 or (count <= min(self.most, MOST) and memory <= self.gpu.memory_mb)


def to_measure(figures: Figures, bench: Bench) -> int | None:
    """Return how many trials to measure next, or None when enough is known."""
    if not figures:
        return 1
    last = max(figures)
    return 2 * last if _pays(figures, last) and bench.allows(figures, 2 * last) else None


def side_by_side(figures: Figures, bench: Bench) -> int:
    """Return how many trials share the GPU best: twice as many for as long as that pays."""
    count = 1
    while 2 * count in figures and bench.allows(figures, 2 * count) and _pays(figures, 2 * count):
        count *= 2
    return count


def _pays(figures: Figures, count: int) -> bool:
    """Return whether so many trials together train more than half as many do."""
    if count == 1:
        return figures[1].epochs_per_second > 0
    before, now = figures[count // 2].epochs_per_second, figures[count].epochs_per_second
    return now >= GAIN * before and now > 0


@dataclass
class Shares:
    """The shares of a study's trials."""

    resources: Resources
    file: Path | None = None
    """Where figures are remembered."""
    figures: dict[Kind, Figures] = field(default_factory=dict)
    """What was measured on the bench."""
    bench: Bench | None = None
    """The GPU that shares are for, if they are measured and there is one."""

    @property
    def auto(self) -> bool:
        """Whether shares are measured."""
        return self.resources.gpus == "auto"

    def of(self, configuration: Configuration) -> float:
        """Return the share of a trial; of a kind that was not measured, the largest."""
        return self.of_kind(kind(configuration))

    def of_kind(self, kind: Kind) -> float:
        """Return the share of a kind of trials."""
        if not isinstance(self.resources.gpus, str):
            return self.resources.gpus
        if self.bench is None:
            return 0.0
        if kind not in self.figures:  # batch sizes, say, are searched between those measured
            return max(map(self.of_kind, self.figures), default=1.0)
        return 1 / side_by_side(self.figures[kind], self.bench)

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
        bench: Bench | None,
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
        for configuration in {kind(c): c for c in configurations}.values():
            self._measure(configuration, bench, say)
            say(sentence(configuration, self.figures[kind(configuration)], bench))

    def _measure(
        self, configuration: Configuration, bench: Bench, say: Callable[[str], None]
    ) -> None:
        figures = self.figures[kind(configuration)] = self._remembered(kind(configuration))
        while (count := to_measure(figures, bench)) is not None:
            say(f"Measuring {_name(configuration)}: {count} on one GPU …")
            try:
                probes = bench.probe(configuration, count)
            except Exception as error:  # a trial may fail of anything
                why = f"{type(error).__name__}: {error}".strip().splitlines()[-1]
                raise ShareError(
                    f"resources.gpus: auto: cannot measure {_name(configuration)}: {why}; "
                    "give a number instead"
                ) from error
            if count == 1 and not probes:
                raise ShareError(
                    f"resources.gpus: auto: {_name(configuration)}: the memory of a whole GPU, "
                    f"{bench.gpu.memory_mb:,.0f} MB of {bench.gpu.name}, does not hold a trial"
                )
            figures[count] = measured(probes)
            self._remember(kind(configuration))

    def ran_out(self, trial_kind: Kind, share: float) -> None:
        """Learn that a trial ran out of memory with its share: so many of them do not fit."""
        figures = self.figures.get(trial_kind, {})
        for count in figures:
            if count > 1 and count >= round(1 / share):
                figures[count] = Measured(0.0, figures[count].taken_mb)
        self._remember(trial_kind)

    def _remembered(self, kind: Kind) -> Figures:
        found = self._file_content().get(self._key(kind), {})
        return {int(count): Measured(**values) for count, values in found.items()}

    def _remember(self, kind: Kind) -> None:
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

    def _key(self, kind: Kind) -> str:
        assert self.bench is not None
        of = (*kind, self.bench.gpu.name, f"torch {torch.__version__}", f"{self.resources.cpus:g}")
        return " | ".join(map(str, of))


def measured(probes: list[Probe]) -> Measured:
    """Return what probes of trials side by side say together."""
    if not probes:
        return Measured(0.0, 0.0)
    return Measured(
        epochs_per_second=sum(1 / probe.epoch_seconds for probe in probes),
        taken_mb=max(probe.taken_mb for probe in probes),
        epoch_seconds=sum(probe.epoch_seconds for probe in probes) / len(probes),
        peak_mb=max(probe.memory_mb for probe in probes),
    )


def sentence(configuration: Configuration, figures: Figures, bench: Bench) -> str:
    """Return which share was chosen, and from which figures."""
    count = side_by_side(figures, bench)
    chosen = f"{count} trials share a GPU" if count > 1 else "a trial gets a GPU of its own"
    alone = figures[1]
    compared = [_compared(n, figures) for n in sorted(figures) if n > 1]
    more = 2 * max(figures)
    if _pays(figures, max(figures)) and not bench.allows(figures, more):
        compared.append(_limit(more, bench))
    memory = f"one takes {alone.taken_mb:,.0f} of {bench.gpu.memory_mb:,.0f} MB"
    return f"{_name(configuration)}: {chosen}; {'; '.join([*compared, memory])} ({bench.gpu.name})"


def _compared(count: int, figures: Figures) -> str:
    if not figures[count].epochs_per_second:
        return f"{count} do not fit into its memory"
    times = figures[count].epochs_per_second / figures[1].epochs_per_second
    return f"{count} side by side train {times:.2f} times what one does"


def _limit(count: int, bench: Bench) -> str:
    """Return why so many are not tried."""
    if count > MOST:
        return f"more than {MOST} are not tried"
    if count > bench.most:
        return f"the CPUs have no room for {count}"
    return f"{count} would not fit into its memory"


def _name(configuration: Configuration) -> str:
    c = configuration
    return (
        f"{c.network.name} on {c.dataset.name}, {c.regularizer.name}, "
        f"batches of {c.training.batch_size}"
    )
