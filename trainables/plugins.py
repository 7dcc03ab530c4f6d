"""A name is a module: components are found by listing a package, not by a registry."""

import importlib
import pkgutil
from functools import cache, reduce
from operator import or_
from types import ModuleType
from typing import Annotated, Any

from pydantic import Field


@cache
def component_names(package: str) -> tuple[str, ...]:
    """Return the names of the components in `package`: its modules that hold a class `Settings`."""
    return tuple(settings_classes(package))


@cache
def settings_classes(package: str) -> dict[str, type]:
    """Return the `Settings` class of each component of `package` by name, in alphabetical order."""
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


def any_settings(package: str) -> Any:
    """Return the type 'the settings of any component of `package`', told apart by `name`."""
    classes = settings_classes(package).values()
    return Annotated[reduce(or_, classes), Field(discriminator="name")]
