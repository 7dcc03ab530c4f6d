"""The searched part of a configuration: ranges, choices, alternatives with their own spaces."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

Point = dict[str, Any]


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


@dataclass(frozen=True)
class Choice:
    """One of several alternatives, each under a label."""

    options: tuple["Alternative", ...]

    @property
    def labels(self) -> tuple[Any, ...]:
        """The labels in the file's order; a plain value is its own label."""
        return tuple(option.label for option in self.options)

    def option(self, label: object) -> "Alternative | None":
        """Return the alternative with this label, told apart by type too: 1 is not true."""
        for option in self.options:
            if option.label == label and type(option.label) is type(label):
                return option
        return None

    def contains(self, value: object) -> bool:
        """Return whether there is an alternative with this label."""
        return self.option(value) is not None


@dataclass(frozen=True)
class Alternative:
    """An alternative: what it fixes, and what is searched within it."""

    label: Any
    value: Any
    """Plain data; for a mapping, its fixed part."""
    space: "Space"
    """Keys are full paths from `trial`."""


Domain = NumberRange | Choice
Space = dict[str, Domain]


class SpaceError(ValueError):
    """A part of the space is wrong; `path` is where, from `trial`."""

    def __init__(self, path: str, rule: str) -> None:
        super().__init__(rule)
        self.path = path


def parse_space(section: Mapping[str, Any], prefix: str = "") -> Space:
    """Read a space from plain data.

    Raises:
        SpaceError: naming the path that is wrong.
    """
    space = {
        f"{prefix}{path}": _parse_domain(f"{prefix}{path}", value)
        for path, value in section.items()
    }
    _check_paths(space)
    return space


def _check_paths(space: Space) -> None:
    """Check that no path is searched twice, unless by alternatives that Optuna can tell apart."""
    for outer, option in _named_alternatives(space):
        fixed = option.value if isinstance(option.value, Mapping) else {}
        for path in (*domains_by_path(option.space), *(f"{outer}.{key}" for key in fixed)):
            if path in space:
                raise SpaceError(path, f"is decided twice: here and by a choice of `{outer}`")
    for path, found_domains in domains_by_path(space).items():
        kinds = {_shared_kind(domain) for domain in found_domains}
        if len(kinds) > 1:
            raise SpaceError(
                path,
                f"all alternatives that search `{path}` must list the same choices, "
                "or all have ranges of one kind: integers or fractions, log or not",
            )


def _named_alternatives(space: Space) -> Iterator[tuple[str, "Alternative"]]:
    for path, domain in space.items():
        for option in domain.options if isinstance(domain, Choice) else ():
            yield path, option


def _shared_kind(domain: Domain) -> object:
    """Return what two domains under one path must have in common."""
    return domain.labels if isinstance(domain, Choice) else (domain.integer, domain.log)


def is_searched(value: Any) -> bool:
    """Return whether plain data stands for a domain rather than for a value."""
    return isinstance(value, list) or (isinstance(value, Mapping) and "low" in value)


def _parse_domain(path: str, value: Any) -> Domain:
    if isinstance(value, Mapping):
        return _parse_range(path, value)
    if isinstance(value, list):
        return _parse_choice(path, value)
    raise SpaceError(
        path, f"must be a range {{low: …, high: …}} or a list of choices, but got `{value}`"
    )


def _parse_range(path: str, value: Mapping[str, Any]) -> NumberRange:
    unknown = set(value) - {"low", "high", "step", "log"}
    if unknown or not {"low", "high"} <= set(value):
        raise SpaceError(
            path, f"a range has low, high and perhaps step or log, but got {sorted(value)}"
        )
    for name in ("low", "high", "step"):
        number = value.get(name, 1)
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise SpaceError(path, f"`{name}` must be a number, but got `{number}`")
        if not math.isfinite(number):
            raise SpaceError(path, f"`{name}` must be finite, but got `{number}`")
    log = value.get("log", False)
    if not isinstance(log, bool):
        raise SpaceError(path, f"`log` must be true or false, but got `{log}`")
    low, high, step = value["low"], value["high"], value.get("step")
    if not low < high:
        raise SpaceError(path, f"`low < high` must hold, but got low={low}, high={high}")
    if step is not None and not 0 < _as_written(step) <= _as_written(high) - _as_written(low):
        raise SpaceError(
            path, f"`0 < step <= high - low` must hold, but got step={step}, low={low}, high={high}"
        )
    if log and (step is not None or low <= 0):
        raise SpaceError(path, f"`log` needs low above 0 and no step, but got low={low}, {step=}")
    whole = isinstance(low, int) and isinstance(high, int)
    if whole and step is not None and not isinstance(step, int):
        low, high = float(low), float(high)  # {low: 0, high: 1, step: 0.1} is meant in fractions
    return NumberRange(low=low, high=high, step=step, log=log)


def _as_written(number: float) -> Decimal:
    """Return the number as its digits say it: of floats, 0.15 - 0.1 would be less than 0.05."""
    return Decimal(str(number))


def _parse_choice(path: str, values: list[Any]) -> Choice:
    if not values:
        raise SpaceError(path, "a list of choices needs at least one")
    options = tuple(_parse_alternative(path, value) for value in values)
    if _repeated_labels(options):
        # Two alternatives of one name: what they fix tells them apart.
        options = tuple(_label_by_all(option) for option in options)
    for label in _repeated_labels(options):
        raise SpaceError(path, f"the choice `{label}` is there twice")
    return Choice(options)


def _repeated_labels(options: tuple[Alternative, ...]) -> list[Any]:
    labels = [option.label for option in options]  # 1, 1.0 and true are one to Optuna
    return [label for label in labels if labels.count(label) > 1]


def _label_by_all(option: Alternative) -> Alternative:
    """Return the alternative labelled by all that it fixes: ``vanilla smoothing=0.1``."""
    if not isinstance(option.value, Mapping):
        return option
    fixed = {key: value for key, value in option.value.items() if key != "name"}
    words = [
        f"{key}={value if isinstance(value, str) else json.dumps(value)}"
        for key, value in fixed.items()
    ]
    return Alternative(
        " ".join([str(option.value.get("name", "")), *words]), option.value, option.space
    )


def _parse_alternative(path: str, value: Any) -> Alternative:
    if isinstance(value, float) and not math.isfinite(value):
        raise SpaceError(path, f"a choice must be finite, but got `{value}`")
    if not isinstance(value, Mapping):
        label = json.dumps(value) if isinstance(value, list) else value
        return Alternative(label, value, {})
    searched = {key: inner for key, inner in value.items() if is_searched(inner)}
    fixed = {key: inner for key, inner in value.items() if key not in searched}
    label = fixed.get("name", json.dumps(fixed, sort_keys=True))
    return Alternative(label, fixed, parse_space(searched, f"{path}."))


def domains_by_path(space: Space) -> dict[str, list[Domain]]:
    """Return each path of the space, those of all alternatives included, with its domains."""
    found: dict[str, list[Domain]] = {}
    for path, domain in space.items():
        found.setdefault(path, []).append(domain)
        for option in domain.options if isinstance(domain, Choice) else ():
            for inner_path, inner in domains_by_path(option.space).items():
                found.setdefault(inner_path, []).extend(inner)
    return found
