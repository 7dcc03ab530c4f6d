"""The JSON Schema as it is written: what is shared in it means what was written out before."""

import json
import re
from typing import Any

import pytest

from study.file.schema import COMPONENT_NAME, json_schema, whole_schema
from study.file.schema_sharing import dense_json, share_repeats

MOST_BYTES = 250_000
"""Of the file; written out, its parts take more than twice that."""


def resolved(schema: dict[str, Any], pointer: str) -> Any:
    """Return what a pointer points at; every step must be there."""
    node: Any = schema
    for step in pointer.removeprefix("#/").split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        node = node[int(name)] if isinstance(node, list) else node[name]
    return node


def bare(node: dict[str, Any]) -> dict[str, Any]:
    """Return a part without what editors alone read of it: its title and its default."""
    return {k: v for k, v in node.items() if not (k == "title" and isinstance(v, str))} | {
        "default": None
    }


def assert_same(whole: Any, shared: Any, schema: dict[str, Any], place: str = "") -> None:
    """Compare two parts, following the references that the sharing has put in."""
    if isinstance(whole, list):
        assert len(whole) == len(shared), place
        for number, (one, other) in enumerate(zip(whole, shared, strict=True)):
            assert_same(one, other, schema, f"{place}/{number}")
        return
    if not isinstance(whole, dict):
        assert whole == shared, place
        return
    seen: set[str] = set()
    while "$ref" in shared and shared.get("$ref") != whole.get("$ref"):
        assert shared["$ref"] not in seen, f"a circle at {place}"
        seen.add(shared["$ref"])
        shared = resolved(schema, shared["$ref"])
    if "default" in whole and "$ref" not in whole:
        assert shared["default"] == whole["default"], place
    one, other = bare(whole), bare(shared)
    assert one.keys() == other.keys(), place
    for key in one:
        assert_same(one[key], other[key], schema, f"{place}/{key}")


def test_following_every_reference_gives_the_schema_that_was_shared() -> None:
    renamed = json.loads(re.sub(COMPONENT_NAME, r"\1.\2", json.dumps(whole_schema())))
    shared = json_schema()
    assert renamed["$defs"].keys() == shared["$defs"].keys()
    assert_same(renamed, shared, shared)


def test_a_setting_keeps_its_default_and_its_description_where_it_is_set() -> None:
    beta = json_schema()["$defs"]["regularizers.lamix"]["properties"]["beta"]
    assert beta["default"] == 0.5 and "Eq. 10" in beta["description"]


def test_the_file_is_small_enough_for_an_editor() -> None:
    assert len(dense_json(json_schema()).encode()) < MOST_BYTES


def test_a_part_that_stands_twice_is_referred_to_at_its_first_place() -> None:
    part = {"type": "integer", "minimum": 1, "description": "How often a thing is done, at least."}
    shared = share_repeats(
        {
            "properties": {"often": part, "rarely": {"type": "null"}, "never": {"type": "null"}},
            "$defs": {"A": {"properties": {"a/b": {"title": "A", "default": 3, **part}}}},
        }
    )
    assert shared["$defs"]["A"]["properties"]["a/b"] == {"default": 3, **part}
    assert shared["properties"] == {
        "often": {"$ref": "#/$defs/A/properties/a~1b"},
        "rarely": {"type": "null"},  # a reference would be longer
        "never": {"type": "null"},
    }


def test_a_setting_called_title_is_no_title() -> None:
    schema = {"$defs": {}, "properties": {"title": {"type": "string", "title": "Title"}}}
    assert share_repeats(schema)["properties"] == {"title": {"type": "string"}}


@pytest.mark.parametrize("value", [{}, [], None, "ü", {"a": [1, {"b": "x" * 200}], "c": {"d": []}}])
def test_dense_text_is_json_of_the_same_value(value: Any) -> None:
    assert json.loads(dense_json(value)) == value
    assert json.loads(dense_json([value] * 30)) == [value] * 30


def test_dense_text_has_on_a_line_what_fits_into_it() -> None:
    value = {"short": {"a": 1, "b": [1, 2]}, "long": ["x" * 60, "y" * 60]}
    assert dense_json(value).splitlines() == [
        "{",
        ' "short": {"a": 1, "b": [1, 2]},',
        ' "long": [',
        f'  "{"x" * 60}",',
        f'  "{"y" * 60}"',
        " ]",
        "}",
    ]
