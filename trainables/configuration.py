"""A trial's configuration: everything that decides its result but the seed and the data's bytes."""

import dataclasses
from collections.abc import Hashable, Iterator, Mapping
from functools import cache, lru_cache
from typing import Any, Self

import pydantic
import torch
from pydantic import model_validator
from pydantic_core import ArgsKwargs

from trainables import datasets, networks, plugins, regularizers
from trainables.diagnostics import DiagnosticsSettings
from trainables.networks import stem_stride
from trainables.recipe import TrainingSettings, recipe_parts
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

    @property
    def components(self) -> tuple[Any, Any, Any]:
        """Data set, network and regularizer: the settings of the parts that have a name."""
        return self.dataset, self.network, self.regularizer

    @model_validator(mode="before")
    @classmethod
    def _fill_in_the_recipe(cls, given: Any) -> Any:
        if isinstance(given, ArgsKwargs):
            return ArgsKwargs(given.args, _with_recipe(given.kwargs or {}))
        return _with_recipe(given) if isinstance(given, Mapping) else given

    @model_validator(mode="after")
    def _check_diagnostics(self) -> Self:
        self.diagnostics.check(self.network, self.training)
        return self

    @model_validator(mode="after")
    def _check_that_the_parts_fit(self) -> Self:
        with plugins.blaming_own(self.dataset, what="say the size of its images"):
            size = self.dataset.image_size
        with plugins.blaming_own(self.network, what="be built"):
            network = _weightless_network(self.network, size)
        with plugins.blaming_own(self.regularizer, what="be built"), torch.device("meta"):
            self.regularizer.check(network=network, image_size=size)
            if plugins.own_modules_of([self.regularizer]):
                features = network.classifier.in_features
                self.regularizer.build(num_classes=2, num_features=features)
        return self


PACKAGES = {"dataset": datasets, "network": networks, "regularizer": regularizers}
"""Where the components of a part of a configuration lie."""


def _with_recipe(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts with what the training's recipe says of each, where they do not say it.

    Also the stride of a stem that is to be chosen, so that the configuration shows the number.
    """
    filled = dict(given)
    dataset, training = filled.get("dataset"), filled.get("training")
    wanted = recipe_parts(_setting(training, "recipe"), _setting(dataset, "name"))
    for part, defaults in wanted.items():
        written = filled.get(part)
        if isinstance(written, Mapping):  # else it is complete, or is refused for what it is
            known = _setting_names(part, written)
            chosen = {key: value for key, value in defaults.items() if key in known}
            filled[part] = {**chosen, **written}
    network = filled.get("network")
    if isinstance(network, Mapping) and network.get("stem_stride") == "auto":
        size = _image_size(filled.get("dataset"))
        if size is not None:
            filled["network"] = {**network, "stem_stride": stem_stride("auto", image_size=size)}
    return filled


def _setting(part: Any, name: str) -> Any:
    return part.get(name) if isinstance(part, Mapping) else getattr(part, name, None)


def _setting_names(part: str, written: Mapping[str, Any]) -> set[str]:
    """Return the settings that a part has, by what is written of it."""
    if part == "training":
        # A recipe's milestones mean nothing to another schedule.
        return {"milestones"} if written.get("schedule", "steps") == "steps" else set()
    known = plugins.settings_classes(PACKAGES[part].__name__).get(str(written.get("name")))
    return {field.name for field in dataclasses.fields(known)} if known is not None else set()


def _image_size(dataset: Any) -> int | None:
    """Return what the network will see, in pixels; None where the settings are wrong."""
    if isinstance(dataset, Mapping):
        try:
            dataset = parse_settings(datasets.AnySettings, dataset)
        except pydantic.ValidationError:
            return None
    return getattr(dataset, "image_size", None)


@lru_cache
def _weightless_network(network: networks.AnySettings, image_size: int) -> networks.Network:
    """Return the network without memory for its weights."""
    with torch.device("meta"):
        return network.build(num_classes=2, in_channels=3, image_size=image_size)


def check_last_batch(configuration: Configuration, training_images: int) -> None:
    """Check that the network can be trained on the smallest mini-batch of an epoch.

    BatchNorm needs two values a channel: a mini-batch of a single image has one where the maps have
    shrunk to 1x1.

    Args:
        configuration: of a trial.
        training_images: how many there are without the validation share.

    Raises:
        DatasetError: saying which setting to change.
    """
    batch_size = configuration.training.batch_size
    last = training_images % batch_size or batch_size
    if last > 1 or _takes_single_images(configuration.network, configuration.dataset.image_size):
        return
    size = configuration.dataset.image_size
    raise datasets.DatasetError(
        f"{configuration.dataset.name}: {training_images} training images leave a last mini-batch "
        f"of one at `training.batch_size` {batch_size}, and {configuration.network.name} cannot be "
        f"trained on a single image of {size}x{size} pixels (its BatchNorm sees maps of 1x1): "
        "choose another batch size, another `dataset.train_images`, or larger images"
    )


@lru_cache
def _takes_single_images(network: networks.AnySettings, image_size: int) -> bool:
    """Return whether the network trains on a mini-batch of one image."""
    with torch.device("meta"):
        built = network.build(num_classes=2, in_channels=3, image_size=image_size).train()
        try:
            built(torch.empty(1, 3, image_size, image_size))
        except ValueError:  # what torch raises where a channel has a single value
            return False
    return True


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


def without_diagnostics(configuration: Configuration) -> Configuration:
    """Return the configuration of a trial of the same metrics that records nothing beside them."""
    if configuration.diagnostics == DiagnosticsSettings():
        return configuration
    return dataclasses.replace(configuration, diagnostics=DiagnosticsSettings())


def changed_settings(configuration: Configuration) -> dict[str, Any]:
    """Return the settings that are not at their default, by their dotted paths, and all names."""
    return flatten_settings(non_default_settings(configuration))


def non_default_settings(part: Any) -> dict[str, Any]:
    """Return the settings of a part of a configuration that are not at their default."""
    values = {field: getattr(part, field.name) for field in dataclasses.fields(part)}
    return {
        field.name: non_default_settings(value) if dataclasses.is_dataclass(value) else value
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
