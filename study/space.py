"""The searched part of a configuration: ranges, choices, and alternatives with spaces of their own.

A point of the space is a flat mapping from dotted path to value, the same names and values that
Optuna holds. A choice among alternatives has the alternative's label as its value, and the paths of
the alternative's own space below it.
"""

import copy
import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

Point = dict[str, Any]


@dataclass(frozen=True)
class Range:
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
        number = round((Decimal(str(value)) - Decimal(str(self.low))) / Decimal(str(self.step)))
        return self.at(min(max(number, 0), self._steps()))

    @property
    def size(self) -> int:
        """How many values a range with a step holds, or a range of integers."""
        return self._steps() + 1

    def _steps(self) -> int:
        low, high = Decimal(str(self.low)), Decimal(str(self.high))
        return int((high - low) / Decimal(str(self.step or 1)))

    def at(self, number: int) -> float:
        """Return a value of a range with a step, or of integers, by its number from 0."""
        value = Decimal(str(self.low)) + number * Decimal(str(self.step or 1))
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

    options: tuple["Option", ...]

    @property
    def labels(self) -> tuple[Any, ...]:
        """The labels in the file's order; a plain value is its own label."""
        return tuple(option.label for option in self.options)

    def option(self, label: object) -> "Option | None":
        """Return the alternative with this label, told apart by type too: 1 is not true."""
        for option in self.options:
            if option.label == label and type(option.label) is type(label):
                return option
        return None

    def contains(self, value: object) -> bool:
        """Return whether there is an alternative with this label."""
        return self.option(value) is not None


@dataclass(frozen=True)
class Option:
    """An alternative: what it fixes, and what is searched within it."""

    label: Any
    value: Any
    """Plain data; for a mapping, its fixed part."""
    space: "Space"
    """Keys are full paths from `trial`."""


Domain = Range | Choice
Space = dict[str, Domain]


class SpaceError(ValueError):
    """A part of the space is wrong; `path` is where, from `trial`."""

    def __init__(self, path: str, rule: str) -> None:
        super().__init__(rule)
        self.path = path


def parse(section: Mapping[str, Any], prefix: str = "") -> Space:
    """Read a space from plain data.

    Raises:
        SpaceError: naming the path that is wrong.
    """
    space = {
        f"{prefix}{path}": _domain(f"{prefix}{path}", value) for path, value in section.items()
    }
    _check_paths(space)
    return space


def _check_paths(space: Space) -> None:
    """Check that no path is searched twice, unless by alternatives that Optuna can tell apart."""
    for outer, option in _alternatives(space):
        fixed = option.value if isinstance(option.value, Mapping) else {}
        for path in (*domains(option.space), *(f"{outer}.{key}" for key in fixed)):
            if path in space:
                raise SpaceError(path, f"is decided twice: here and by a choice of `{outer}`")
    for path, found_domains in domains(space).items():
        kinds = {_kind(domain) for domain in found_domains}
        if len(kinds) > 1:
            raise SpaceError(
                path,
                f"all alternatives that search `{path}` must list the same choices, "
                "or all have ranges of one kind: integers or fractions, log or not",
            )


def _alternatives(space: Space) -> Iterator[tuple[str, "Option"]]:
    for path, domain in space.items():
        for option in domain.options if isinstance(domain, Choice) else ():
            yield path, option


def _kind(domain: Domain) -> object:
    """Return what two domains under one path must have in common."""
    return domain.labels if isinstance(domain, Choice) else (domain.integer, domain.log)


def is_searched(value: Any) -> bool:
    """Return whether plain data stands for a domain rather than for a value."""
    return isinstance(value, list) or (isinstance(value, Mapping) and "low" in value)


def _domain(path: str, value: Any) -> Domain:
    if isinstance(value, Mapping):
        return _range(path, value)
    if isinstance(value, list):
        return _choice(path, value)
    raise SpaceError(
        path, f"must be a range {{low: …, high: …}} or a list of choices, but got `{value}`"
    )


def _range(path: str, value: Mapping[str, Any]) -> Range:
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
    if step is not None and not 0 < step <= high - low:
        raise SpaceError(
            path, f"`0 < step <= high - low` must hold, but got step={step}, low={low}, high={high}"
        )
    if log and (step is not None or low <= 0):
        raise SpaceError(path, f"`log` needs low above 0 and no step, but got low={low}, {step=}")
    whole = isinstance(low, int) and isinstance(high, int)
    if whole and step is not None and not isinstance(step, int):
        low, high = float(low), float(high)  # {low: 0, high: 1, step: 0.1} is meant in fractions
    return Range(low=low, high=high, step=step, log=log)


def _choice(path: str, values: list[Any]) -> Choice:
    if not values:
        raise SpaceError(path, "a list of choices needs at least one")
    options = tuple(_option(path, value) for value in values)
    if _repeated(options):
        # Two alternatives of one name: what they fix tells them apart.
        options = tuple(_relabelled(option) for option in options)
    for label in _repeated(options):
        raise SpaceError(path, f"the choice `{label}` is there twice")
    return Choice(options)


def _repeated(options: tuple[Option, ...]) -> list[Any]:
    labels = [option.label for option in options]  # 1, 1.0 and true are one to Optuna
    return [label for label in labels if labels.count(label) > 1]


def _relabelled(option: Option) -> Option:
    """Return the alternative labelled by all that it fixes: ``vanilla smoothing=0.1``."""
    if not isinstance(option.value, Mapping):
        return option
    fixed = {key: value for key, value in option.value.items() if key != "name"}
    words = [
        f"{key}={value if isinstance(value, str) else json.dumps(value)}"
        for key, value in fixed.items()
    ]
    return Option(" ".join([str(option.value.get("name", "")), *words]), option.value, option.space)


def _option(path: str, value: Any) -> Option:
    if isinstance(value, float) and not math.isfinite(value):
        raise SpaceError(path, f"a choice must be finite, but got `{value}`")
    if not isinstance(value, Mapping):
        label = json.dumps(value) if isinstance(value, list) else value
        return Option(label, value, {})
    searched = {key: inner for key, inner in value.items() if is_searched(inner)}
    fixed = {key: inner for key, inner in value.items() if key not in searched}
    label = fixed.get("name", json.dumps(fixed, sort_keys=True))
    return Option(label, fixed, parse(searched, f"{path}."))


def domains(space: Space) -> dict[str, list[Domain]]:
    """Return each path of the space, those of all alternatives included, with its domains."""
    found: dict[str, list[Domain]] = {}
    for path, domain in space.items():
        found.setdefault(path, []).append(domain)
        for option in domain.options if isinstance(domain, Choice) else ():
            for inner_path, inner in domains(option.space).items():
                found.setdefault(inner_path, []).extend(inner)
    return found


def walk(space: Space, choose: Callable[[str, Domain], Any]) -> Point:
    """Choose a value for every path, and for the paths of the alternatives chosen on the way."""
    point: Point = {}
    for path, domain in space.items():
        value = choose(path, domain)
        point[path] = domain.snap(value) if isinstance(domain, Range) else value
        if isinstance(domain, Choice):
            option = domain.option(point[path])
            assert option is not None, f"{path}: no alternative {point[path]}"
            point |= walk(option.space, choose)
    return point


def word(point: Mapping[str, Any]) -> str:
    """Return a text that is the same for equal points."""
    return json.dumps(point, sort_keys=True)


def belongs(point: Mapping[str, Any], space: Space) -> bool:
    """Return whether the point is one of the space: no path missing, none left over."""
    try:
        walked = walk(space, lambda path, domain: _held(point, path, domain))
    except LookupError:
        return False
    return set(walked) == set(point)


def _held(point: Mapping[str, Any], path: str, domain: Domain) -> Any:
    if path not in point or not domain.contains(point[path]):
        raise LookupError(path)
    return point[path]


def grid(space: Space) -> Iterator[Point]:
    """Return all points of a space without continuous ranges, the last path varying fastest.

    Raises:
        SpaceError: for a range of fractions without a step.
    """
    return (grid_point(space, number) for number in range(grid_size(space)))


def grid_size(space: Space) -> int:
    """Return how many points a grid has; it is never listed, since it may have millions.

    Raises:
        SpaceError: for a range of fractions without a step.
    """
    return math.prod(_size(path, domain) for path, domain in space.items())


def _size(path: str, domain: Domain) -> int:
    if isinstance(domain, Choice):
        return sum(grid_size(option.space) for option in domain.options)
    if domain.step is None and not domain.integer:
        raise SpaceError(path, "a grid needs a `step` or a list of values, but got a range")
    return domain.size


def grid_point(space: Space, number: int) -> Point:
    """Return point `number` of a grid, counted from 0."""
    parts: list[Point] = []
    for path, domain in reversed(space.items()):
        number, position = divmod(number, _size(path, domain))
        parts.append(_part(path, domain, position))
    return {path: value for part in reversed(parts) for path, value in part.items()}


def _part(path: str, domain: Domain, position: int) -> Point:
    """Return a value of a domain by its position, with the point of the alternative it is."""
    if isinstance(domain, Range):
        return {path: domain.at(position)}
    for option in domain.options:
        if position < (size := grid_size(option.space)):
            return {path: option.label, **grid_point(option.space, position)}
        position -= size
    raise AssertionError(f"{path} has no value {position}")


def corners(space: Space) -> Iterator[Point]:
    """Return points that together hold every end of every range and every alternative."""

    def visit(inner: Space, fixed: Point) -> Iterator[Point]:
        for path, domain in inner.items():
            for end in _ends(domain):
                chosen = {**fixed, path: end}
                yield walk(space, partial(_first_end, chosen))
                if isinstance(domain, Choice):
                    option = domain.option(end)
                    assert option is not None
                    yield from visit(option.space, chosen)

    yield from visit(space, {})


def combinations(space: Space, most: int) -> Iterator[Point]:
    """Return at most so many points: all combinations of ends and alternatives, if those suffice.

    Where there are more, the corners alone.
    """
    ends: Space = {path: _at_ends(domain) for path, domain in space.items()}
    found = list(itertools.islice(grid(ends), most + 1))
    yield from found if len(found) <= most else itertools.islice(corners(space), most)


def _at_ends(domain: Domain) -> Choice:
    if isinstance(domain, Range):
        return Choice(tuple(Option(end, end, {}) for end in dict.fromkeys(_ends(domain))))
    return Choice(
        tuple(
            Option(o.label, o.value, {path: _at_ends(inner) for path, inner in o.space.items()})
            for o in domain.options
        )
    )


def reached(space: Space, point: Mapping[str, Any]) -> Space:
    """Return the domain of each path that an incomplete point leads to."""
    found: Space = {}
    for path, domain in space.items():
        found[path] = domain
        option = domain.option(point.get(path)) if isinstance(domain, Choice) else None
        if option is not None:
            found |= reached(option.space, point)
    return found


def _first_end(chosen: Point, path: str, domain: Domain) -> Any:
    return chosen.get(path, _ends(domain)[0])


def _ends(domain: Domain) -> list[Any]:
    if isinstance(domain, Range):
        return [domain.snap(domain.low), domain.snap(domain.last)]
    return list(domain.labels)


def apply(trial: Mapping[str, Any], point: Mapping[str, Any], space: Space) -> dict[str, Any]:
    """Return the `trial` part of a study file with the point's values set."""
    result = copy.deepcopy(dict(trial))
    # A component before its settings, whichever the file names first.
    for path, domain in sorted(space.items(), key=lambda item: item[0].count(".")):
        if isinstance(domain, Range):
            _set(result, path, point[path])
            continue
        option = domain.option(point[path])
        assert option is not None, f"{path}: no alternative {point[path]}"
        _set(result, path, copy.deepcopy(option.value))
        result = apply(result, point, option.space)
    return result


def _set(nested: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for parent in parents:
        inner = nested.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise SpaceError(path, f"`{parent}` is a value, not a mapping")
        nested = inner
    nested[last] = value
