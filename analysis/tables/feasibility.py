"""Which configurations meet the constraints of their study, by their means over seeds.

It loads quickly, since a study prints its table through it.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.counted import count_text
from analysis.tables.display_names import display_name, setting_value_text
from trainables.metrics import description_of

INFEASIBLE = "infeasible"
"""The column that says which constraints a configuration violates; empty where it meets them all,
or has not run in full."""
Bounds = Sequence[Mapping[str, Any]]
"""A study's constraints as its resolved file holds them: metric, and at_most or at_least."""


def violated_bounds(completed: pd.DataFrame, constraints: Bounds) -> str:
    """Return in words which constraints a configuration violates, or nothing.

    Args:
        completed: its completed trials, one per seed.
        constraints: of the study. One whose metric is not measured counts as violated.
    """
    if completed.empty:
        return ""
    means = [
        float(completed[bound["metric"]].to_numpy(dtype=float).mean())
        if bound["metric"] in completed
        else math.nan
        for bound in constraints
    ]
    told = [_violation(bound, mean) for bound, mean in zip(constraints, means, strict=True)]
    return "; ".join(text for text in told if text)


def feasible_rows(table: pd.DataFrame) -> "pd.Series[bool]":
    """Return for each row of a table over configurations whether nothing is known against it."""
    if INFEASIBLE not in table:
        return pd.Series(True, index=table.index, dtype=bool)
    feasible: pd.Series[bool] = table[INFEASIBLE] == ""
    return feasible


def infeasible_sentence(table: pd.DataFrame) -> str:
    """Return how many configurations are infeasible, or nothing where none is."""
    count = int((~feasible_rows(table)).sum())
    if not count:
        return ""
    verb = "is" if count == 1 else "are"
    return f"{count:,} of {count_text(len(table), 'configuration')} {verb} infeasible."


def none_feasible_sentence(table: pd.DataFrame) -> str:
    """Return that no configuration is feasible, where that is so of all that ran in full."""
    ran = table[table["n"] > 0]
    if ran.empty or feasible_rows(ran).any():
        return ""
    return (
        f"No configuration is feasible: each of {len(ran):,} that ran in full violates a "
        "constraint, so none is called best."
    )


def _violation(bound: Mapping[str, Any], mean: float) -> str:
    """Return a bound and the mean that violates it, as in ``seconds per epoch 2.35 > 2``."""
    name, at_most, at_least = bound["metric"], bound.get("at_most"), bound.get("at_least")
    if math.isnan(mean):
        return f"{display_name(name)} not measured"
    unit = description_of(name).unit
    end = f" {unit}" if unit and unit != "%" else unit
    if at_most is not None and mean > at_most:
        return (
            f"{display_name(name)} {setting_value_text(mean)} > {setting_value_text(at_most)}{end}"
        )
    if at_least is not None and mean < at_least:
        return (
            f"{display_name(name)} {setting_value_text(mean)} < {setting_value_text(at_least)}{end}"
        )
    return ""
