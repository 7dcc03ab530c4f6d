"""The effects of an ablation's parts, from the trials on record, as a table.

Where the space holds settings beside the ablation, such as data sets and networks, each setting has
effects of its own: they are not averaged over settings, which are no sample of anything.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from analysis.record.names import COMPLETED, OUTCOME, SEED
from analysis.statistics.ablated_parts import part_switches, switched_point
from analysis.statistics.effects import PartEffect, Term, design_points, part_effects
from analysis.statistics.looks import present_share
from analysis.statistics.p_values import holm_adjusted
from analysis.tables.configurations import LOST, factors_of, hashable_value
from analysis.tables.display_names import (
    display_name,
    number_text,
    setting_value_text,
    with_capital,
)
from analysis.tables.paired import CORRECTED, p_text
from analysis.tables.part_names import meaning_of
from analysis.tables.printed import interval_text
from analysis.tables.rendering import INTERVAL, TableCell, TableGrid
from analysis.tables.seed_values import completed_trials
from analysis.tables.test_images import image_share
from trainables.metrics import TEST_ERROR_LAST

LEVEL = 0.95
"""Of each interval."""
FURTHER = {
    "path": ": an effect depends on the order",
    "fraction": ", and contains its aliases",
}
"""What an effect's note adds to its meaning."""
SURVIVORS_NOTE = (
    "An effect with lost seeds, which diverged or failed, is that of the survivors: they flatter "
    "their side, so it is undecided."
)


@dataclass(frozen=True)
class LostSeeds:
    """Seeds of one configuration that diverged or failed for good."""

    point: int
    """Its row in the design."""
    on: Mapping[str, bool]
    """Label of each switch → whether it is on there."""
    outcomes: tuple[str, ...]
    """What became of each lost seed."""
    seeds: int
    """Seeds that the configuration was tried with."""


@dataclass(frozen=True)
class SettingEffects:
    """What the parts do in one setting, such as one data set with one network."""

    columns: tuple[str, ...]
    """What tells settings apart; empty where there is one setting."""
    setting: tuple[Any, ...]
    """The values of the columns."""
    effects: tuple[PartEffect, ...]
    lost: tuple[LostSeeds, ...]

    def lost_of(self, effect: PartEffect) -> tuple[LostSeeds, ...]:
        """Return the lost seeds of the configurations that an effect is made of."""
        return tuple(each for each in self.lost if each.point in effect.points)


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
    ended = frame[frame[OUTCOME].isin([COMPLETED, *LOST])]
    columns = setting_columns(ended, resolved)
    settings = [tuple(map(hashable_value, row)) for row in ended[columns].itertuples(index=False)]
    shown = dict(zip(settings, ended[columns].itertuples(index=False, name=None), strict=True))
    found = []
    for setting, values in shown.items():
        within = ended[[each == setting for each in settings]]
        effects = _effects_within(
            completed_trials(within),
            resolved["ablate"],
            metric,
            looks,
            level,
            image_share(within.iloc[0]),
        )
        lost = tuple(_lost_within(within, resolved["ablate"]))
        found.append(SettingEffects(tuple(columns), values, effects, lost))
    return _corrected_together(found)


def setting_columns(frame: pd.DataFrame, resolved: Mapping[str, Any]) -> list[str]:
    """Return the columns by which the settings differ that an ablation is made in.

    What follows from the parts is none of them: only what the space itself holds beside them. A
    setting that the space asks for counts even where no trial has run in it.
    """
    parts, space = resolved["ablate"]["to"], resolved["search"]["space"]
    beside = {path: domain for path, domain in space.items() if path not in parts}
    varied = [
        name
        for name in factors_of(frame)
        if name not in parts and any(name == path or name.startswith(f"{path}.") for path in beside)
    ]
    asked = [name for path, domain in beside.items() for name in _asked_columns(path, domain)]
    return list(dict.fromkeys([*(name for name in asked if name in frame), *varied]))


def _asked_columns(path: str, domain: Any) -> list[str]:
    """Return the columns by which the values of a searched path differ, as its space has them."""
    if not isinstance(domain, list | tuple):
        return [path]
    if not any(isinstance(value, Mapping) for value in domain):
        return [path] if len(domain) > 1 else []
    alternatives = [value for value in domain if isinstance(value, Mapping)]
    rows = [
        {f"{path}.{key}": item for key, item in value.items() if not isinstance(item, Mapping)}
        for value in alternatives
    ]
    return factors_of(pd.DataFrame(rows))


def _effects_within(
    trials: pd.DataFrame,
    ablate: Mapping[str, Any],
    metric: str,
    looks: Sequence[int],
    level: float,
    resolution: float,
) -> tuple[PartEffect, ...]:
    points, rows = _designed(ablate)
    seeds = {seed: column for column, seed in enumerate(sorted(trials[SEED].unique()))}
    errors = np.full((len(points), len(seeds)), np.nan)
    for _, trial in trials.iterrows():
        row = rows.get(_point_of(trial, ablate))
        if row is not None:
            errors[row, seeds[trial[SEED]]] = float(trial[metric])
    share = present_share(looks, len(seeds), tests=len(points) - 1)
    effects = part_effects(
        points, errors, ablate["design"], level=1 - (1 - level) * share, resolution=resolution
    )
    return tuple(replace(effect, p=min(effect.p / share, 1.0)) for effect in effects)


def _lost_within(trials: pd.DataFrame, ablate: Mapping[str, Any]) -> Iterator[LostSeeds]:
    """Yield for each configuration of the design the seeds that it lost, where it lost any."""
    points, rows = _designed(ablate)
    outcomes: dict[int, dict[Any, str]] = {}
    for _, trial in trials.iterrows():
        row = rows.get(_point_of(trial, ablate))
        if row is not None:
            of_row = outcomes.setdefault(row, {})
            if of_row.get(trial[SEED]) != COMPLETED:
                of_row[trial[SEED]] = str(trial[OUTCOME])
    for row, of_row in sorted(outcomes.items()):
        lost = tuple(outcome for outcome in of_row.values() if outcome != COMPLETED)
        if lost:
            yield LostSeeds(row, points[row], lost, len(of_row))


def _designed(
    ablate: Mapping[str, Any],
) -> tuple[list[dict[str, bool]], dict[tuple[Hashable, ...], int]]:
    """Return the design's configurations, by what is on in each, and values → row."""
    switches = part_switches(ablate)
    points = design_points([switch.label for switch in switches], ablate["design"])
    designed = (switched_point(switches, on, ablate["to"]) for on in points)
    rows = {tuple(map(hashable_value, point.values())): row for row, point in enumerate(designed)}
    return points, rows


def _point_of(trial: "pd.Series[Any]", ablate: Mapping[str, Any]) -> tuple[Hashable, ...]:
    return tuple(hashable_value(trial.get(path)) for path in ablate["to"])


def _corrected_together(found: list[SettingEffects]) -> list[SettingEffects]:
    corrected = iter(holm_adjusted([effect.p for each in found for effect in each.effects]))
    return [
        replace(
            each,
            effects=tuple(
                replace(effect, holm_p=float(next(corrected))) for effect in each.effects
            ),
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
    settings = found[0].columns
    lossy = any(each.lost for each in found)
    aliased = any(effect.aliases for each in found for effect in each.effects)
    rows = [
        [
            *(TableCell(setting_value_text(value)) for value in each.setting),
            *_effect_cells(effect, aliased=aliased),
            *([_lost_cell(each, effect)] if lossy else []),
        ]
        for each in found
        for effect in each.effects
    ]
    named = [*map(display_name, settings), "part"]
    numbers = ["effect (points)", INTERVAL, "p", CORRECTED, "seeds"]
    lost = ["lost seeds"] if lossy else []
    header = [*named, *numbers, *(["also contains"] if aliased else []), *lost]
    ablate = resolved["ablate"]
    meaning = f"{with_capital(meaning_of(ablate))}{FURTHER.get(ablate['design'], '')}."
    return TableGrid(
        title="Effects of the parts",
        header=[("", name) for name in header],
        rows=rows,
        notes=[
            f"Differences of {display_name(metric)}, seed by seed: with a part as under "
            "`to` minus as under `from`; below 0 the part helps as it is under `to`. "
            f"{meaning} p: of no effect, by a two-sided t-test; corrected: by Holm over all "
            "effects of the table.",
            *([SURVIVORS_NOTE] if lossy else []),
        ],
        numeric=[name in (*numbers, *lost) for name in header],
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


def _lost_cell(found: SettingEffects, effect: PartEffect) -> TableCell:
    lost = sum(len(each.outcomes) for each in found.lost_of(effect))
    return TableCell(str(lost) if lost else "")


def _term_text(term: Term) -> str:
    return " x ".join(display_name(part) for part in term)
