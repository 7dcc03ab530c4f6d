"""Made-up trials of the study of the readings, whose truth is known."""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from analysis.paper.readings import JudgedReadings, judge_readings

FILE = Path(__file__).resolve().parents[2] / "search_spaces/paper/readings.yaml"
Settings = dict[str, Any]
SMALL: dict[str, list[Any]] = {
    "dataset": [{"name": "cifar10", "validation": 0}, {"name": "cifar100", "validation": 0}],
    "network": [
        {"name": "preact_resnet18", "variant": "mixup_cifar10"},
        {"name": "preact_resnet18", "variant": "puzzlemix"},
    ],
    "training.milestones": [[100, 150], [200, 300]],
    "regularizer": [
        {"name": "vanilla"},
        {"name": "mixup"},
        {"name": "cutmix"},
        {"name": "lamix"},
        {"name": "lamix", "alternation": "both"},
        {"name": "lamix", "lam": "half"},
    ],
}
"""The study with fewer alternatives: 4 settings of 2 data sets, and 3 kinds of LaMix."""
TINY = {
    "dataset": SMALL["dataset"][:1],
    "network": SMALL["network"],
    "regularizer": SMALL["regularizer"][1:5],
}
ONE = {**TINY, "network": SMALL["network"][:1], "regularizer": SMALL["regularizer"][1:4]}
"""One data set, and one reading."""
SCALED = [200, 300]


def shipped_space(scale: str = "paper") -> dict[str, Any]:
    """Return the space of the shipped study at a scale."""
    study = yaml.safe_load(FILE.read_text())
    own = (study["scales"][scale].get("search") or {}).get("space") or {}
    return {**study["search"]["space"], **own}


def settings_of_space(space: Mapping[str, Sequence[Any]]) -> list[Settings]:
    """Return the settings of each configuration of a grid, under their dotted names."""
    found = []
    for values in product(*space.values()):
        settings: Settings = {}
        for path, value in zip(space, values, strict=True):
            if isinstance(value, Mapping):
                settings |= {f"{path}.{key}": held for key, held in value.items()}
            else:
                settings[path] = value
        found.append(settings)
    return found


def made_up_readings(
    space: Mapping[str, Sequence[Any]],
    behind: Callable[[Settings], float] = lambda settings: 0.0,
    *,
    seeds: int = 5,
    noise: float = 0.1,
    luck: float = 0.2,
    seed: int = 0,
    spread_of: Callable[[Settings], float] = lambda settings: 1.0,
) -> pd.DataFrame:
    """Return the trials of a grid.

    Args:
        space: of the study.
        behind: by how many points LaMix truly errs more than Mixup and CutMix.
        seeds: of each configuration.
        noise: the standard deviation of a trial's own luck.
        luck: that of what all trials of a seed share.
        seed: of the draws.
        spread_of: what `noise` is multiplied by.
    """
    rng = np.random.default_rng(seed)
    shared = rng.normal(0, luck, seeds)
    rows = []
    for number, settings in enumerate(settings_of_space(space)):
        mean = 20 + (behind(settings) if settings["regularizer.name"] == "lamix" else 0.0)
        errors = mean + shared + rng.normal(0, noise * spread_of(settings), seeds)
        rows += [
            {
                **settings,
                "configuration": str(number),
                "seed": place,
                "run_id": f"{number}-{place}",
                "outcome": "completed",
                "test_error_last": float(error),
            }
            for place, error in enumerate(errors)
        ]
    return pd.DataFrame(rows)


def judged(
    behind: Callable[[Settings], float] = lambda settings: 0.0,
    *,
    space: Mapping[str, Sequence[Any]] = SMALL,
    noise: float = 0.01,
    **options: Any,
) -> JudgedReadings:
    """Return what made-up trials say of the conclusion."""
    found = judge_readings(made_up_readings(space, behind, noise=noise, **options), space)
    assert found is not None
    return found


def with_setting(name: str, value: Any, points: float) -> Callable[[Settings], float]:
    """LaMix is behind by so many points where a setting has a value."""
    return lambda settings: points * (settings.get(name) == value)
