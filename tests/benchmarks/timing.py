"""How figures are measured: contenders in turn, medians, and the spread beside them."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

WARM_UP_STEPS = 5
"""Training steps before a window of time begins; they also use up what loaders hold ready."""


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


def in_turn(
    contenders: Mapping[str, Callable[[], float]], *, repeats: int
) -> dict[str, list[float]]:
    """Measure A B C A B C …; the first turn warms up and does not count."""
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(repeats + 1):
        for name, measure in contenders.items():
            value = measure()
            if turn:
                found[name].append(value)
    return found


def _digits(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
