"""What settings classes say by their types: fields, alternatives, where null is a value."""

import dataclasses
import typing
from collections.abc import Mapping
from functools import cache
from types import NoneType
from typing import Any

from trainables.plugins import ComponentOf


@cache
def field_types(owner: type) -> dict[str, Any]:
    """Return the type of each field of a settings class, by the key that a file gives it."""
    hints = typing.get_type_hints(owner, include_extras=True)
    keys = {field.name: key_of(field) for field in dataclasses.fields(typing.cast(Any, owner))}
    return {keys[name]: hint for name, hint in hints.items() if name in keys}


def key_of(field: "dataclasses.Field[Any]") -> str:
    """Return the key of a field in a file: its name, or the alias of one that Python reserves."""
    return str(getattr(field.default, "alias", None) or field.name)


def without_annotations(annotation: Any) -> Any:
    """Return a type without its annotations."""
    while hasattr(annotation, "__metadata__"):
        annotation = annotation.__origin__
    return annotation


def union_members(annotation: Any) -> dict[str, type]:
    """Return the settings classes of a union by their `name`; those without one by their class's.

    A class that stands alone, or beside null alone, is no alternative.
    """
    for mark in getattr(annotation, "__metadata__", ()):
        if isinstance(mark, ComponentOf):
            return mark.members
    found: dict[str, type] = {}
    for argument in typing.get_args(without_annotations(annotation)):
        argument = without_annotations(argument)
        if typing.get_args(argument) and not isinstance(argument, type):
            found |= union_members(argument)
        elif dataclasses.is_dataclass(argument):
            member = typing.cast(type, argument)
            found[getattr(member, "name", member.__name__)] = member
    return found


def settings_class(annotation: Any, value: Any) -> type | None:
    """Return the settings class that a value of the type is to be, or None where none is."""
    bare = without_annotations(annotation)
    if dataclasses.is_dataclass(bare):
        return typing.cast(type, bare)
    members = union_members(annotation)
    if isinstance(value, Mapping) and isinstance(value.get("name"), str):
        return members.get(value["name"])
    return next(iter(members.values())) if len(members) == 1 else None


def class_or_null(annotation: Any) -> type | None:
    """Return the settings class of a type that is one, or one or null; None for any other."""
    bare = without_annotations(annotation)
    if dataclasses.is_dataclass(bare):
        return typing.cast(type, bare)
    others = [part for part in typing.get_args(bare) if part is not NoneType]
    return class_or_null(others[0]) if len(others) == 1 and _is_union(bare) else None


def takes_null(annotation: Any) -> bool:
    """Return whether null is a value of the type."""
    bare = without_annotations(annotation)
    if bare in (None, NoneType, Any):
        return not union_members(annotation)
    return any(takes_null(part) for part in typing.get_args(bare) if _is_union(bare))


def _is_union(bare: Any) -> bool:
    return not isinstance(typing.get_origin(bare), type) or "Union" in str(typing.get_origin(bare))


def drop_nulls(value: Any, kind: type) -> Any:
    """Return data without the nulls that its settings class has no place for: they are left out."""
    if not isinstance(value, Mapping):
        return value
    types = field_types(kind)
    return {
        key: _drop_within(inner, types.get(key, Any))
        for key, inner in value.items()
        if inner is not None or takes_null(types.get(key, Any))
    }


def _drop_within(value: Any, annotation: Any) -> Any:
    kind = settings_class(annotation, value)
    return value if kind is None else drop_nulls(value, kind)


def setting_paths(kind: type, prefix: str = "") -> tuple[str, ...]:
    """Return the dotted paths of all settings below a settings class, those of components too."""
    found: dict[str, None] = {}
    for key, annotation in field_types(kind).items():
        path = f"{prefix}{key}"
        found[path] = None
        bare = without_annotations(annotation)
        members = {"": bare} if dataclasses.is_dataclass(bare) else union_members(annotation)
        for member in members.values():
            found |= dict.fromkeys(setting_paths(typing.cast(type, member), f"{path}."))
    return tuple(found)
