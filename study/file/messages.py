"""Pydantic's errors in the words of the study file: dotted path, rule, value, nearest known key."""

import dataclasses
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pydantic

from trainables.settings import nearest_word

MistakePlace = tuple[list[str], type | None, dict[str, type]]
"""The path in the file, the settings class that owns its end, and that class's alternatives."""

RULES = {
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "dict_type": "must be a mapping",
    "dataclass_type": "must be a mapping",
    "tuple_type": "must be a list",
    "too_short": "must not be empty",
    "string_pattern_mismatch": "must be letters and digits, then also `_`, `.` and `-`",
    "finite_number": "must be finite",
    "less_than_equal": "must be at most {le:g}",
    "less_than": "must be below {lt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "greater_than": "must be above {gt:g}",
}
NAMELESS = ("union_tag_invalid", "union_tag_not_found")
"""Mistakes of a component's `name`, which pydantic reports of the whole component."""
SINGLE = ("int_type", "literal_error")
KINDS = {"dataset": "data set", "network": "network", "regularizer": "regularizer"}


def problems_of(error: pydantic.ValidationError, kind: type) -> Iterator[tuple[str, str]]:
    """Yield the dotted path and the rule of each mistake.

    Args:
        error: raised on plain data that should have been a `kind`.
        kind: the settings class at the root of the data.
    """
    seen = set()
    found = error.errors()
    for details in found:
        if _of_another_member(details, found):
            continue
        parts, owner, siblings = _locate_mistake(details["loc"], kind)
        if details["type"] in NAMELESS:
            parts.append("name")
        path = ".".join(parts)
        if path not in seen:
            seen.add(path)
            yield (
                path,
                _number_or_word_rule(details, found)
                or _rule_broken(details, parts, owner, siblings),
            )


def _of_another_member(details: Mapping[str, Any], found: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether a list failed as the single value that a union has besides: tell of the list.

    A union reports a mistake once per member.
    """
    if details["type"] == "too_short" and details["input"]:
        return True  # pydantic counts the right items alone
    field = details["loc"][:-1]
    return isinstance(details["input"], list) and any(
        other is not details and len(field) and other["loc"][: len(field)] == field
        for other in found
        if details["type"] in SINGLE
    )


def _number_or_word_rule(details: Mapping[str, Any], found: Sequence[Mapping[str, Any]]) -> str:
    """Return the rule where something else was given for a number or a word, or nothing."""
    words = [
        other["ctx"]["expected"].strip("'")
        for other in found
        if other["type"] == "literal_error" and other["loc"][:-1] == details["loc"][:-1]
    ]
    if details["type"] != "float_type" or not words:
        return ""
    value = details["input"]
    close = nearest_word(value, words)
    return f"must be a number or {' or '.join(words)}, but got `{_shorten_value(value)}`{close}"


def _locate_mistake(location: tuple[int | str, ...], kind: type) -> MistakePlace:
    """Return where a mistake is, free of pydantic's marks of its own."""
    parts: list[str] = []
    owner: type | None = kind
    siblings: dict[str, type] = {}
    step: Any = kind
    for mark in location:
        if isinstance(mark, int):
            parts[-1:] = [f"{parts[-1]}[{mark}]"] if parts else [str(mark)]
            continue
        if dataclasses.is_dataclass(step):
            owner = typing.cast(type, step)
            parts.append(mark)
            step = _field_types(owner).get(mark)
            continue
        union = union_members(step)
        if mark in union:  # the mark is a union's tag, not a key
            step = owner = union[mark]
            siblings = union
        elif typing.get_origin(_without_annotations(step)) is dict:
            parts.append(mark)
            step = typing.get_args(_without_annotations(step))[1]
    return parts, owner, siblings


def _field_types(owner: type) -> dict[str, Any]:
    return typing.get_type_hints(owner, include_extras=True)


def _without_annotations(annotation: Any) -> Any:
    """Return a type without its annotations."""
    while hasattr(annotation, "__metadata__"):
        annotation = annotation.__origin__
    return annotation


def union_members(annotation: Any) -> dict[str, type]:
    """Return the settings classes of a union by their `name`."""
    found: dict[str, type] = {}
    for argument in typing.get_args(_without_annotations(annotation)):
        argument = _without_annotations(argument)
        if typing.get_args(argument) and not isinstance(argument, type):
            found |= union_members(argument)
        elif dataclasses.is_dataclass(argument) and hasattr(argument, "name"):
            found[argument.name] = typing.cast(type, argument)
    return found


def _rule_broken(
    details: Mapping[str, Any], parts: list[str], owner: type | None, siblings: dict[str, type]
) -> str:
    value, context = details["input"], details.get("ctx", {})
    match details["type"]:
        case "unexpected_keyword_argument" | "extra_forbidden":
            return _unknown_key(parts[-1], owner, siblings)
        case "union_tag_invalid":
            known = [tag.strip(" '") for tag in context["expected_tags"].split(",")]
            kind = KINDS.get(parts[-2] if len(parts) > 1 else "", "name")
            close = nearest_word(context["tag"], known)
            return f"there is no {kind} `{context['tag']}`; known: {', '.join(known)}{close}"
        case "union_tag_not_found":
            return "a `name` is required"
        case "missing" | "missing_argument":
            return "is required"
        case "value_error":
            return str(context["error"])
        case "literal_error":
            known = context["expected"].replace("'", "")
            words = known.replace(" or ", ", ").split(", ")
            return f"must be {known}, but got `{_shorten_value(value)}`{nearest_word(value, words)}"
        case _:
            rule = RULES.get(details["type"], details["msg"].replace("Input should", "must"))
            return f"{rule.format(**context)}, but got `{_shorten_value(value)}`"


def _unknown_key(key: str, owner: type | None, siblings: dict[str, type]) -> str:
    known = _field_names(owner) if owner else []
    name = getattr(owner, "name", None)
    users = [other for other, kind in siblings.items() if key in _field_names(kind)]
    if users:
        return f"{name} would ignore `{key}`, a setting of {', '.join(users)}"
    of = f" of {name}" if isinstance(name, str) else ""
    return f"there is no setting `{key}`{of}; known: {', '.join(known)}{nearest_word(key, known)}"


def _field_names(kind: type) -> list[str]:
    return [field.name for field in dataclasses.fields(kind)]


def _shorten_value(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
