"""Pydantic's errors in the words of the study file: dotted path, rule, value, nearest known key."""

import dataclasses
import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pydantic

from study.file.annotations import (
    class_or_null,
    field_types,
    key_of,
    union_members,
    without_annotations,
)
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
    "model_attributes_type": "must be a mapping",
    "tuple_type": "must be a list",
    "too_short": "must not be empty",
    "string_pattern_mismatch": "must be letters and digits, then also `_`, `.` and `-`",
    "finite_number": "must be finite",
    "too_long": "must have at most {max_length:,} items",
    "string_too_long": "must have at most {max_length:,} characters",
    "less_than_equal": "must be at most {le:,.15g}",
    "less_than": "must be below {lt:,.15g}",
    "greater_than_equal": "must be at least {ge:,.15g}",
    "greater_than": "must be above {gt:,.15g}",
}
MOST_PROBLEMS = 20
"""Mistakes that are told at once."""
SWITCHES = {"on": "true", "yes": "true", "y": "true", "off": "false", "no": "false", "n": "false"}
"""Texts that YAML 1.1 read as true and false."""
NAMELESS = ("union_tag_invalid", "union_tag_not_found")
"""Mistakes of a component's `name`, which pydantic reports of the whole component."""
SINGLE = ("int_type", "literal_error", "string_type")
"""Mistakes of a value that stands alone where a union has a list or a mapping besides."""
BESIDE_WORDS = {"float_type": "a number", "bool_type": "true, false"}
"""What a union asks for that has some words besides, by the mistake."""
OTHERWISE = (*SINGLE, "tuple_type", "dataclass_type")
KINDS = {"dataset": "data set", "network": "network", "regularizer": "regularizer"}


def problems_of(
    error: pydantic.ValidationError, kind: type, *, tree: Sequence[str] = ()
) -> Iterator[tuple[str, str]]:
    """Yield the dotted path and the rule of each mistake, of very many the first.

    Args:
        error: raised on plain data that should have been a `kind`.
        kind: the settings class at the root of the data.
        tree: the dotted paths of all settings of a study file, one of which may have been meant.
    """
    seen = set()
    found = error.errors()[: 4 * MOST_PROBLEMS]
    meant = [details for details in found if not _of_another_member(details, found)]
    for details in meant or found:
        parts, owner, siblings = _locate_mistake(details["loc"], kind)
        if details["type"] in NAMELESS:
            parts.append("name")
        path = ".".join(parts)
        if path not in seen:
            seen.add(path)
            yield (
                path,
                _rule_beside_words(details, found)
                or _rule_broken(details, parts, owner, siblings, tree),
            )


def _of_another_member(details: Mapping[str, Any], found: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether the mistake is of a member of a union that was not meant.

    A union reports a mistake once per member. A list is to be told of as a list, a mapping as a
    mapping, not as the single value that the union has besides.
    """
    if details["type"] == "too_short" and details["input"]:
        return True  # pydantic counts the right items alone
    field = details["loc"][:-1]
    given = details["input"]
    if isinstance(given, Mapping) and details["type"] in OTHERWISE:
        return any(
            other["loc"][: len(field)] == field
            and (other["type"] not in OTHERWISE or len(other["loc"]) > len(details["loc"]))
            for other in found
            if len(field) and other is not details
        )
    return isinstance(given, list) and any(
        other is not details and len(field) and other["loc"][: len(field)] == field
        for other in found
        if details["type"] in (*SINGLE, "dataclass_type")
    )


def _rule_beside_words(details: Mapping[str, Any], found: Sequence[Mapping[str, Any]]) -> str:
    """Return the rule where a number or a flag is asked for, or one of a few words; or nothing."""
    words = [
        other["ctx"]["expected"].strip("'")
        for other in found
        if other["type"] == "literal_error" and other["loc"][:-1] == details["loc"][:-1]
    ]
    kind = BESIDE_WORDS.get(details["type"])
    if kind is None or not words:
        return ""
    value = details["input"]
    close = nearest_word(value, words) or _remedy_for(details["type"], value)
    return f"must be {kind} or {' or '.join(words)}, but got `{_shorten_value(value)}`{close}"


def _locate_mistake(location: tuple[int | str, ...], kind: type) -> MistakePlace:
    """Return where a mistake is, free of pydantic's marks of its own."""
    parts: list[str] = []
    owner: type | None = kind
    siblings: dict[str, type] = {}
    step: Any = kind
    for mark in location:
        if isinstance(mark, int):
            parts[-1:] = [f"{parts[-1]}[{mark}]"] if parts else [str(mark)]
            step = _item_type(step)
            continue
        if single := class_or_null(step):
            owner = single
            parts.append(mark)
            step = field_types(owner).get(mark)
            continue
        union = union_members(step)
        mark = _class_within(mark)
        if mark in union:  # the mark is a union's tag, not a key
            step = owner = union[mark]
            siblings = union
        elif typing.get_origin(without_annotations(step)) is dict:
            parts.append(mark)
            step = typing.get_args(without_annotations(step))[1]
    return parts, owner, siblings


def _item_type(annotation: Any) -> Any:
    """Return the type of a list's items; of another type, the type itself."""
    bare = without_annotations(annotation)
    return typing.get_args(bare)[0] if typing.get_origin(bare) is tuple else annotation


def _class_within(mark: str) -> str:
    """Return the settings class of a mark such as ``function-after[check(), SeedRace]``."""
    checked = re.fullmatch(r"function-\w+\[.*\b(\w+)\]", mark)
    return checked[1] if checked else mark


def _rule_broken(
    details: Mapping[str, Any],
    parts: list[str],
    owner: type | None,
    siblings: dict[str, type],
    tree: Sequence[str],
) -> str:
    value, context = details["input"], details.get("ctx", {})
    match details["type"]:
        case "unexpected_keyword_argument" | "extra_forbidden":
            return _unknown_key(parts[-1], value, owner, siblings, tree)
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
            meant = _instead_of_test(value, words) or nearest_word(value, words)
            return f"must be {known}, but got `{_shorten_value(value)}`{meant}"
        case _:
            rule = RULES.get(details["type"], details["msg"].replace("Input should", "must"))
            remedy = _remedy_for(details["type"], value, key=parts[-1] if parts else "")
            return f"{rule.format(**context)}, but got `{_shorten_value(value)}`{remedy}"


def _instead_of_test(value: Any, words: Sequence[str]) -> str:
    """Return which metric of the validation images to take in place of one of the test images."""
    given = str(value).lower()
    counterpart = given.replace("test_", "validation_")
    if counterpart == given or counterpart not in words:
        return ""
    return f"; test images choose nothing, so write {counterpart}"


def _remedy_for(mistake: str, value: Any, *, key: str = "") -> str:
    """Return how what was probably meant is written in YAML 1.2."""
    if not isinstance(value, str):
        return ""
    if mistake == "model_attributes_type" and key in KINDS:
        return f"; write {key}: {{name: {_shorten_value(value)}}}"
    if mistake == "bool_type" and value.lower() in SWITCHES:
        return f"; YAML 1.2 reads `{value}` as a text, so write {SWITCHES[value.lower()]}"
    if mistake == "bool_type" and value.lower() in ("true", "false"):
        return "; leave out the quotes"
    if mistake not in ("int_type", "float_type", "tuple_type"):
        return ""
    if mistake == "float_type" and re.fullmatch(r"[-+]?\d+,\d+", value):
        is_thousands = re.fullmatch(r"[-+]?[1-9]\d*,\d{3}", value)  # or has three decimals
        return "" if is_thousands else f"; write {value.replace(',', '.')}"
    if re.fullmatch(r"\s*[-+.\w]+(\s*,\s*[-+.\w]+)+\s*", value):
        return f"; a list is written [{', '.join(part.strip() for part in value.split(','))}]"
    if re.fullmatch(r"[-+]?\d+(_\d+)+(\.\d*)?", value):
        return f"; write {value.replace('_', '')}"
    if re.fullmatch(r"\d+(:\d+)+", value):
        return "; YAML 1.2 reads digits with `:` as a text"
    if mistake != "tuple_type" and re.fullmatch(r"[-+]?\d*\.?\d+([eE][-+]?\d+)?", value):
        return "; leave out the quotes"
    return ""


def _unknown_key(
    key: str, value: Any, owner: type | None, siblings: dict[str, type], tree: Sequence[str]
) -> str:
    known = _field_names(owner) if owner else []
    name = getattr(owner, "name", None)
    users = [other for other, kind in siblings.items() if key in _field_names(kind)]
    if users:
        return f"{name} would ignore `{key}`, a setting of {', '.join(users)}"
    of = f" of {name}" if isinstance(name, str) else ""
    meant = _path_elsewhere(key, value, tree) or nearest_word(key, known)
    meant = meant or _nearest_path(key, tree)
    return f"there is no setting `{_shorten_value(key)}`{of}; known: {', '.join(known)}{meant}"


def _path_elsewhere(key: str, value: Any, tree: Sequence[str]) -> str:
    """Return ``; did you mean `search.seeds`?`` for a key, or a path, that is right elsewhere."""
    steps = [key]
    while isinstance(value, Mapping) and len(value) == 1:
        ((step, value),) = value.items()
        steps.append(step)
    for length in range(len(steps), 0, -1):
        end = ".".join(steps[:length])
        ending = [path for path in tree if path == end or path.endswith(f".{end}")]
        if ending:
            meant = ".".join([min(ending, key=len), *steps[length:]])
            if meant == key:
                return f"; `{key}` stands at the root of the file"
            return f"; did you mean `{meant}`?"
    return ""


def _nearest_path(key: str, tree: Sequence[str]) -> str:
    by_end = {path.rpartition(".")[2]: path for path in reversed(tree)}
    meant = nearest_word(key, by_end)
    end = meant.partition("`")[2].partition("`")[0]
    return meant.replace(f"`{end}`", f"`{by_end[end]}`") if meant else ""


def _field_names(kind: type) -> list[str]:
    return [key_of(field) for field in dataclasses.fields(typing.cast(Any, kind))]


def _shorten_value(value: Any) -> str:
    text = str(value)[:100]  # of a very long value the beginning is enough
    return text if len(text) <= 60 else f"{text[:57]}…"
