"""The searched part of a configuration: ranges, choices, alternatives with their own spaces."""

import itertools
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from study.file.ranges import NumberKind as NumberKind
from study.file.ranges import NumberRange as NumberRange
from study.file.ranges import SpaceError as SpaceError
from study.file.ranges import parse_range

Point = dict[str, Any]
KindOf = Callable[[str, str | None], NumberKind | None]
"""Path and, within an alternative, its component's name → what numbers it takes; None: unknown."""

MOST_PATHS = 100
"""Paths of a space, those of all alternatives included."""
MOST_CHOICES = 1000
"""Of one list."""
MOST_ALTERNATIVES = 2000
"""Choices of all lists of a space together."""


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
        return parse_range(path, value, kind_of(path, component))
    if isinstance(value, list):
        return _parse_choice(path, value, kind_of)
    raise SpaceError(
        path, f"must be a range {{low: …, high: …}} or a list of choices, but got `{value}`"
    )


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
    if domain.is_continuous:
        raise SpaceError(path, "a grid needs a `step` or a list of values, but got a range")
    return domain.size


def describe_point(point: Mapping[str, object]) -> str:
    """Return a point as people write it: ``beta=0.3``; the last part of a path is enough."""
    parts = []
    for path, value in point.items():
        shown = f"{value:.4g}" if isinstance(value, float) else str(value)
        parts.append(f"{path.rpartition('.')[2]}={shown}")
    return " ".join(parts)
