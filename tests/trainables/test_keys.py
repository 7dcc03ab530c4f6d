"""What a trial's key depends on."""

import dataclasses
import json
from pathlib import Path

import pytest

from trainables import datasets, networks, regularizers
from trainables.configuration import Configuration, hash_configuration, parse_configuration
from trainables.diagnostics import DiagnosticsSettings
from trainables.plugins import settings_classes
from trainables.recipe import TrainingSettings

DEFAULTS = Path(__file__).with_name("defaults.json")

PLAIN = {
    "dataset": {"name": "digits"},
    "network": {"name": "lenet"},
    "regularizer": {"name": "lamix"},
}


def keyed(**changes: object) -> str:
    return hash_configuration(parse_configuration({**PLAIN, **changes}), data="abc", seed=0)


def test_a_setting_at_its_default_is_a_setting_left_out():
    assert keyed(regularizer={"name": "lamix", "beta": 0.5}) == keyed()
    assert keyed(training={"epochs": 400}) == keyed()


@pytest.mark.parametrize(
    "change",
    [
        {"regularizer": {"name": "mixup"}},
        {"regularizer": {"name": "lamix", "beta": 0.6}},
        {"training": {"epochs": 399}},
        {"dataset": {"name": "digits", "train_images": 100}},
        {"network": {"name": "preact_resnet18"}},
        {"diagnostics": {"weights": True}},
        {"regularizer": {"name": "lamix", "mixing": "puzzlemix", "puzzlemix": {"blocks": [2]}}},
    ],
)
def test_any_other_setting_makes_another_key(change):
    assert keyed(**change) != keyed()


def test_seed_and_data_are_part_of_the_key():
    plain = parse_configuration(PLAIN)
    keys = {hash_configuration(plain, data=d, seed=s) for d in ("abc", "abd") for s in (None, 0, 1)}
    assert len(keys) == 6


def defaults() -> dict[str, object]:
    """Return the default of every setting that has one, by its path."""
    parts: dict[str, type] = {"training": TrainingSettings, "diagnostics": DiagnosticsSettings}
    for package in (datasets, networks, regularizers):
        for name, cls in settings_classes(package.__name__).items():
            parts[f"{package.__name__.removeprefix('trainables.')}.{name}"] = cls
    return {
        f"{part}.{field.name}": field.default
        for part, cls in sorted(parts.items())
        for field in dataclasses.fields(cls)
        if field.name != "name" and field.default is not dataclasses.MISSING
    }


def test_no_default_has_changed():
    """A key leaves defaults out: with another default, an old trial would stand for a new one.

    To change one, give the setting a new name. A new setting is added to `defaults.json`; its
    default must be what was done before.
    """
    assert json.loads(json.dumps(defaults())) == json.loads(DEFAULTS.read_text())


def test_the_parts_of_a_configuration_are_those_of_the_list():
    parts = {field.name for field in dataclasses.fields(Configuration)}
    assert parts == {"dataset", "network", "regularizer", "training", "diagnostics"}
