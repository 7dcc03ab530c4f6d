"""Components by name: this project's, which are modules, and own ones that its users bring.

A component of this project's is found by listing a package, not by a registry. An own one is a
class of a user's module; which of those are known is decided for the whole process, as installed
packages declare them or as a study file's key `plugins` names them.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, reduce, wraps
from operator import or_
from types import ModuleType
from typing import Annotated, Any, ParamSpec, TypeVar

import pydantic
from pydantic import Field
from pydantic_core import CoreSchema, core_schema

from trainables.own_components import OwnComponent, installed_components, module_components
from trainables.own_modules import OwnComponentError, OwnModule, failure_text

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class OwnSet:
    """The own components that are known, beside this project's."""

    components: tuple[OwnComponent, ...] = ()
    broken: tuple[tuple[str, str], ...] = ()
    """Names of installed components that cannot be used, each with the reason in words."""


_known: OwnSet | None = None
"""None until it is first asked which components the installed packages declare."""


def known_set() -> OwnSet:
    """Return the own components that are known now: at first, those of installed packages."""
    global _known
    if _known is None:
        _known = installed_set()
    return _known


def know_only(own: OwnSet) -> None:
    """Let these own components be known, in place of those that were known before."""
    global _known
    _known = own


@cache
def installed_set() -> OwnSet:
    """Return the components that installed packages declare; broken ones do not harm the others."""
    found, broken = installed_components()
    usable: list[OwnComponent] = []
    for component in found:
        try:
            usable = [*_without_clashes([*usable, component])]
        except OwnComponentError as error:
            broken = (*broken, (component.name, str(error)))
    return OwnSet(tuple(usable), broken)


def set_with(modules: Iterable[OwnModule], *, beside: OwnSet) -> OwnSet:
    """Return a set of own components with those of further modules.

    Args:
        modules: of the user's.
        beside: what is known in any case; a component that is in both is there once.

    Raises:
        OwnComponentError: if a module cannot be imported, a component is wrong or a name is taken.
    """
    brought = [one for module in modules for one in module_components(module)]
    classes = {component.cls for component in brought}
    others = [component for component in beside.components if component.cls not in classes]
    return OwnSet(tuple(_without_clashes([*others, *brought])), beside.broken)


def know_shipped(modules: Iterable[OwnModule]) -> None:
    """Let the components of modules be known that another process has sent, and no others.

    Raises:
        OwnComponentError: if a module is not here, or is another than there.
    """
    shipped = tuple(modules)
    know_only(_shipped_set(shipped) if shipped else OwnSet())


@cache
def _shipped_set(modules: tuple[OwnModule, ...]) -> OwnSet:
    for module in modules:
        module.check_is_here()
    return set_with(modules, beside=OwnSet())


def own_modules_of(parts: Iterable[object]) -> tuple[OwnModule, ...]:
    """Return the modules of users that settings come from, each once.

    Args:
        parts: settings of components, own ones and others.
    """
    by_class = {component.cls: component.module for component in known_set().components}
    found = [by_class[type(part)] for part in parts if type(part) in by_class]
    return tuple(dict.fromkeys(found))


def own_failure(part: object, error: BaseException, *, what: str) -> str:
    """Return where in a user's source an error comes from, and what it says; else nothing.

    Args:
        part: settings whose code raised the error.
        error: the error.
        what: is not possible because of it, for example ``be built``.
    """
    modules = own_modules_of([part])
    return failure_text(modules[0], error, what=what) if modules else ""


@contextmanager
def blaming_own(part: object, *, what: str) -> Iterator[None]:
    """Let an error of a user's code name its file and line; what it means to say passes as it is.

    Raises:
        OwnComponentError: in place of any error but a ValueError.
    """
    try:
        yield
    except ValueError:
        raise
    except Exception as error:
        if told := own_failure(part, error, what=what):
            raise OwnComponentError(told) from error
        raise


def _without_clashes(components: Sequence[OwnComponent]) -> Iterator[OwnComponent]:
    """Yield the components.

    Raises:
        OwnComponentError: if a name is that of one of this project's, or of another own one.
    """
    seen: dict[tuple[str, str], OwnComponent] = {}
    for component in components:
        key = component.package, component.name
        if component.name in _project_classes(component.package):
            raise OwnComponentError(
                f"{component.where}: `{component.name}` is the name of a {component.kind} of this "
                "project; choose another"
            )
        if key in seen:
            raise OwnComponentError(
                f"{component.where}: `{component.name}` is the name of another {component.kind} "
                f"already, at {seen[key].where}; choose another"
            )
        seen[key] = component
        yield component


def per_known_set(function: Callable[Arguments, Answer]) -> Callable[Arguments, Answer]:
    """Cache a function's answers, apart for each set of own components that is known."""

    @cache
    def kept(known: OwnSet, /, *args: Any, **kwargs: Any) -> Answer:
        del known
        return function(*args, **kwargs)

    @wraps(function)
    def ask(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Answer:
        return kept(known_set(), *args, **kwargs)  # type: ignore[arg-type]  # a cache wants what it can hash

    return ask


def component_names(package: str) -> tuple[str, ...]:
    """Return the names of the components of `package`, own ones among them."""
    return tuple(settings_classes(package))


@per_known_set
def settings_classes(package: str) -> dict[str, type]:
    """Return the settings class of each component of `package` by name, in alphabetical order."""
    own = {one.name: one.cls for one in known_set().components if one.package == package}
    return dict(sorted({**_project_classes(package), **own}.items()))


@cache
def _project_classes(package: str) -> dict[str, type]:
    """Return the `Settings` class of each module of `package` that holds one."""
    found: dict[str, type] = {}
    path = importlib.import_module(package).__path__
    for info in sorted(pkgutil.iter_modules(path), key=lambda info: info.name):
        if info.name.startswith("_"):
            continue
        module: ModuleType = importlib.import_module(f"{package}.{info.name}")
        if hasattr(module, "Settings"):
            assert module.Settings.name == info.name, f"{module.__name__}: name is not the module's"
            found[info.name] = module.Settings
    return found


@dataclass(frozen=True)
class ComponentOf:
    """Marks the type 'the settings of any known component of a package', told apart by `name`.

    Which components are known may change, so the type asks for them each time it is used.
    """

    package: str

    @property
    def members(self) -> dict[str, type]:
        """The settings classes by name."""
        return settings_classes(self.package)

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        """Validate as the union of the components that are known at the time."""
        del source, handler
        return core_schema.no_info_plain_validator_function(self._validate)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: Any) -> Any:
        """Describe the union of the components that are known now."""
        del schema
        return handler(_union_adapter(self.package).core_schema)

    def _validate(self, value: Any) -> Any:
        # What it raises, pydantic makes part of the error of the whole.
        return _union_adapter(self.package).validate_python(value)


@per_known_set
def _union_adapter(package: str) -> pydantic.TypeAdapter[Any]:
    union: Any = reduce(or_, settings_classes(package).values())
    annotated: Any = Annotated[union, Field(discriminator="name")]
    return pydantic.TypeAdapter(annotated)


def any_settings(package: str) -> Any:
    """Return the type 'the settings of any component of `package`', told apart by `name`."""
    return Annotated[Any, ComponentOf(package)]
