"""The effects of an ablation's parts, from the trials on record, as a table."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.record.names import POINT, SEED
from analysis.statistics.effects import PartEffect, Term, design_points, part_effects
from analysis.tables.configurations import completed_trials
from analysis.tables.display_names import display_name, number_text
from analysis.tables.paired import p_text
from analysis.tables.printed import interval_text
from analysis.tables.rendering import TableCell, TableGrid
from trainables.metrics import TEST_ERROR_LAST

ORDER_MATTERS = {
    "one_out": "Each part against all parts: the error with it minus the error without it.",
    "one_in": "Each part alone against none: the error with it minus the error without it.",
    "path": "Each part against those before it: an effect depends on the order.",
    "factorial": "Each effect is an average over the other parts.",
    "fraction": "Each effect is an average over the other parts, and contains its aliases.",
}


def effects_of(
    frame: pd.DataFrame, ablate: Mapping[str, Any], metric: str = TEST_ERROR_LAST
) -> tuple[PartEffect, ...]:
    """Return what each part does to a metric; empty where no trial has it.

    Args:
        frame: the trials, with their points.
        ablate: the section of the resolved study.
        metric: an error.
    """
    points = design_points(ablate["parts"], ablate["design"])
    full = completed_trials(frame)
    if metric not in full or full.empty:
        return ()
    rows = {tuple(point.values()): row for row, point in enumerate(points)}
    seeds = {seed: column for column, seed in enumerate(sorted(full[SEED].unique()))}
    errors = np.full((len(points), len(seeds)), np.nan)
    for _, trial in full.iterrows():
        row = rows.get(_parts_on(json.loads(trial[POINT]), ablate))
        if row is not None:
            errors[row, seeds[trial[SEED]]] = float(trial[metric])
    return part_effects(points, errors, ablate["design"])


def effect_grid(
    frame: pd.DataFrame, ablate: Mapping[str, Any], metric: str = TEST_ERROR_LAST
) -> TableGrid | None:
    """Return the effects as a table to be printed, or None where no trial has the metric.

    Arguments as for `effects_of`.
    """
    effects = effects_of(frame, ablate, metric)
    if not effects:
        return None
    aliased = any(effect.aliases for effect in effects)
    rows = [_effect_cells(effect, aliased=aliased) for effect in effects]
    header = ["part", "effect (points)", "95% interval", "p", "p, Holm", "seeds"]
    return TableGrid(
        title="Effects of the parts",
        header=[("", name) for name in [*header, *(["also contains"] if aliased else [])]],
        rows=rows,
        notes=[
            f"Differences of {display_name(metric)}, seed by seed; below 0 the part helps. "
            f"{ORDER_MATTERS[ablate['design']]}"
        ],
        numeric=[False, True, True, True, True, True, *([False] if aliased else [])],
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


def _parts_on(point: Mapping[str, Any], ablate: Mapping[str, Any]) -> tuple[bool, ...]:
    """Return which parts are on in a configuration, in the order of the parts."""
    to = ablate["to"]
    return tuple(
        all(
            point.get(path) == value
            for path, value in to.items()
            if path == part or path.startswith(f"{part}.")
        )
        for part in ablate["parts"]
    )
