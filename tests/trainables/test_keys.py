"""What a trial's key depends on."""

import dataclasses
from pathlib import Path

import pytest

from trainables.configuration import Configuration, parse_configuration
from trainables.released_defaults import (
    ChangedDefaultError,
    current_defaults,
    read_defaults,
    with_new_defaults,
)
from trainables.trial_key import hash_configuration

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


def test_no_default_has_changed():
    """A key leaves defaults out: with another default, an old trial would stand for a new one.

    To change one, give the setting a new name. `make schema` adds a new setting to the file; its
    default must be what was done before.
    """
    current = current_defaults()
    released = read_defaults(DEFAULTS)
    assert {path: released.get(path, "missing: `make schema`") for path in current} == current


def test_new_settings_are_added_and_those_gone_stay():
    released = {"networks.old.width": 4, "training.epochs": 400}
    current = {"networks.new.depth": [1, 2], "training.epochs": 400}
    assert with_new_defaults(released, current) == {**current, "networks.old.width": 4}
    assert with_new_defaults({}, current) == current


def test_a_changed_default_is_refused_with_both_values():
    with pytest.raises(ChangedDefaultError, match=r"`a.b` was released .* 0.5 and now has null"):
        with_new_defaults({"a.b": 0.5}, {"a.b": None})


def test_the_parts_of_a_configuration_are_those_of_the_list():
    parts = {field.name for field in dataclasses.fields(Configuration)}
    assert parts == {"dataset", "network", "regularizer", "training", "diagnostics"}
