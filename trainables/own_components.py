"""Which components a user's module holds, and what is wrong with them, told with file and line.

A component is a class of the module with a field `name`, decorated with `@settings`, that has the
methods of its kind: `build` for a regularizer or a network, `read` and `places` for a data set. A
module may hold several. A class whose own name begins with `_` is none.
"""

import ast
import dataclasses
import importlib.metadata
import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal, get_args, get_origin

import pydantic
from pydantic.fields import FieldInfo

from trainables.own_modules import (
    OwnComponentError,
    OwnModule,
    find_module,
    place_module,
    source_of,
)

Kind = Literal["regularizer", "network", "data set"]

PACKAGES: dict[Kind, str] = {
    "regularizer": "trainables.regularizers",
    "network": "trainables.networks",
    "data set": "trainables.datasets",
}
GROUPS: dict[Kind, str] = {
    "regularizer": "lamix_study.regularizers",
    "network": "lamix_study.networks",
    "data set": "lamix_study.datasets",
}
"""Groups of entry points by which an installed package declares its components."""

NAME = r"[a-z][a-z0-9_]*"
METHODS: dict[Kind, dict[str, tuple[str, ...]]] = {
    "regularizer": {"build": ("num_classes", "num_features"), "check": ("network", "image_size")},
    "network": {"build": ("num_classes", "in_channels", "image_size")},
    "data set": {"read": (), "places": ()},
}
"""The methods of a kind with their arguments by keyword; those of a data set take the folder."""
FIELDS: dict[Kind, tuple[str, tuple[str, ...]]] = {
    "regularizer": ("SmoothingSettings", ("smoothing", "loss")),
    "network": ("", ()),
    "data set": ("SplitSettings", ("validation", "train_images", "test_images")),
}
"""The base class of a kind, and the settings that it brings."""


@dataclass(frozen=True)
class OwnComponent:
    """A component of a user's."""

    kind: Kind
    name: str
    cls: type
    module: OwnModule
    where: str
    """Its file and line."""

    @property
    def package(self) -> str:
        """The package of this project's components of the kind."""
        return PACKAGES[self.kind]


def module_components(module: OwnModule) -> tuple[OwnComponent, ...]:
    """Return the components of a user's module.

    Raises:
        OwnComponentError: if the module cannot be imported, holds none, or one is wrong.
    """
    imported = place_module(module)
    found = tuple(
        _checked_component(cls, module)
        for cls in _own_classes(imported, module)
        if _is_meant_as_component(cls)
    )
    if not found:
        raise OwnComponentError(
            f"{module.file}: holds no component: a class with `@settings` and a field such as "
            '`name: Literal["input_noise"] = "input_noise"`'
        )
    return found


def installed_components() -> tuple[list[OwnComponent], tuple[tuple[str, str], ...]]:
    """Return what installed packages declare, and the names of broken ones with the reasons."""
    found: list[OwnComponent] = []
    broken: list[tuple[str, str]] = []
    for kind, group in GROUPS.items():
        for entry in sorted(importlib.metadata.entry_points(group=group), key=lambda e: e.name):
            try:
                component = _declared_component(entry, kind)
            except OwnComponentError as error:
                by = f" of {entry.dist.name} {entry.dist.version}" if entry.dist else ""
                broken.append((entry.name, f"the installed {kind} `{entry.name}`{by}: {error}"))
            else:
                found.append(component)
    return list(dict.fromkeys(found)), tuple(broken)


def _declared_component(entry: importlib.metadata.EntryPoint, kind: Kind) -> OwnComponent:
    module = find_module(entry.module)
    imported = place_module(module)
    cls = getattr(imported, entry.attr or "Settings", None)
    if not isinstance(cls, type):
        raise OwnComponentError(f"{module.file}: has no class `{entry.attr or 'Settings'}`")
    component = _checked_component(cls, module)
    if (component.kind, component.name) != (kind, entry.name):
        raise OwnComponentError(
            f"{component.where}: is the {component.kind} `{component.name}`, but is declared as "
            f"the {kind} `{entry.name}`"
        )
    return component


def _own_classes(imported: ModuleType, module: OwnModule) -> Iterator[type]:
    """Yield the classes that the module or its package defines, in the order of their names there.

    What the module only imports from this project or elsewhere is not its own.
    """
    top = module.name.partition(".")[0]
    for name, value in vars(imported).items():
        if isinstance(value, type) and not name.startswith("_"):
            defined_in = value.__module__
            if defined_in == module.name or (
                module.text is None and defined_in.partition(".")[0] == top
            ):
                yield value


def _is_meant_as_component(cls: type) -> bool:
    """Return whether a class has a `name` of its own and looks like settings of any kind."""
    named = "name" in vars(cls) or "name" in vars(cls).get("__annotations__", {})
    if _is_settings(cls) or _kind_by_fields(cls) is not None:
        return named or cls.__name__ == "Settings" or _kind_by_methods(cls) is not None
    return named and (callable(getattr(cls, "build", None)) or callable(getattr(cls, "read", None)))


def _is_settings(cls: type) -> bool:
    """Return whether the class itself, not only its base, is decorated with `@settings`."""
    own = vars(cls)
    return "__pydantic_validator__" in own and "__dataclass_fields__" in own


def _checked_component(cls: type, module: OwnModule) -> OwnComponent:
    """Return the component that a class is.

    Raises:
        OwnComponentError: naming what it lacks.
    """
    where = _place_of(cls)

    def refuse(rule: str) -> OwnComponentError:
        return OwnComponentError(f"{where}: class {cls.__name__}: {rule}")

    if not _is_settings(cls):
        raise refuse("needs the decorator `@settings` of trainables.settings above it")
    config = getattr(cls, "__pydantic_config__", {})
    if config.get("extra") != "forbid" or not cls.__dataclass_params__.frozen:  # type: ignore[attr-defined]  # a dataclass's own
        raise refuse("needs the decorator `@settings` of trainables.settings, not pydantic's own")
    name = _name_of(cls)
    if name is None:
        raise refuse(
            'needs a field that names it, such as `name: Literal["input_noise"] = "input_noise"`: '
            "small letters, digits and `_`"
        )
    kind = _kind_by_methods(cls) or _kind_by_fields(cls)
    if kind is None:
        raise refuse(
            "is no regularizer, network or data set: it has neither "
            "`build(self, *, num_classes, num_features)` nor "
            "`build(self, *, num_classes, in_channels, image_size)` nor `read(self, root)`"
        )
    for fault in _faults(cls, kind):
        raise refuse(fault)
    for field, fault in wrong_defaults(cls):
        where = _place_of(cls, field)
        raise refuse(fault)
    return OwnComponent(kind, name, cls, module, where)


def _name_of(cls: type) -> str | None:
    field = {f.name: f for f in dataclasses.fields(cls)}.get("name")
    if field is None or not isinstance(field.default, str):
        return None
    annotation: Any = field.type
    if isinstance(annotation, str):
        annotation = cls.__pydantic_fields__["name"].annotation  # type: ignore[attr-defined]  # pydantic's own
    literal = get_origin(annotation) is Literal and get_args(annotation) == (field.default,)
    return field.default if literal and re.fullmatch(NAME, field.default) else None


def _kind_by_methods(cls: type) -> Kind | None:
    """Return what a class is by the methods that it has, whatever is wrong with the others."""
    if callable(getattr(cls, "read", None)):
        return "data set"
    build = getattr(cls, "build", None)
    if not callable(build):
        return None
    names = set(inspect.signature(build).parameters)
    if "num_features" in names:
        return "regularizer"
    return "network" if names & {"in_channels", "image_size"} else None


def _kind_by_fields(cls: type) -> Kind | None:
    """Return what a class was to be by the base class that it has."""
    bases = {base.__name__ for base in cls.__mro__[1:]}
    kinds: tuple[Kind, ...] = ("regularizer", "data set")
    return next((kind for kind in kinds if FIELDS[kind][0] in bases), None)


def _faults(cls: type, kind: Kind) -> Iterator[str]:
    base, fields = FIELDS[kind]
    known = {field.name for field in dataclasses.fields(cls)}
    if not known.issuperset(fields):
        yield f"a {kind} has {base} as its base class"
    for method, keywords in METHODS[kind].items():
        yield from _signature_faults(cls, kind, method, keywords)
    if kind == "data set" and not hasattr(cls, "image_size") and "image_size" not in known:
        yield "a data set has `image_size`, a property or a field, in pixels"
    defaults = [f.default for f in dataclasses.fields(cls)]
    if dataclasses.MISSING not in defaults:
        try:
            hash(cls())
        except TypeError as error:
            yield f"its settings must be hashable, so a list is `tuple[…, ...]`: {error}"


def wrong_defaults(cls: type) -> Iterator[tuple[str, str]]:
    """Yield each setting whose default is not what it takes, with what is wrong with it."""
    fields: Mapping[str, FieldInfo] = getattr(cls, "__pydantic_fields__", {})
    for name, info in fields.items():
        if info.is_required():
            continue
        value = info.get_default(call_default_factory=True, validated_data={})
        taken: Any = info.annotation
        for mark in info.metadata:
            taken = Annotated[taken, mark]
        try:
            pydantic.TypeAdapter(taken).validate_python(value)
        except pydantic.ValidationError as error:
            said = error.errors()[0]["msg"]
            rule = f"{said[0].lower()}{said[1:]}".removeprefix("input ")
            yield name, f"the default of `{name}` {rule}, but is {value!r}"


def _signature_faults(
    cls: type, kind: Kind, method: str, keywords: tuple[str, ...]
) -> Iterator[str]:
    function = getattr(cls, method, None)
    if kind == "data set":
        wanted = f"{method}(self, root)"
    else:
        wanted = f"{method}(self, *, {', '.join(keywords)})"
    if not callable(function):
        yield f"a {kind} has the method `{wanted}`"
        return
    signature = inspect.signature(function)
    try:
        if kind == "data set":
            signature.bind(None, None)
        else:
            signature.bind(None, **dict.fromkeys(keywords))
    except TypeError:
        yield f"`{method}` must be `{wanted}`, but is `{method}{signature}`"


def _place_of(cls: type, field: str = "") -> str:
    """Return the file and the line of a class, or of a field that it declares itself."""
    module = sys.modules.get(cls.__module__)
    file = getattr(module, "__file__", None) or cls.__module__
    text = source_of(module) if module is not None else ""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef) and node.name == cls.__name__:
            declared = [part for part in node.body if isinstance(part, ast.AnnAssign)]
            lines = [
                part.lineno
                for part in declared
                if isinstance(part.target, ast.Name) and part.target.id == field
            ]
            return f"{Path(file)}:{lines[0] if lines else node.lineno}"
    return str(file)
