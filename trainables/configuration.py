"""A trial's configuration: everything that decides its result but the seed and the data's bytes."""

import dataclasses
import hashlib
import json
from collections.abc import Hashable, Iterator, Mapping
from functools import cache, lru_cache
from typing import Any, Self

import torch
from pydantic import model_validator

from trainables import datasets, networks, regularizers
from trainables.diagnostics import DiagnosticsSettings
from trainables.recipe import TrainingSettings
from trainables.settings import (
    Exempt,
    SettingsKeyName,
    exempt_settings,
    parse_settings,
    settings,
)

SettingsKey = tuple[tuple[str, Hashable], ...]
"""Dotted paths of settings with their values."""


@settings
class Configuration:
    """One point of a study's space: the `trial` part of a study file, complete."""

    dataset: datasets.AnySettings
    """The images, and the share of them held out for validation."""
    network: networks.AnySettings
    """The network."""
    regularizer: regularizers.AnySettings
    """How inputs are mixed and targets made."""
    training: TrainingSettings = TrainingSettings()
    """The optimiser's recipe."""
    diagnostics: DiagnosticsSettings = DiagnosticsSettings()
    """What is recorded beside the metrics; nothing by default."""

    @model_validator(mode="after")
    def _check_diagnostics(self) -> Self:
        self.diagnostics.check(self.network, self.training)
        return self

    @model_validator(mode="after")
    def _check_that_the_parts_fit(self) -> Self:
        size = self.dataset.image_size
        self.regularizer.check(network=_weightless_network(self.network, size), image_size=size)
        return self


@lru_cache
def _weightless_network(network: networks.AnySettings, image_size: int) -> networks.Network:
    """Return the network without memory for its weights."""
    with torch.device("meta"):
        return network.build(num_classes=2, in_channels=3, image_size=image_size)


def parse_configuration(value: "Configuration | Mapping[str, Any]") -> Configuration:
    """Validate plain data into a configuration.

    Raises:
        pydantic.ValidationError: naming each field that is unknown, missing or wrong.
    """
    if isinstance(value, Configuration):
        return value
    parsed: Configuration = parse_settings(Configuration, value)
    return parsed


def as_dict(configuration: Configuration) -> dict[str, Any]:
    """Return the configuration as nested plain data, every default spelled out."""
    return dataclasses.asdict(configuration)


def flatten_settings(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return `nested` with dotted keys: ``{"training": {"epochs": 1}}`` → ``training.epochs``."""
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        if isinstance(value, Mapping):
            flat |= flatten_settings(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def hash_configuration(configuration: Configuration, *, data: str, seed: int | None = None) -> str:
    """Return the hash of the configuration, the data's fingerprint and, for a trial, the seed.

    Settings that have their default are left out: a setting that a later version adds, whose
    default is what was done before, leaves the keys of all trials on record as they are.
    """
    content: dict[str, Any] = {"configuration": _non_defaults(configuration), "data": data}
    if seed is not None:
        content["seed"] = seed
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(canonical.encode(), digest_size=8).hexdigest()


def _non_defaults(part: Any) -> dict[str, Any]:
    """Return the settings of a part of a configuration that are not at their default."""
    values = {field: getattr(part, field.name) for field in dataclasses.fields(part)}
    return {
        field.name: _non_defaults(value) if dataclasses.is_dataclass(value) else value
        for field, value in values.items()
        if field.name == "name" or value != field.default
    }


def settings_key(part: Any, key: SettingsKeyName) -> SettingsKey:
    """Return all settings of `part` but those that are marked as exempt from the key.

    Configurations with equal keys cost the same to train, or may share a recorded training step.

    Args:
        part: a configuration, or any other settings dataclass.
        key: which key; see `SettingsKeyName`.
    """
    return tuple(_key_items(part, key, ""))


def _key_items(part: Any, key: SettingsKeyName, prefix: str) -> Iterator[tuple[str, Hashable]]:
    for name, mark in _keyed_fields(part.__class__, key):
        path, value = f"{prefix}{name}", getattr(part, name)
        if mark is not None:
            yield path, 0 if value == 0 else "not 0"
        elif dataclasses.is_dataclass(value):
            yield from _key_items(value, key, f"{path}.")
        else:
            yield path, _hashable(value, key)


@cache
def _keyed_fields(cls: Any, key: SettingsKeyName) -> tuple[tuple[str, Exempt | None], ...]:
    """Return the fields that the key holds; with its mark a field of which it holds only the 0."""
    marks = exempt_settings(cls, key)
    names = [field.name for field in dataclasses.fields(cls)]
    return tuple(
        (name, marks.get(name)) for name in names if name not in marks or marks[name].but_zero
    )


def _hashable(value: Any, key: SettingsKeyName) -> Hashable:
    """Return a setting's value as something that can key a dictionary."""
    if dataclasses.is_dataclass(value):
        return settings_key(value, key)
    if isinstance(value, Mapping):
        return tuple((name, _hashable(item, key)) for name, item in value.items())
    if isinstance(value, list | tuple):
        return tuple(_hashable(item, key) for item in value)
    found: Hashable = value
    return found
