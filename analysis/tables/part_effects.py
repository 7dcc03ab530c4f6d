"""The effects of an ablation's parts, from the trials on record, as a table.

Where the space holds settings beside the ablation, such as data sets and networks, each setting has
effects of its own: they are not averaged over settings, which are no sample of anything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from analysis.record.names import SEED
from analysis.statistics.ablated_parts import part_switches, switched_point
from analysis.statistics.effects import PartEffect, Term, design_points, part_effects
from analysis.statistics.looks import present_share
from analysis.statistics.p_values import holm_adjusted
from analysis.tables.configurations import completed_trials, factors_of, hashable_value
from analysis.tables.display_names import display_name, number_text, setting_value_text
from analysis.tables.paired import p_text
from analysis.tables.printed import interval_text
from analysis.tables.rendering import TableCell, TableGrid
from analysis.tables.test_images import image_share
from trainables.metrics import TEST_ERROR_LAST

LEVEL = 0.95
"""Of each interval."""
ORDER_MATTERS = {
    "one_out": "Each part against all parts: the error with it minus the error without it.",
    "one_in": "Each part alone against none: the error with it minus the error without it.",
    "path": "Each part against those before it: an effect depends on the order.",
    "factorial": "Each effect is an average over the other parts.",
    "fraction": "Each effect is an average over the other parts, and contains its aliases.",
}


@dataclass(frozen=True)
class SettingEffects:
    """What the parts do in one setting, such as one data set with one network."""

    setting: tuple[Any, ...]
    """Values of the columns that tell settings apart; empty where there is one setting."""
    effects: tuple[PartEffect, ...]


def effects_of(
    frame: pd.DataFrame,
    resolved: Mapping[str, Any],
    metric: str = TEST_ERROR_LAST,
    *,
    looks: Sequence[int] = (),
    level: float = LEVEL,
) -> list[SettingEffects]:
    """Return what each part does to a metric, setting by setting; empty where no trial has it.

    Holm's correction is over the effects of all settings together. Intervals and p have the share
    of the level that the present look has.

    Args:
        frame: the trials.
        resolved: the resolved study, with its ablation and its space.
        metric: an error.
        looks: numbers of seeds at which the study was looked at.
        level: of each interval, over all looks.
    """
    full = completed_trials(frame)
    if metric not in full or full.empty:
        return []
    columns = setting_columns(full, resolved)
    settings = [tuple(map(hashable_value, row)) for row in full[columns].itertuples(index=False)]
    shown = dict(zip(settings, full[columns].itertuples(index=False, name=None), strict=True))
    found = []
    for setting, values in shown.items():
        within = full[[each == setting for each in settings]]
        effects = _effects_within(within, resolved["ablate"], metric, looks, level)
        found.append(SettingEffects(values, effects))
    return _corrected_together(found)


def setting_columns(frame: pd.DataFrame, resolved: Mapping[str, Any]) -> list[str]:
    """Return the columns by which the settings differ that an ablation is made in.

    What follows from the parts is none of them: only what the space itself holds beside them.
    """
    parts, space = resolved["ablate"]["to"], resolved["search"]["space"]
    beside = {path: domain for path, domain in space.items() if path not in parts}
    return [
        name
        for name in factors_of(frame)
        if name not in parts and any(name == path or name.startswith(f"{path}.") for path in beside)
    ]


def _effects_within(
    trials: pd.DataFrame,
    ablate: Mapping[str, Any],
    metric: str,
    looks: Sequence[int],
    level: float,
) -> tuple[PartEffect, ...]:
    switches = part_switches(ablate)
    points = design_points([switch.label for switch in switches], ablate["design"])
    designed = (switched_point(switches, on, ablate["to"]) for on in points)
    rows = {tuple(map(hashable_value, point.values())): row for row, point in enumerate(designed)}
    seeds = {seed: column for column, seed in enumerate(sorted(trials[SEED].unique()))}
    errors = np.full((len(points), len(seeds)), np.nan)
    for _, trial in trials.iterrows():
        row = rows.get(tuple(hashable_value(trial.get(path)) for path in ablate["to"]))
        if row is not None:
            errors[row, seeds[trial[SEED]]] = float(trial[metric])
    share = present_share(looks, len(seeds)) if len(seeds) > 1 else 1.0
    effects = part_effects(
        points,
        errors,
        ablate["design"],
        level=1 - (1 - level) * share,
        resolution=image_share(trials.iloc[0]),
    )
    return tuple(replace(effect, p=min(effect.p / share, 1.0)) for effect in effects)


def _corrected_together(found: list[SettingEffects]) -> list[SettingEffects]:
    corrected = iter(holm_adjusted([effect.p for each in found for effect in each.effects]))
    return [
        SettingEffects(
            each.setting,
            tuple(replace(effect, holm_p=float(next(corrected))) for effect in each.effects),
        )
        for each in found
    ]


def effect_grid(
    frame: pd.DataFrame,
    resolved: Mapping[str, Any],
    metric: str = TEST_ERROR_LAST,
    *,
    looks: Sequence[int] = (),
) -> TableGrid | None:
    """Return the effects as a table to be printed, or None where no trial has the metric.

    Arguments as for `effects_of`.
    """
    found = effects_of(frame, resolved, metric, looks=looks)
    if not found:
        return None
    settings = setting_columns(completed_trials(frame), resolved)
    aliased = any(effect.aliases for each in found for effect in each.effects)
    rows = [
        [
            *(TableCell(setting_value_text(value)) for value in each.setting),
            *_effect_cells(effect, aliased=aliased),
        ]
        for each in found
        for effect in each.effects
    ]
    named = [*map(display_name, settings), "part"]
    numbers = ["effect (points)", "95% interval", "p", "p, Holm", "seeds"]
    header = [*named, *numbers, *(["also contains"] if aliased else [])]
    return TableGrid(
        title="Effects of the parts",
        header=[("", name) for name in header],
        rows=rows,
        notes=[
            f"Differences of {display_name(metric)}, seed by seed: with a part as under "
            "`to` minus as under `from`; below 0 the part helps as it is under `to`. "
            f"{ORDER_MATTERS[resolved['ablate']['design']]}"
        ],
        numeric=[name in numbers for name in header],
    )


def _effect_cells(effect: PartEffect, *, aliased: bool) -> list[TableCell]:
    cells = [
        TableCell(_term_text(effect.term)),
        TableCell(number_text(effect.estimate)),
        TableCell(interval_text(effect.low, effect.high)),
        TableCell(p_text(effect.p)),
        TableCell(p_text(effect.holm_p)),
        TableCell(str(effect.seeds)),
    ]
    also = ", ".join(_term_text(term) for term in effect.aliases)
    return [*cells, TableCell(also)] if aliased else cells


def _term_text(term: Term) -> str:
    return " x ".join(display_name(part) for part in term)
