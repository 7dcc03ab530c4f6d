"""Every network in a size that a test can train: derived from its settings, not listed."""

import dataclasses

import pydantic
import torch

from trainables import networks, plugins

NAMES = plugins.component_names("trainables.networks")


def small_options(name: str) -> dict[str, int]:
    """Return each integer setting of the network at a sixteenth of its default, at least 1.

    A setting that refuses this keeps its default.
    """
    options: dict[str, int] = {}
    for field in dataclasses.fields(plugins.settings_classes("trainables.networks")[name]):
        if type(field.default) is int:
            wanted = options | {field.name: max(1, field.default // 16)}
            if is_buildable(name, wanted):
                options = wanted
    return options


def is_buildable(name: str, options: dict[str, int]) -> bool:
    try:
        with torch.device("meta"):
            networks.build(name, num_classes=2, **options)
    except (pydantic.ValidationError, ValueError):
        return False
    return True


def build_small(name: str, **shape: int) -> networks.Network:
    """Build the network at its small size, with the same weights every time."""
    torch.manual_seed(0)
    return networks.build(name, **{"num_classes": 10, **shape}, **small_options(name))
