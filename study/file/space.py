"""The searched part of a configuration: ranges, choices, alternatives with their own spaces."""

import itertools
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal

Point = dict[str, Any]
NumberKind = Literal["whole", "fraction", "none"]
"""What numbers a setting takes; none where it takes a text, a list or true and false."""
KindOf = Callable[[str, str | None], NumberKind | None]
"""Path and, within an alternative, its component's name → what numbers it takes; None: unknown."""

MOST_PATHS = 100
"""Paths of a space, those of all alternatives included."""
MOST_CHOICES = 1000
"""Of one list."""
MOST_ALTERNATIVES = 2000
"""Choices of all lists of a space together."""
LARGEST_NUMBER = 1e15
"""The ends of ranges lie within it, above and below 0."""
MOST_STEPS = 10**9
"""Of one range."""
NARROWEST = 1e-9
"""A range's width, as a share of its larger end: a narrower one holds few numbers."""


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

    @cached_property
    def _by_label(self) -> dict[tuple[type, Any], "Alternative"]:
        return {(type(option.label), option.label): option for option in self.options}

    def option(self, label: object) -> "Alternative | None":
        """Return the alternative with this label, told apart by type too: 1 is not true."""
        hashable = isinstance(label, str | int | float | None)
        return self._by_label.get((type(label), label)) if hashable else None

    @cached_property
    def ends(self) -> list[int]:
        """How many points the alternatives up to each one have.

        Raises:
            SpaceError: for a range of fractions without a step.
        """
        return list(itertools.accumulate(count_points(option.space) for option in self.options))

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


def _unknown_kind(path: str, component: str | None) -> None:
    """Return None: of no setting is it known what numbers it takes."""


def parse_space(section: Mapping[str, Any], *, kind_of: KindOf = _unknown_kind) -> Space:
    """Read a space from plain data.

    Args:
        section: dotted path from `trial` → range or choices.
        kind_of: what numbers a setting takes; ranges become ranges of those.

    Raises:
        SpaceError: naming the path that is wrong.
    """
    space = _parse_part(section, "", None, kind_of)
    _check_size(space)
    return space


def _parse_part(
    section: Mapping[str, Any], prefix: str, component: str | None, kind_of: KindOf
) -> Space:
    space = {
        f"{prefix}{path}": _parse_domain(f"{prefix}{path}", value, component, kind_of)
        for path, value in section.items()
    }
    _check_paths(space)
    return space


def _check_size(space: Space) -> None:
    paths = domains_by_path(space)
    for number, path in enumerate(paths):
        if number == MOST_PATHS:
            raise SpaceError(path, f"a space has at most {MOST_PATHS} paths, but got {len(paths)}")
    choices = 0
    for path, domains in paths.items():
        choices += sum(len(domain.options) for domain in domains if isinstance(domain, Choice))
        if choices > MOST_ALTERNATIVES:
            rule = f"the lists of a space have at most {MOST_ALTERNATIVES:,} choices together"
            raise SpaceError(path, rule)


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


def _parse_domain(path: str, value: Any, component: str | None, kind_of: KindOf) -> Domain:
    if isinstance(value, Mapping):
        return _parse_range(path, value, kind_of(path, component))
    if isinstance(value, list):
        return _parse_choice(path, value, kind_of)
    raise SpaceError(
        path, f"must be a range {{low: …, high: …}} or a list of choices, but got `{value}`"
    )


def _parse_range(path: str, value: Mapping[str, Any], kind: NumberKind | None) -> NumberRange:
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


def _parse_choice(path: str, values: list[Any], kind_of: KindOf) -> Choice:
    if not values:
        raise SpaceError(path, "a list of choices needs at least one")
    if len(values) > MOST_CHOICES:
        rule = f"a list has at most {MOST_CHOICES:,} choices, but got {len(values):,}; use a range"
        raise SpaceError(path, rule)
    options = tuple(_parse_alternative(path, value, kind_of) for value in values)
    if _repeated_labels(options):
        # Two alternatives of one name: what they fix tells them apart.
        options = tuple(_label_by_all(option) for option in options)
    for label in _repeated_labels(options):
        raise SpaceError(path, f"the choice `{label}` is there twice")
    return Choice(options)


def _repeated_labels(options: tuple[Alternative, ...]) -> list[Any]:
    counts = Counter(option.label for option in options)  # 1, 1.0 and true are one to Optuna
    return [label for label, count in counts.items() if count > 1]


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


def _parse_alternative(path: str, value: Any, kind_of: KindOf) -> Alternative:
    if isinstance(value, float) and not math.isfinite(value):
        raise SpaceError(path, f"a choice must be finite, but got `{value}`")
    if not isinstance(value, Mapping):
        label = json.dumps(value) if isinstance(value, list) else value
        return Alternative(label, value, {})
    searched = {key: inner for key, inner in value.items() if is_searched(inner)}
    fixed = {key: inner for key, inner in value.items() if key not in searched}
    name = fixed.get("name")
    label = name if isinstance(name, str) else json.dumps(fixed, sort_keys=True)
    component = name if isinstance(name, str) else None
    return Alternative(label, fixed, _parse_part(searched, f"{path}.", component, kind_of))


def domains_by_path(space: Space) -> dict[str, list[Domain]]:
    """Return each path of the space, those of all alternatives included, with its domains."""
    found: dict[str, list[Domain]] = {}
    for path, domain in space.items():
        found.setdefault(path, []).append(domain)
        for option in domain.options if isinstance(domain, Choice) else ():
            for inner_path, inner in domains_by_path(option.space).items():
                found.setdefault(inner_path, []).extend(inner)
    return found


def count_points(space: Space) -> int:
    """Return how many points a space has.

    Raises:
        SpaceError: for a range of fractions without a step.
    """
    return math.prod(count_values(path, domain) for path, domain in space.items())


def count_values(path: str, domain: Domain) -> int:
    """Return how many values a domain has, those of its alternatives' own spaces included.

    Raises:
        SpaceError: for a range of fractions without a step.
    """
    if isinstance(domain, Choice):
        return domain.ends[-1]
    if domain.step is None and not domain.integer:
        raise SpaceError(path, "a grid needs a `step` or a list of values, but got a range")
    return domain.size
