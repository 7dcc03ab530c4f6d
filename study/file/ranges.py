"""Ranges of numbers: what they hold, and how a study file writes them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

NumberKind = Literal["whole", "fraction", "none"]
"""What numbers a setting takes; none where it takes a text, a list or true and false."""

LARGEST_NUMBER = 1e15
"""The ends of ranges lie within it, above and below 0."""
MOST_STEPS = 10**9
"""Of one range."""
NARROWEST = 1e-9
"""A range's width, as a share of its larger end: a narrower one holds few numbers."""


class SpaceError(ValueError):
    """A part of the space is wrong; `path` is where, from `trial`."""

    def __init__(self, path: str, rule: str) -> None:
        super().__init__(rule)
        self.path = path


@dataclass(frozen=True)
class NumberRange:
    """Numbers from `low` to `high`, both included."""

    low: float
    high: float
    step: float | None = None
    log: bool = False

    @property
    def integer(self) -> bool:
        """Whether it is a range of integers: both ends are."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def is_continuous(self) -> bool:
        """Whether it is a range of fractions without a step."""
        return self.step is None and not self.integer

    @property
    def last(self) -> float:
        """The largest value that it holds: below `high` where the steps do not meet it."""
        return self.high if self.step is None else self.at(self._steps())

    def snap(self, value: float) -> float:
        """Return the nearest value that the range holds, as a person would write it: 0.3."""
        if self.step is None:
            return int(value) if self.integer else float(value)
        number = round((_as_written(value) - _as_written(self.low)) / _as_written(self.step))
        return self.at(min(max(number, 0), self._steps()))

    @property
    def size(self) -> int:
        """How many values a range with a step holds, or a range of integers."""
        return self._steps() + 1

    def _steps(self) -> int:
        return int((_as_written(self.high) - _as_written(self.low)) / _as_written(self.step or 1))

    def at(self, number: int) -> float:
        """Return a value of a range with a step, or of integers, by its number from 0."""
        value = _as_written(self.low) + number * _as_written(self.step or 1)
        return int(value) if self.integer else float(value)

    def contains(self, value: object) -> bool:
        """Return whether the range holds `value`."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if not self.low <= value <= self.high or (self.integer and value != int(value)):
            return False
        return self.step is None or abs(self.snap(value) - value) < 1e-9


def parse_range(path: str, value: Mapping[str, Any], kind: NumberKind | None) -> NumberRange:
    """Read a range, as numbers of the kind that its setting takes.

    Raises:
        SpaceError: naming the path that is wrong.
    """
    _check_range(path, value)
    low, high, step = value["low"], value["high"], value.get("step")
    if kind == "none":
        raise SpaceError(path, "takes no numbers, so list its choices instead of a range")
    if kind == "whole":
        low, high, step = (_whole_number(path, value, name) for name in ("low", "high", "step"))
    whole = isinstance(low, int) and isinstance(high, int)
    # {low: 0, high: 1, step: 0.1} is meant in fractions.
    if kind == "fraction" or (whole and step is not None and not isinstance(step, int)):
        low, high = float(low), float(high)
    return NumberRange(low=low, high=high, step=step, log=value.get("log", False))


def _whole_number(path: str, value: Mapping[str, Any], name: str) -> Any:
    number = value.get(name)
    if number is not None and number != int(number):
        raise SpaceError(path, f"takes whole numbers, but got {name}={number}")
    return None if number is None else int(number)


def _check_range(path: str, value: Mapping[str, Any]) -> None:
    unknown = set(value) - {"low", "high", "step", "log"}
    if unknown or not {"low", "high"} <= set(value):
        raise SpaceError(
            path, f"a range has low, high and perhaps step or log, but got {sorted(value)}"
        )
    low, high, step, log = value["low"], value["high"], value.get("step"), value.get("log")
    for name in ("low", "high", "step"):
        if name != "step" or step is not None:
            _check_number(path, name, value[name])
    if log is not None and not isinstance(log, bool):
        raise SpaceError(path, f"`log` must be true or false, but got `{log}`")
    if not low < high:
        raise SpaceError(path, f"`low < high` must hold, but got low={low}, high={high}")
    if high - low < NARROWEST * max(abs(low), abs(high)):
        raise SpaceError(path, f"low={low} and high={high} are as good as the same number")
    if step is not None and not 0 < _as_written(step) <= _as_written(high) - _as_written(low):
        raise SpaceError(
            path, f"`0 < step <= high - low` must hold, but got step={step}, low={low}, high={high}"
        )
    if step is not None and high - low > MOST_STEPS * step:
        raise SpaceError(path, f"a range has at most {MOST_STEPS:,} steps, but got {step=}")
    if log and (step is not None or low <= 0):
        raise SpaceError(path, f"`log` needs low above 0 and no step, but got low={low}, {step=}")


def _check_number(path: str, name: str, number: Any) -> None:
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise SpaceError(path, f"`{name}` must be a number, but got `{number}`")
    if not math.isfinite(number):
        raise SpaceError(path, f"`{name}` must be finite, but got `{number}`")
    if abs(number) > LARGEST_NUMBER:
        raise SpaceError(path, f"`{name}` must be within ±{LARGEST_NUMBER:g}, but got `{number}`")


def _as_written(number: float) -> Decimal:
    """Return the number as its digits say it: of floats, 0.15 - 0.1 would be less than 0.05."""
    return Decimal(str(number))
