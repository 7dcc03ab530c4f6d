"""What holds of laying any patch over any document: scales over files, flags over scales."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from study.file.document import (
    FLAG,
    DocumentSection,
    as_plain_data,
    line_of,
    override_document,
    parse_flags,
    parse_yaml,
)

KEYS = ("name", "trial", "search", "space", "a", "b")
values = st.one_of(st.integers(0, 5), st.sampled_from(["x", "y"]), st.lists(st.integers(0, 2)))


def documents(leaves: st.SearchStrategy[Any] = values) -> st.SearchStrategy[dict[str, Any]]:
    """Nested mappings whose `name` is a text, as it is in every component."""
    inner = st.recursive(
        leaves,
        lambda child: named(st.dictionaries(st.sampled_from(KEYS[1:]), child, max_size=3)),
        max_leaves=8,
    )
    return named(st.dictionaries(st.sampled_from(KEYS[1:]), inner, max_size=4))


def named(mappings: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    names = st.one_of(st.none(), st.sampled_from(["lamix", "mixup"]))
    return st.builds(lambda it, name: it if name is None else {"name": name, **it}, mappings, names)


SHAPE: dict[str, Any] = {"a": {"b": None, "c": {"d": None, "e": None}}, "f": None, "g": {"h": None}}
"""A mapping here is one in each of `alike`, so that none of them replaces a mapping by a value."""


def parts(shape: Mapping[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    keys = {key: values if inner is None else parts(inner) for key, inner in shape.items()}
    return st.fixed_dictionaries({}, optional=keys)


alike = parts(SHAPE)


def as_document(data: dict[str, Any], *, shift: int = 0) -> DocumentSection:
    """Return the data as a file holds it, its lines counted from `shift` + 1."""
    text = "#\n" * shift + yaml.safe_dump(data, sort_keys=False)
    document = parse_yaml(text, "f.yaml")
    assert isinstance(document, DocumentSection)
    return document


def sections_of(document: Any) -> Iterator[DocumentSection]:
    if isinstance(document, DocumentSection):
        yield document
        for inner in document.values():
            yield from sections_of(inner)


def leaves_of(data: Mapping[str, Any], at: tuple[str, ...] = ()) -> Iterator[tuple[tuple, Any]]:
    for key, value in data.items():
        if isinstance(value, Mapping):
            yield from leaves_of(value, (*at, key))
        else:
            yield (*at, key), value


def value_at(data: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        data = data[part]
    return data


def with_dots(data: Mapping[str, Any]) -> dict[str, Any]:
    """Write every leaf as one dotted key; a mapping without leaves has none."""
    return {".".join(path): value for path, value in leaves_of(data)}


@given(documents(), documents())
def test_overriding_twice_is_overriding_once(base: dict, patch: dict) -> None:
    once = override_document(as_document(base), as_document(patch))
    assert override_document(once, as_document(patch)) == once


@given(documents())
def test_an_empty_patch_and_the_document_itself_change_nothing(base: dict) -> None:
    document = as_document(base)
    for patch in (DocumentSection(), document):
        result = override_document(document, patch)
        assert result == document
        assert list(s.lines for s in sections_of(result)) == [
            s.lines for s in sections_of(document)
        ]


@given(documents(), documents())
def test_overriding_changes_neither_document(base: dict, patch: dict) -> None:
    first, second = as_document(base), as_document(patch)
    lines = [copy.deepcopy([s.lines for s in sections_of(one)]) for one in (first, second)]
    override_document(first, second)
    assert (first, second) == (base, patch)
    assert [[s.lines for s in sections_of(one)] for one in (first, second)] == lines


@given(documents(), documents())
def test_every_value_of_the_patch_is_in_the_result(base: dict, patch: dict) -> None:
    result = override_document(as_document(base), as_document(patch))
    for path, value in leaves_of(patch):
        assert value_at(result, path) == value


@given(documents(), documents())
def test_a_value_of_the_result_is_one_of_the_two(base: dict, patch: dict) -> None:
    known = [*leaves_of(base), *leaves_of(patch)]
    result = override_document(as_document(base), as_document(patch))
    assert all(leaf in known for leaf in leaves_of(result))


@given(documents(), documents())
def test_every_key_of_the_result_knows_the_line_that_says_it(base: dict, patch: dict) -> None:
    first, second = as_document(base), as_document(patch, shift=1000)
    result = override_document(first, second)
    for section in sections_of(result):
        assert set(section.lines) == set(section)
    for path, value in leaves_of(result):
        line = line_of(result, path)
        assert line is not None
        origin = patch if line > 1000 else base
        assert value_at(origin, path) == value


@given(alike, alike, alike)
def test_patches_of_one_shape_may_be_laid_together_first(a: dict, b: dict, c: dict) -> None:
    base, first, second = as_document(a), as_document(b), as_document(c)
    one_by_one = override_document(override_document(base, first), second)
    together = override_document(base, override_document(first, second))
    assert one_by_one == together


@given(alike, alike)
def test_dotted_keys_are_the_mappings_they_stand_for(base: dict, patch: dict) -> None:
    dotted = DocumentSection(with_dots(patch))
    nested = parse_flags([])
    for path, value in leaves_of(patch):
        inner: Any = value
        for key in reversed(path):
            inner = DocumentSection({key: inner})
        nested = override_document(nested, inner)
    assert override_document(base, dotted) == override_document(base, nested)


@given(documents(), alike)
def test_flags_are_the_strongest_and_say_so(base: dict, wanted: dict) -> None:
    flags = [f"{path}={value!r}" for path, value in with_dots(wanted).items()]
    result = override_document(as_document(base), parse_flags(flags))
    for path, value in leaves_of(wanted):
        assert value_at(result, path) == value
        assert line_of(result, path) == FLAG


@given(
    alike, st.lists(st.tuples(st.sampled_from(["a.b", "a.c.d", "f", "g.h"]), values), max_size=6)
)
def test_flags_together_are_the_flags_one_after_the_other(base: dict, flags: list) -> None:
    texts = [f"{path}={value!r}" for path, value in flags]
    one_by_one: Any = as_document(base)
    for text in texts:
        one_by_one = override_document(one_by_one, parse_flags([text]))
    assert override_document(as_document(base), parse_flags(texts)) == one_by_one


@given(documents())
def test_plain_data_equals_the_document_and_has_no_lines(base: dict) -> None:
    plain = as_plain_data(as_document(base))
    assert plain == base
    assert not list(sections_of(plain)) and type(plain) is dict
