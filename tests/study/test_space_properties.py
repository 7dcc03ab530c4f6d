"""What holds of every space and every point of it, whatever the study file says."""

import copy
import itertools
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from study.file import points as file_points
from study.file.space import Choice, Domain, NumberRange, Space, domains_by_path, parse_space

numbers = st.integers(-20, 20)


@st.composite
def whole_ranges(draw: st.DrawFn) -> dict[str, Any]:
    low, size = draw(numbers), draw(st.integers(1, 6))
    section: dict[str, Any] = {"low": low, "high": low + size}
    if draw(st.booleans()):
        section["step"] = draw(st.integers(1, size))
    return section


@st.composite
def stepped_ranges(draw: st.DrawFn) -> dict[str, Any]:
    step = draw(st.sampled_from([0.05, 0.1, 0.25, 0.3, 1e-4]))
    low, steps = draw(numbers), draw(st.integers(1, 6))
    # As a person writes them: 0.3 and not 0.30000000000000004.
    return {"low": round(low * step, 6), "high": round((low + steps) * step, 6), "step": step}


@st.composite
def fraction_ranges(draw: st.DrawFn) -> dict[str, Any]:
    low = draw(st.floats(1e-4, 1))
    return {"low": low, "high": low + draw(st.floats(0.01, 10)), "log": draw(st.booleans())}


scalars = st.one_of(
    st.booleans(), st.integers(2, 9), st.sampled_from(["x", "y", "z"]), st.just(2.5), st.none()
)
plain_choices = st.lists(scalars, min_size=1, max_size=4, unique_by=lambda value: value)
discrete = st.one_of(whole_ranges(), stepped_ranges(), plain_choices)


@st.composite
def alternatives(draw: st.DrawFn, inner: st.SearchStrategy[Any]) -> list[dict[str, Any]]:
    """A choice among components; no two of them search the same setting."""
    names = draw(st.lists(st.sampled_from("pqrs"), min_size=1, max_size=3, unique=True))
    return [
        {
            "name": name,
            "fixed": draw(st.integers(0, 3)),
            **{f"{name}{n}": draw(inner) for n in range(draw(st.integers(0, 2)))},
        }
        for name in names
    ]


def sections(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    searched = st.one_of(inner, alternatives(inner), alternatives(alternatives(inner)))
    paths = st.sampled_from(["a", "b.c", "b.d", "e.f.g"])
    return st.dictionaries(paths, searched, max_size=3)


grids = sections(discrete).map(parse_space)
spaces = sections(st.one_of(discrete, fraction_ranges())).map(parse_space)


def size_of(space: Space) -> int:
    return file_points.grid_size(space)


@st.composite
def points(draw: st.DrawFn, space: Space) -> dict[str, Any]:
    def choose(path: str, domain: Domain) -> Any:
        if isinstance(domain, NumberRange):
            return draw(st.floats(domain.low, domain.high))
        return draw(st.sampled_from(domain.labels))

    return file_points.walk_space(space, choose)


def ranges_of(space: Space) -> Iterator[NumberRange]:
    for domains in domains_by_path(space).values():
        yield from (domain for domain in domains if isinstance(domain, NumberRange))


def value_at(nested: Mapping[str, Any], path: str) -> Any:
    value: Any = nested
    for part in path.split("."):
        value = value[part]
    return value


@given(grids)
def test_a_grid_has_as_many_points_as_it_says_and_no_two_are_equal(space: Space) -> None:
    assume(size_of(space) <= 300)
    found = list(file_points.grid_points(space))
    assert len(found) == size_of(space)
    assert len({file_points.point_word(point) for point in found}) == len(found)


@given(grids)
def test_every_point_of_a_grid_belongs_to_its_space(space: Space) -> None:
    for number in range(min(size_of(space), 50)):
        assert file_points.is_point_of(file_points.grid_point(space, number), space)


@given(st.dictionaries(st.sampled_from("abcd"), discrete, max_size=3).map(parse_space))
def test_the_last_path_of_a_grid_varies_fastest(space: Space) -> None:
    assume(size_of(space) <= 300)
    values = [
        domain.labels if isinstance(domain, Choice) else [domain.at(n) for n in range(domain.size)]
        for domain in space.values()
    ]
    expected = [dict(zip(space, row, strict=True)) for row in itertools.product(*values)]
    assert list(file_points.grid_points(space)) == expected


@given(st.data(), spaces)
def test_every_walk_gives_a_point_of_the_space(data: st.DataObject, space: Space) -> None:
    point = data.draw(points(space))
    assert file_points.is_point_of(point, space)
    assert set(file_points.reached_domains(space, point)) == set(point)


@given(st.data(), spaces)
def test_a_point_with_a_path_too_few_or_too_many_is_none(data: st.DataObject, space: Space) -> None:
    point = data.draw(points(space))
    assert not file_points.is_point_of({**point, "nowhere": 1}, space)
    for path in point:
        left = {other: value for other, value in point.items() if other != path}
        assert not file_points.is_point_of(left, space)


@given(st.data(), spaces)
def test_a_point_survives_the_journey_through_json(data: st.DataObject, space: Space) -> None:
    point = data.draw(points(space))
    again = json.loads(json.dumps(point))
    assert file_points.is_point_of(again, space)
    assert file_points.point_word(again) == file_points.point_word(point)


@given(spaces)
def test_corners_belong_to_the_space_and_reach_all_of_it(space: Space) -> None:
    corners = list(file_points.corner_points(space))
    assert all(file_points.is_point_of(corner, space) for corner in corners)
    assert {path for corner in corners for path in corner} == set(domains_by_path(space))


@given(spaces, st.integers(1, 30))
def test_end_combinations_are_points_and_never_more_than_asked_for(space: Space, most: int) -> None:
    found = list(file_points.end_combinations(space, most=most))
    assert len(found) <= most
    assert all(file_points.is_point_of(point, space) for point in found)


@given(st.data(), spaces)
def test_what_is_snapped_is_held_and_snaps_to_itself(data: st.DataObject, space: Space) -> None:
    for held in ranges_of(space):
        snapped = held.snap(data.draw(st.floats(held.low, held.high)))
        assert held.contains(snapped)
        assert held.snap(snapped) == snapped
        assert isinstance(snapped, int) is held.integer


@given(grids)
def test_the_values_of_a_range_rise_by_its_step_from_its_low_end(space: Space) -> None:
    for held in ranges_of(space):
        values = [held.at(number) for number in range(held.size)]
        assert values[0] == held.low and values[-1] == held.last <= held.high + 1e-9
        for lower, upper in itertools.pairwise(values):
            assert math.isclose(upper - lower, held.step or 1, rel_tol=1e-9)


@given(st.data(), spaces)
def test_applying_a_point_sets_its_values_and_leaves_the_rest(
    data: st.DataObject, space: Space
) -> None:
    point = data.draw(points(space))
    trial = {"untouched": {"k": [1]}, "b": {"other": 3}}
    before = copy.deepcopy(trial)
    applied = file_points.apply_point(trial, point, space)
    assert trial == before, "the shared part of the study is not changed"
    assert applied["untouched"] == {"k": [1]} and applied["b"]["other"] == 3
    for path, domain in file_points.reached_domains(space, point).items():
        if isinstance(domain, NumberRange):
            assert value_at(applied, path) == point[path]
        else:
            option = domain.option(point[path])
            assert option is not None
            value = value_at(applied, path)
            fixed = option.value.items() if isinstance(option.value, Mapping) else ()
            assert all(value[key] == inner for key, inner in fixed)
            assert isinstance(option.value, Mapping) or value == option.value


@given(st.data(), spaces)
def test_a_written_out_alternative_gets_its_label_and_a_label_stays(
    data: st.DataObject, space: Space
) -> None:
    point = data.draw(points(space))
    assert file_points.with_labels(space, point) == point
    written = dict(point)
    for path, domain in file_points.reached_domains(space, point).items():
        if isinstance(domain, Choice):
            option = domain.option(point[path])
            assert option is not None
            written[path] = option.value
    assert file_points.with_labels(space, written) == point
