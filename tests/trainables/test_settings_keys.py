"""Which settings decide what a trial costs, and which a recorded training step holds."""

import dataclasses
from dataclasses import dataclass
from typing import Annotated

import pytest

from trainables import datasets, networks, regularizers
from trainables.configuration import parse_configuration, settings_key
from trainables.diagnostics import DiagnosticsSettings
from trainables.plugins import settings_classes
from trainables.recipe import TrainingSettings
from trainables.regularizers import SmoothingSettings
from trainables.regularizers._puzzle import PuzzleSettings
from trainables.settings import Count, Exempt, Flag, exempt_settings, settings

STEP_ALONE = {
    "regularizers.mixup": "alpha",
    "regularizers.cutmix": "alpha probability",
    "regularizers.manifold_mixup": "alpha",
    "regularizers.puzzlemix": "adversarial_epsilon",
    "lamix.puzzlemix": "adversarial_epsilon",
}
"""Settings that a recorded step holds and that cost nothing."""
STEP_AND_COST_OF_ZERO = {
    "regularizers.puzzlemix": "clean_weight adversarial_probability",
    "lamix.puzzlemix": "clean_weight adversarial_probability",
    "training": "momentum weight_decay",
}
"""Settings that a recorded step holds and of which 0 alone has a cost of its own."""
COST_ALONE = {"training": "precision compile"}
"""Settings that decide the cost and that a step's key replaces by what the device made of them."""
NEITHER = {
    "regularizers.lamix": "beta",
    "regularizers.confidence_penalty": "weight",
    "regularizers.online_label_smoothing": "hard_share",
    "training": "recipe epochs learning_rate schedule milestones",
}
"""Settings that cost nothing and that a recorded step reads anew."""
NEITHER_BY_INHERITANCE = {SmoothingSettings: {"smoothing"}}
"""The same of every component that has these settings from its base class."""
LISTS = {
    "step": STEP_ALONE,
    "step and zero": STEP_AND_COST_OF_ZERO,
    "cost": COST_ALONE,
    "neither": NEITHER,
}
"""Exempt settings by side. A setting that is in none of the lists decides both keys, so a new
component needs no line here unless a setting of its own bears a mark."""


def parts() -> dict[str, type]:
    """Return every settings class by what its settings are called here."""
    found: dict[str, type] = {
        "training": TrainingSettings,
        "diagnostics": DiagnosticsSettings,
        "lamix.puzzlemix": PuzzleSettings,
    }
    for package in (datasets, networks, regularizers):
        for name, cls in settings_classes(package.__name__).items():
            found[f"{package.__name__.removeprefix('trainables.')}.{name}"] = cls
    return found


def exempt_by_side(cls: type) -> dict[str, set[str]]:
    """Return the exempt settings of a class by the side that the marks put them on."""
    cost, step = exempt_settings(cls, "cost"), exempt_settings(cls, "step")
    zero = {name for name, mark in cost.items() if mark.but_zero}
    return {
        "step": cost.keys() - zero - step.keys(),
        "step and zero": zero,
        "cost": step.keys() - cost.keys(),
        "neither": (cost.keys() & step.keys()) - zero,
    }


def listed_by_side(part: str, cls: type) -> dict[str, set[str]]:
    """Return the exempt settings of a class by the side that the lists put them on."""
    listed = {side: set(table.get(part, "").split()) for side, table in LISTS.items()}
    for base, names in NEITHER_BY_INHERITANCE.items():
        if issubclass(cls, base):
            listed["neither"] |= names
    return listed


@pytest.mark.parametrize("part", parts())
def test_a_setting_decides_both_keys_unless_a_list_exempts_it(part):
    cls = parts()[part]
    assert exempt_by_side(cls) == listed_by_side(part, cls)


def test_the_lists_name_settings_that_are_there():
    found = parts()
    for table in LISTS.values():
        for part, names in table.items():
            assert set(names.split()) <= {field.name for field in dataclasses.fields(found[part])}


def test_a_component_that_no_list_names_needs_no_line_unless_it_marks_a_setting():
    @settings
    class Plain(SmoothingSettings):
        depth: Count = 2

    @settings
    class Marked(SmoothingSettings):
        gain: Annotated[float, Exempt("cost", "a factor")] = 1.0

    assert exempt_by_side(Plain) == listed_by_side("regularizers.plain", Plain)
    assert exempt_by_side(Marked) != listed_by_side("regularizers.marked", Marked)


def test_every_exception_has_a_reason():
    for cls in parts().values():
        for key in ("cost", "step"):
            assert all(mark.reason for mark in exempt_settings(cls, key).values())


def configuration(**changes):
    plain = {
        "dataset": {"name": "digits"},
        "network": {"name": "lenet"},
        "regularizer": {"name": "lamix"},
        "training": {"epochs": 10, "milestones": []},
    }
    return parse_configuration({**plain, **changes})


PUZZLED = {"name": "lamix", "mixing": "puzzlemix"}


@pytest.mark.parametrize(
    "changes",
    [
        {"regularizer": PUZZLED},
        {"dataset": {"name": "digits", "train_images": 600}},
        {"dataset": {"name": "digits", "validation": 0.2}},
        {"diagnostics": {"soft_targets": True}},
        {"training": {"epochs": 10, "milestones": [], "momentum": 0.0}},
        {"training": {"epochs": 10, "milestones": [], "compile": True}},
    ],
)
def test_what_changes_the_cost_changes_its_key(changes):
    assert settings_key(configuration(**changes), "cost") != settings_key(configuration(), "cost")


@pytest.mark.parametrize(
    "changes",
    [
        {"regularizer": {"name": "lamix", "beta": 0.3, "smoothing": 0.1}},
        {"training": {"epochs": 20, "learning_rate": 0.3, "schedule": "cosine"}},
        {"training": {"epochs": 10, "milestones": [], "momentum": 0.8, "weight_decay": 1e-3}},
    ],
)
def test_what_costs_nothing_leaves_the_key_of_the_cost(changes):
    assert settings_key(configuration(**changes), "cost") == settings_key(configuration(), "cost")


def test_a_setting_of_a_nested_part_is_part_of_the_key():
    puzzled = [
        configuration(regularizer={**PUZZLED, "puzzlemix": {"blocks": [blocks]}})
        for blocks in (2, 4)
    ]
    keys = [settings_key(one, "cost") for one in puzzled]
    assert keys[0] != keys[1]
    assert ("regularizer.puzzlemix.blocks", (2,)) in keys[0]


def test_settings_of_any_component_have_a_key_and_an_unmarked_one_decides():
    @settings
    class Own:
        depth: Count = 2
        fast: Flag = False
        sizes: dict[str, list[int]] = dataclasses.field(default_factory=dict)
        gain: Annotated[float, Exempt("cost", "a factor")] = 1.0

    @dataclass(frozen=True)
    class Plain:
        depth: int = 2

    assert settings_key(Own(), "cost") == (("depth", 2), ("fast", False), ("sizes", ()))
    assert settings_key(Own(gain=2.0), "cost") == settings_key(Own(), "cost")
    assert settings_key(Own(gain=2.0), "step") != settings_key(Own(), "step")
    assert hash(settings_key(Own(sizes={"a": [1]}), "cost")) != hash(settings_key(Own(), "cost"))
    assert settings_key(Plain(), "cost") == settings_key(Plain(), "step") == (("depth", 2),)


def test_a_mark_holds_in_a_class_that_inherits_the_setting():
    @settings
    class Base:
        gain: Annotated[float, Exempt("step", "read anew")] = 1.0

    @settings
    class Own(Base):
        depth: Count = 2

    assert settings_key(Own(), "step") == (("depth", 2),)
