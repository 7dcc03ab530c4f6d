"""The points of a space: choosing, counting, comparing and applying them."""

import bisect
import copy
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from study.file.space import (
    Alternative,
    Choice,
    Domain,
    NumberRange,
    Point,
    Space,
    SpaceError,
    count_points,
    count_values,
)


def with_labels(searched: Space, point: Mapping[str, Any]) -> Point:
    """Return the point with the label of each alternative that it writes out."""
    labelled: Point = {}
    for path in sorted(point, key=lambda path: path.count(".")):
        domain, value = reached_domains(searched, labelled).get(path), point[path]
        if isinstance(domain, Choice) and isinstance(value, Mapping | list):
            value = next((o.label for o in domain.options if o.value == value), value)
        labelled[path] = value
    return {path: labelled[path] for path in point}


def reference_point(searched: Space, given: Mapping[str, Any]) -> Point:
    """Return a point that a race names, as the space writes it.

    A component may be given by the path of its name, as in ``regularizer.name: mixup``.
    """
    components = {
        path.removesuffix(".name") if path.removesuffix(".name") in searched else path: value
        for path, value in given.items()
    }
    return with_labels(searched, components)


def walk_space(space: Space, choose: Callable[[str, Domain], Any]) -> Point:
    """Choose a value for every path, and for the paths of the alternatives chosen on the way."""
    point: Point = {}
    for path, domain in space.items():
        value = choose(path, domain)
        point[path] = domain.snap(value) if isinstance(domain, NumberRange) else value
        if isinstance(domain, Choice):
            option = domain.option(point[path])
            assert option is not None, f"{path}: no alternative {point[path]}"
            point |= walk_space(option.space, choose)
    return point


def point_word(point: Mapping[str, Any]) -> str:
    """Return a text that is the same for equal points."""
    return json.dumps(point, sort_keys=True)


def is_point_of(point: Mapping[str, Any], space: Space) -> bool:
    """Return whether the point is one of the space: no path missing, none left over."""
    try:
        walked = walk_space(space, lambda path, domain: _held_value(point, path, domain))
    except LookupError:
        return False
    return set(walked) == set(point)


def _held_value(point: Mapping[str, Any], path: str, domain: Domain) -> Any:
    if path not in point or not domain.contains(point[path]):
        raise LookupError(path)
    return point[path]


def grid_points(space: Space) -> Iterator[Point]:
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
    return count_points(space)


def space_size(space: Space) -> int | None:
    """Return how many points a space has, or None where a range of fractions has no end of them."""
    try:
        return grid_size(space)
    except SpaceError:
        return None


def may_repeat(space: Space) -> bool:
    """Return whether two draws may well be one point: no range of fractions is in some points."""
    return all(
        any(may_repeat(option.space) for option in domain.options)
        if isinstance(domain, Choice)
        else domain.integer or domain.step is not None
        for domain in space.values()
    )


def grid_point(space: Space, number: int) -> Point:
    """Return point `number` of a grid, counted from 0."""
    parts: list[Point] = []
    for path, domain in reversed(space.items()):
        number, position = divmod(number, count_values(path, domain))
        parts.append(_value_at(path, domain, position))
    return {path: value for part in reversed(parts) for path, value in part.items()}


def _value_at(path: str, domain: Domain, position: int) -> Point:
    """Return a value of a domain by its position, with the point of the alternative it is."""
    if isinstance(domain, NumberRange):
        return {path: domain.at(position)}
    ends = domain.ends
    chosen = bisect.bisect_right(ends, position)
    assert chosen < len(ends), f"{path} has no value {position}"
    option = domain.options[chosen]
    begin = ends[chosen - 1] if chosen else 0
    return {path: option.label, **grid_point(option.space, position - begin)}


def corner_points(space: Space) -> Iterator[Point]:
    """Return points that together hold every end of every range and every alternative."""

    def visit(inner: Space, fixed: Point) -> Iterator[Point]:
        for path, domain in inner.items():
            for end in _domain_ends(domain):
                chosen = {**fixed, path: end}
                yield walk_space(space, partial(_first_end, chosen))
                if isinstance(domain, Choice):
                    option = domain.option(end)
                    assert option is not None
                    yield from visit(option.space, chosen)

    yield from visit(space, {})


def end_combinations(space: Space, most: int) -> Iterator[Point]:
    """Return at most so many points: all combinations of ends and alternatives, if those suffice.

    Where there are more, the corners alone.
    """
    ends: Space = {path: _at_ends(domain) for path, domain in space.items()}
    found = list(itertools.islice(grid_points(ends), most + 1))
    yield from found if len(found) <= most else itertools.islice(corner_points(space), most)


def _at_ends(domain: Domain) -> Choice:
    if isinstance(domain, NumberRange):
        return Choice(
            tuple(Alternative(end, end, {}) for end in dict.fromkeys(_domain_ends(domain)))
        )
    return Choice(
        tuple(
            Alternative(
                o.label, o.value, {path: _at_ends(inner) for path, inner in o.space.items()}
            )
            for o in domain.options
        )
    )


def reached_domains(space: Space, point: Mapping[str, Any]) -> Space:
    """Return the domain of each path that an incomplete point leads to."""
    found: Space = {}
    for path, domain in space.items():
        found[path] = domain
        option = domain.option(point.get(path)) if isinstance(domain, Choice) else None
        if option is not None:
            found |= reached_domains(option.space, point)
    return found


def _first_end(chosen: Point, path: str, domain: Domain) -> Any:
    return chosen.get(path, _domain_ends(domain)[0])


def _domain_ends(domain: Domain) -> list[Any]:
    if isinstance(domain, NumberRange):
        return [domain.snap(domain.low), domain.snap(domain.last)]
    return list(domain.labels)


def apply_point(trial: Mapping[str, Any], point: Mapping[str, Any], space: Space) -> dict[str, Any]:
    """Return the `trial` part of a study file with the point's values set."""
    result = copy.deepcopy(dict(trial))
    # A component before its settings, whichever the file names first.
    for path, domain in sorted(space.items(), key=lambda item: item[0].count(".")):
        if isinstance(domain, NumberRange):
            _set_path(result, path, point[path])
            continue
        option = domain.option(point[path])
        assert option is not None, f"{path}: no alternative {point[path]}"
        _set_path(result, path, copy.deepcopy(option.value))
        result = apply_point(result, point, option.space)
    return result


def _set_path(nested: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for parent in parents:
        inner = nested.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise SpaceError(path, f"`{parent}` is a value, not a mapping")
        nested = inner
    nested[last] = value
