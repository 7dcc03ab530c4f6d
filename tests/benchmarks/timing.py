"""How figures are measured: contenders in turn, medians, and the spread beside them."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


def warm_up(steps: int) -> int:
    """Return how many training steps go before a window of so many.

    They also use up what the loaders hold ready; what they leave of it favours the baselines.
    """
    return max(2, steps // 8)


@dataclass(frozen=True)
class Spread:
    """A median with its quartiles."""

    median: float
    low: float
    """The first quartile."""
    high: float
    """The third quartile."""

    def __str__(self) -> str:
        """Return the three with three digits that count."""
        return f"{_digits(self.median)} ({_digits(self.low)} to {_digits(self.high)})"


def spread(values: Sequence[float]) -> Spread:
    """Reduce repeated measurements."""
    if len(values) == 1:
        return Spread(values[0], values[0], values[0])
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(median, low, high)


def ratios(numerators: Sequence[float], denominators: Sequence[float]) -> list[float]:
    """Return the ratio of each turn: what slows a whole turn down does not matter to it."""
    return [a / b for a, b in zip(numerators, denominators, strict=True)]


@dataclass(frozen=True)
class Measured:
    """What the turns of one contender gave."""

    values: list[float]
    cpu_seconds: list[float]
    """Of this process and all below it, whoever else used the machine; workers' time too."""


def in_turn(contenders: Mapping[str, Callable[[], float]], *, repeats: int) -> dict[str, Measured]:
    """Measure A B C A B C …; the first turn warms up and does not count."""
    found = {name: Measured([], []) for name in contenders}
    for turn in range(repeats + 1):
        for name, measure in contenders.items():
            before = _cpu_seconds()
            value = measure()
            if turn:
                found[name].values.append(value)
                found[name].cpu_seconds.append(_cpu_seconds() - before)
    return found


def _cpu_seconds() -> float:
    """Return the time that this process and all below it have computed so far."""
    import psutil  # here: what is measured on a bare machine with a GPU does without

    own = psutil.Process()
    seconds = 0.0
    for process in (own, *own.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        seconds += times.user + times.system
        seconds += times.children_user + times.children_system  # of those that have ended
    return seconds


def _digits(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
