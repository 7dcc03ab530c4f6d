"""How much each searched factor decides: PED-ANOVA. Watanabe et al. 2023, arXiv:2304.10255.

Optuna's evaluator on a study in memory, made from the records: one trial per configuration, its
value the mean objective over seeds, full-length configurations only. No storage is read.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
import pandas as pd
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

from analysis.tables.configurations import hashable_value
from trainables.metrics import VALIDATION_ERROR

FEWEST = 10
"""Fewer configurations than this say nothing about importance."""
TOP = 0.25
"""A configuration is good if it is among this share of the best. Optuna's own 10% would be one or
two of the few tens of configurations that a study has."""
CAPTION = (
    "PED-ANOVA: how much a factor decides whether a configuration is among the best quarter, as a "
    "share of all factors. It describes this search, not the world: with a few tens of "
    "configurations the order of near neighbours is chance."
)


def factor_importance(
    table: pd.DataFrame,
    factors: Sequence[str],
    *,
    objective: str = VALIDATION_ERROR,
    space: Mapping[str, Any] | None = None,
) -> dict[str, float]:
    """Return each factor's share of the importance, the largest first.

    Args:
        table: as from `tables.over_configurations`.
        factors: those that vary; a factor that some configurations do not have counts where it is.
        objective: the metric that the search minimised.
        space: the searched paths and ranges; a factor without a range there is a choice among the
            values tried.

    Returns:
        Shares that sum to 1, or nothing with fewer than two factors or `FEWEST` configurations, or
        where no factor tells good from bad.
    """
    full = table[np.isfinite(table[f"{objective}_mean"].astype(float))]
    if len(factors) < 2 or len(full) < FEWEST:
        return {}
    distributions = {
        name: _distribution_of(full[name], (space or {}).get(name)) for name in factors
    }
    study = _quiet_study()
    for _, row in full.iterrows():
        held = [name for name in factors if hashable_value(row[name]) is not None]
        study.add_trial(
            optuna.trial.create_trial(
                value=float(row[f"{objective}_mean"]),
                params={name: _category_value(row[name], distributions[name]) for name in held},
                distributions={name: distributions[name] for name in held},
            )
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shares = get_param_importances(
            study, evaluator=PedAnovaImportanceEvaluator(target_quantile=TOP), normalize=False
        )
    total = sum(shares.values())
    if not np.isfinite(total) or total <= 0:
        return {}
    ordered = sorted(shares.items(), key=lambda item: -item[1])
    return {name: float(share / total) for name, share in ordered}


def _quiet_study() -> optuna.Study:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        return optuna.create_study(direction="minimize")
    finally:
        optuna.logging.set_verbosity(before)


def _distribution_of(values: "pd.Series[Any]", spec: Any) -> BaseDistribution:
    held = [value for value in values if hashable_value(value) is not None]
    if isinstance(spec, Mapping) and "low" in spec and "high" in spec:
        # A record may hold values from before the range was narrowed.
        low, high = min([spec["low"], *held]), max([spec["high"], *held])
        log = bool(spec.get("log"))
        if all(isinstance(end, int) for end in (spec["low"], spec["high"])):
            return IntDistribution(int(low), int(high), log=log)
        return FloatDistribution(float(low), float(high), log=log)
    return CategoricalDistribution(sorted({str(hashable_value(value)) for value in held}))


def _category_value(value: Any, distribution: BaseDistribution) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return str(hashable_value(value))
    return int(value) if isinstance(distribution, IntDistribution) else float(value)
