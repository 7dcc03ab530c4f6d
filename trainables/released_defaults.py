"""The defaults of all settings, as they were released: what a trial's key leaves out.

A key (`trial_key.hash_configuration`) leaves a setting out that has its default. With another
default an old trial would stand for a new one, so the defaults are written down once, in a file
that gains entries and never changes one.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

from trainables import datasets, networks, regularizers
from trainables.diagnostics import DiagnosticsSettings
from trainables.plugins import settings_classes
from trainables.recipe import TrainingSettings

Defaults = dict[str, Any]
"""Path of a setting, for example ``regularizers.lamix.beta`` → its default, as JSON holds it."""


class ChangedDefaultError(ValueError):
    """A setting has another default than the one it was released with."""


def current_defaults() -> Defaults:
    """Return the default of every setting that has one."""
    parts: dict[str, type] = {"training": TrainingSettings, "diagnostics": DiagnosticsSettings}
    for package in (datasets, networks, regularizers):
        for name, cls in settings_classes(package.__name__).items():
            parts[f"{package.__name__.removeprefix('trainables.')}.{name}"] = cls
    defaults = {
        f"{part}.{field.name}": field.default
        for part, cls in sorted(parts.items())
        for field in dataclasses.fields(cls)
        if field.name != "name" and field.default is not dataclasses.MISSING
    }
    as_json: Defaults = json.loads(json.dumps(defaults))
    return as_json


def read_defaults(file: Path) -> Defaults:
    """Return what the file holds; nothing where it is missing."""
    if not file.exists():
        return {}
    written: Defaults = json.loads(file.read_text(encoding="utf-8"))
    return written


def with_new_defaults(released: Defaults, current: Defaults) -> Defaults:
    """Return the released defaults and those of settings that are new.

    The entry of a setting that is gone stays: it might come back with another default.

    Raises:
        ChangedDefaultError: naming each setting whose default is no longer the released one.
    """
    changed = [
        f"`{path}` was released with the default {json.dumps(released[path])} and now has "
        f"{json.dumps(value)}"
        for path, value in current.items()
        if path in released and released[path] != value
    ]
    if changed:
        raise ChangedDefaultError(
            f"{'; '.join(changed)}. Keys leave defaults out, so trials on record would stand for "
            "others: put the default back, or give the setting a new name"
        )
    gone = {path: value for path, value in released.items() if path not in current}
    return {**current, **gone}


def defaults_text(defaults: Defaults) -> str:
    """Return the file's text."""
    return f"{json.dumps(defaults, indent=2, ensure_ascii=False)}\n"
