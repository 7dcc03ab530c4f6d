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
from trainables.regularizers._puzzle import PuzzleSettings
from trainables.settings import Count, Exempt, Flag, exempt_settings, settings

SPLIT = "name validation train_images test_images padding flip mean std"
PUZZLE = (
    "blocks label_smoothness data_smoothness prior_weight neighbour_size transport transport_cost "
    "solver"
)
DECIDES_BOTH = {
    **dict.fromkeys(
        [f"datasets.{name}" for name in datasets.names() if name != "image_folder"], SPLIT
    ),
    "datasets.image_folder": f"{SPLIT} path image_size",
    "datasets.torchvision": f"{SPLIT} dataset image_size test_share",
    "networks.lenet": "name",
    "networks.densenet121": "name growth",
    "networks.preact_resnet18": "name width stem_stride variant",
    "networks.preact_resnet18_bottleneck2d": "name width stem_stride variant",
    "networks.resnet50": "name width stem_stride variant",
    "networks.wide_resnet28_10": "name width",
    "networks.timm": "name model stem options",
    "regularizers.vanilla": "name loss",
    "regularizers.mixup": "name loss",
    "regularizers.cutmix": "name loss",
    "regularizers.manifold_mixup": "name loss layers",
    "regularizers.confidence_penalty": "name loss",
    "regularizers.fmix": "name loss alpha decay",
    "regularizers.mixup_cutmix": "name loss mixup_alpha cutmix_alpha switch_probability",
    "regularizers.online_label_smoothing": "name loss",
    "regularizers.resizemix": "name loss smallest largest",
    "regularizers.saliencymix": "name loss alpha probability",
    "regularizers.self_distillation": "name loss last_share",
    "regularizers.puzzlemix": f"name alpha loss {PUZZLE}",
    "regularizers.lamix": (
        "name mixing puzzlemix global_label detach_global_label lam label_from original_batches "
        "alternation loss soften_originals"
    ),
    "lamix.puzzlemix": PUZZLE,
    "training": "batch_size nesterov graphs compile",
    "diagnostics": (
        "soft_targets cam cam_classes images embedding_epochs embedding_classes embedding_images "
        "predictions weights"
    ),
}
"""Settings that decide the cost of a trial and are held by a recorded step."""
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
COST_ALONE = {"training": "precision"}
"""Settings that decide the cost and that a step's key replaces by what the device made of them."""
NEITHER = {
    **dict.fromkeys([f"regularizers.{name}" for name in settings_classes(regularizers.__name__)],
                    "smoothing"),
    "regularizers.lamix": "smoothing beta",
    "regularizers.confidence_penalty": "smoothing weight",
    "regularizers.online_label_smoothing": "smoothing hard_share",
    "training": "recipe epochs learning_rate schedule milestones",
}  # fmt: skip
"""Settings that cost nothing and that a recorded step reads anew."""


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


def sides(cls: type) -> dict[str, set[str]]:
    """Return the settings of a class by the side that the marks put them on."""
    cost, step = exempt_settings(cls, "cost"), exempt_settings(cls, "step")
    names = {field.name for field in dataclasses.fields(cls)}
    zero = {name for name, mark in cost.items() if mark.but_zero}
    return {
        "both": names - cost.keys() - step.keys(),
        "step": cost.keys() - zero - step.keys(),
        "step and zero": zero,
        "cost": step.keys() - cost.keys(),
        "neither": (cost.keys() & step.keys()) - zero,
    }


@pytest.mark.parametrize("part", parts())
def test_every_setting_is_on_the_side_that_this_list_says(part):
    """A new setting is put on a side here: by default it decides both keys."""
    lists = {
        "both": DECIDES_BOTH,
        "step": STEP_ALONE,
        "step and zero": STEP_AND_COST_OF_ZERO,
        "cost": COST_ALONE,
        "neither": NEITHER,
    }
    listed = {side: set(table.get(part, "").split()) for side, table in lists.items()}
    assert sides(parts()[part]) == listed


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
