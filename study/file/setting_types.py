"""What each setting of a trial takes, by its dotted path from `trial`."""

import dataclasses
import typing
from typing import Any, NamedTuple

from study.file.annotations import field_types, union_members, without_annotations
from study.file.space import NumberKind
from trainables.configuration import Configuration
from trainables.plugins import per_known_set


class TypedSetting(NamedTuple):
    """A setting that a path may lead to."""

    component: str | None
    """The component that it is a setting of, where its path alone does not say."""
    annotation: Any


@per_known_set
def typed_settings() -> dict[str, list[TypedSetting]]:
    """Return path → the settings that it may lead to; several where components share a name."""
    found: dict[str, list[TypedSetting]] = {}

    def visit(owner: type, prefix: str, component: str | None) -> None:
        types = field_types(owner)
        for field in dataclasses.fields(owner):
            if field.name == "name":
                continue
            path, annotation = f"{prefix}{field.name}", types[field.name]
            found.setdefault(path, []).append(TypedSetting(component, annotation))
            for name, member in union_members(annotation).items():
                visit(member, f"{path}.", name)
            if dataclasses.is_dataclass(without_annotations(annotation)):
                visit(typing.cast(type, without_annotations(annotation)), f"{path}.", None)

    visit(Configuration, "", None)
    return found


def number_kind(path: str, component: str | None) -> NumberKind | None:
    """Return what numbers a setting takes, or None where that is not known.

    Args:
        path: dotted, from `trial`.
        component: the component that it is a setting of; None for whichever has such a setting.
    """
    kinds = {
        _kind_of(setting.annotation)
        for setting in typed_settings().get(path, [])
        if component in (None, setting.component) or setting.component is None
    }
    return kinds.pop() if len(kinds) == 1 else None


def _kind_of(annotation: Any) -> NumberKind:
    bare = without_annotations(annotation)
    if bare is float:
        return "fraction"
    if bare is int:
        return "whole"
    if typing.get_origin(bare) is tuple:
        return "none"
    kinds = {_kind_of(part) for part in typing.get_args(bare)} - {"none"}
    return "fraction" if "fraction" in kinds else "whole" if kinds else "none"
