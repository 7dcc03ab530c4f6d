"""What a study says of its searched numbers: curves, the values that do as well, Sobol's indices.

A curve runs over one number while all else stays as it is; where other factors vary too, each of
their combinations is a case with a curve of its own. Sobol's indices are for studies that vary
several numbers and nothing else. Where values or seeds are too few, that is what is said.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from analysis.record.names import CONFIGURATION, SEED
from analysis.statistics.looks import present_share
from analysis.statistics.pairs import Floats
from analysis.statistics.sensitivity import (
    FEWEST_VALUES,
    SensitivityCurve,
    SensitivityError,
    sensitivity_curve,
)
from analysis.statistics.sobol import SobolIndices, sobol_indices
from analysis.tables.configurations import hashable_value
from analysis.tables.display_names import SYMBOLS, display_name, number_text
from analysis.tables.feasibility import feasible_rows
from analysis.tables.printed import setting_text
from analysis.tables.seed_values import one_per_seed
from trainables.metrics import PERCENT, description_of

MARGIN = 0.5
"""Points within which a value does as well as the best, where the study names no margin."""
LEVEL = 0.05
MOST_CASES = 6
"""Curves that are worked out: those of the best configurations."""
LEAST_EXPLAINED = 0.5
"""Sobol's indices of a fit that predicts less of the variance than this are not shown."""


@dataclass(frozen=True)
class FactorCurve:
    """The error over one number, all else fixed."""

    factor: str
    case: str
    """What else is fixed, where that varies; else empty."""
    rows: pd.DataFrame
    """The configurations, as in the study's table."""
    curve: SensitivityCurve
    log: bool
    whole: bool
    """Whether the factor takes whole numbers."""
    metric: str
    constrained: bool = False
    """Whether configurations on the curve violate a constraint, of which it knows nothing."""

    @property
    def name(self) -> str:
        """What the factor is called in a sentence."""
        return SYMBOLS.get(self.factor, display_name(self.factor))


@dataclass(frozen=True)
class CurveSubject:
    """What curves are told of."""

    metric: str
    level: float
    """Probability with which a statement holds."""
    margin: float
    """Points within which a value does as well as the best."""


@dataclass(frozen=True)
class StudySensitivity:
    """What is known of all searched numbers of a study."""

    curves: tuple[FactorCurve, ...] = ()
    indices: SobolIndices | None = None
    too_few: tuple[str, ...] = field(default=())
    """Sentences: what could not be told, and why."""

    @property
    def answer(self) -> str:
        """The sentence of the values that do as well; empty unless one number is all that varies.

        It is empty too where no range of values is shown to do as well.
        """
        alone = [each for each in self.curves if not each.case]
        shown = len(alone) == 1 and alone[0].curve.shown_as_good
        return good_sentence(alone[0]) if shown else ""

    @property
    def sentences(self) -> tuple[str, ...]:
        """All that is to be said, curve by curve."""
        told = [f"{good_sentence(each)} {next_sentence(each)}" for each in self.curves]
        return (*told, *self.too_few)


def study_sensitivity(
    frame: pd.DataFrame,
    table: pd.DataFrame,
    factors: Sequence[str],
    *,
    metric: str,
    space: Mapping[str, Any] | None = None,
    margin: float = 0.0,
    looks: Sequence[int] = (),
) -> StudySensitivity:
    """Return how an error depends on the numbers that were searched.

    Args:
        frame: the trials.
        table: as from `over_configurations`, the best configuration first.
        factors: the settings by which configurations differ.
        metric: an error in percent; of another metric nothing is told.
        space: the searched paths, for which of them are on a logarithmic scale.
        margin: points within which a value does as well as the best; 0 takes `MARGIN`.
        looks: numbers of seeds at which the study was looked at: the level allows for them.
    """
    numeric, varied, ran = _varied_numbers(table, factors, metric)
    if description_of(metric).unit != PERCENT or not numeric:
        return StudySensitivity()
    errors = _errors_by_configuration(frame, ran, metric)
    seeds = errors.shape[1]
    level = 1 - LEVEL * present_share(looks, seeds, tests=len(ran) - 1)
    told_of = CurveSubject(metric, level, margin or MARGIN)
    curves: list[FactorCurve] = []
    too_few: list[str] = []
    for factor in numeric:
        for rows, case in _cases(ran, factor, varied):
            if len(curves) == MOST_CASES:
                break
            try:
                curves.append(_curve_of(rows, case, factor, errors, space, told_of))
            except SensitivityError as error:
                too_few.append(f"No curve over {_named(factor)}{_of_case(case)}: {error}.")
    indices = None
    if len(numeric) > 1 and numeric == varied:
        logs = [is_logarithmic(name, ran[name].to_numpy(dtype=float), space) for name in numeric]
        settings = ran[numeric].to_numpy(dtype=float)
        try:
            indices = sobol_indices(settings, errors.loc[ran[CONFIGURATION]].to_numpy(),
                                    names=numeric, log=logs)  # fmt: skip
        except SensitivityError as error:
            too_few.append(f"No Sobol indices: {error}.")
        if indices is not None and indices.explained < LEAST_EXPLAINED:
            told = f"{100 * max(indices.explained, 0.0):.0f}%"
            too_few.append(
                f"No Sobol indices: a fit to the other configurations predicts {told} of the "
                "variance between configurations, and below half of it the indices mean nothing."
            )
            indices = None
    return StudySensitivity(tuple(curves), indices, tuple(dict.fromkeys(too_few)))


def good_sentence(each: FactorCurve) -> str:
    """Return which values of a factor do as well as the best, or that this is not decided yet."""
    curve, what = each.curve, display_name(each.metric).partition(", ")[0]
    within = f"within {number_text(curve.margin)} points of {what}"
    apart = ", constraints apart" if each.constrained else ""
    of_case, share = _of_case(each.case), f"({100 * curve.level:.0f}%{apart})"
    shown = _ranges_text(curve.shown_as_good, each)
    if shown:
        return f"Any {each.name} {shown} does as well as the best, {within} {share}{of_case}."
    return (
        f"Of no {each.name} is it shown yet that it does as well as the best, {within} "
        f"{share}{of_case}."
    )


def next_sentence(each: FactorCurve) -> str:
    """Return where further trials would tell most."""
    at = _value_text(each.curve.next_value, each)
    return f"Further trials would tell most at {each.name} ≈ {at}."


def is_logarithmic(factor: str, at: Floats, space: Mapping[str, Any] | None) -> bool:
    """Return whether a factor is counted by orders of magnitude: searched so, or that wide."""
    spec = (space or {}).get(factor)
    if isinstance(spec, Mapping) and spec.get("log"):
        return True
    return bool(at.min() > 0 and at.max() / at.min() >= 100)


def is_numeric(values: "pd.Series[Any]") -> bool:
    """Return whether all values are numbers, none of them a flag or missing."""
    flags = isinstance(values.dtype, np.dtype) and values.dtype == bool
    return not flags and all(
        isinstance(value, int | float | np.number)
        and not isinstance(value, bool)
        and value == value
        for value in values
    )


def _varied_numbers(
    table: pd.DataFrame, factors: Sequence[str], metric: str
) -> tuple[list[str], list[str], pd.DataFrame]:
    """Return the numbers that vary, all factors that vary, and the configurations that ran."""
    if f"{metric}_n" not in table:
        return [], [], table
    ran = table.loc[table[f"{metric}_n"] > 0, :]
    varied = [name for name in factors if ran[name].map(hashable_value).nunique() > 1]
    return [name for name in varied if is_numeric(ran.loc[:, name])], varied, ran


def _errors_by_configuration(frame: pd.DataFrame, ran: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the metric by configuration and seed."""
    full = one_per_seed(frame, [metric])
    full = full[full[CONFIGURATION].isin(ran[CONFIGURATION])]
    return full.pivot(index=CONFIGURATION, columns=SEED, values=metric).astype(float)


def _cases(
    ran: pd.DataFrame, factor: str, varied: Sequence[str]
) -> Iterator[tuple[pd.DataFrame, str]]:
    """Yield the configurations of each case with enough values, and what the case is.

    Where nothing else varies, the one case is yielded however few its values are.
    """
    others = [name for name in varied if name != factor]
    if not others:
        yield ran, ""
        return
    keys = [tuple(hashable_value(row[name]) for name in others) for _, row in ran.iterrows()]
    for key in dict.fromkeys(keys):
        rows = ran.loc[[each == key for each in keys], :]
        if rows[factor].nunique() == len(rows) >= FEWEST_VALUES:
            yield rows, setting_text(rows.iloc[0], others)


def _curve_of(
    rows: pd.DataFrame,
    case: str,
    factor: str,
    errors: pd.DataFrame,
    space: Mapping[str, Any] | None,
    told_of: CurveSubject,
) -> FactorCurve:
    values = rows[factor].to_numpy(dtype=float)
    log = is_logarithmic(factor, values, space)
    curve = sensitivity_curve(
        [float(value) for value in values],
        errors.loc[rows[CONFIGURATION]].to_numpy(),
        margin=told_of.margin,
        level=told_of.level,
        log=log,
    )
    whole = all(float(value).is_integer() for value in values)
    constrained = not feasible_rows(rows).all()
    return FactorCurve(factor, case, rows, curve, log, whole, told_of.metric, constrained)


def _named(factor: str) -> str:
    return SYMBOLS.get(factor, display_name(factor))


def _of_case(case: str) -> str:
    return f", with {case}" if case else ""


def _ranges_text(ranges: Sequence[tuple[float, float]], each: FactorCurve) -> str:
    """Return the ranges in words, those of whole numbers by the whole numbers within them."""
    parts = []
    for low, high in ranges:
        if each.whole:
            low, high = math.ceil(low), math.floor(high)
        if low < high:
            parts.append(f"from {_value_text(low, each)} to {_value_text(high, each)}")
        elif low == high:
            parts.append(f"of {_value_text(low, each)}")
    return " or ".join(parts)


def _value_text(value: float, each: FactorCurve) -> str:
    return str(round(value)) if each.whole else f"{value:.3g}"
