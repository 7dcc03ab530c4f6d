"""Tables over configurations: what each one reached, over its seeds.

A configuration is *selected* on its objective, a validation error, and *reported* by a test error.
The test error is that of the last epoch (`test_error_last`) unless another is asked for: it needs
no validation share and nothing was selected by it. `test_error_at_best_validation` and
`test_error_last10_median` are as honest; `test_error_best` is selected on the test data and serves
only to compare with work that reports it.

Works on the frame of `analysis.trials.load` and reads nothing. It loads quickly, since a study
prints its table through it: keep plotting and statsmodels out.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.record.names import (
    COMPLETED,
    CONFIGURATION,
    DATASET_NAME,
    DIAGNOSTICS,
    DIVERGED,
    FAILED,
    OUTCOME,
    STOPPED_EARLY,
)
from analysis.statistics.best_set import best_set
from analysis.statistics.looks import present_share
from analysis.statistics.summary import summarise_seeds
from analysis.tables.feasibility import INFEASIBLE, Bounds, feasible_rows, violated_bounds
from analysis.tables.seed_values import errors_by_seed, first_trial, one_per_seed
from analysis.tables.test_images import error_step
from trainables.metrics import PERCENT, TEST_ERROR_LAST, VALIDATION_ERROR, description_of

LOST = (DIVERGED, FAILED)
"""Outcomes after which a trial has no number and will not get one."""
ENDED_SHORT = (STOPPED_EARLY, *LOST)
"""Outcomes of trials that have ended without a number at full length."""
PARTS = ("n", "mean", "sd", "low", "high")
MAY_BE_BEST = "may_be_best"
"""The column that tells which configurations are not excluded as the best of their data set."""
LEVEL = 0.05
"""Probability that the truly best one is not among those that may be."""
MOST_CONTENDERS = 300
"""Configurations that are compared with each other; of more, those with the lowest means."""
TIE_DIGITS = 9
"""Decimals by which two means are equal."""

Space = Mapping[str, Any]


def settings_of(frame: pd.DataFrame) -> list[str]:
    """Return the columns that are settings of a trial: those with a dot in their name."""
    return [name for name in frame.columns if "." in str(name)]


def factors_of(frame: pd.DataFrame, space: Space | None = None) -> list[str]:
    """Return the settings by which configurations differ, those that were searched first.

    Args:
        frame: the trials.
        space: the study's searched paths, where it is known. A searched path counts even if only
            one value has been tried; of alternatives (`regularizer: [{…}, {…}]`) the settings
            that vary count.
    """
    settings = settings_of(frame)
    varied = [
        name
        for name in settings
        if not name.startswith(f"{DIAGNOSTICS}.")  # what a trial keeps changes no number
        and frame[name].map(hashable_value).nunique(dropna=False) > 1
    ]
    varied = [name for name in varied if not _is_implied(frame, name, varied)]
    searched = [
        name
        for path in space or {}
        for name in settings
        if name == path or (name.startswith(f"{path}.") and name in varied)
    ]
    return list(dict.fromkeys([*searched, *varied]))


def over_configurations(
    frame: pd.DataFrame,
    factors: Sequence[str],
    objective: str | Sequence[str] = VALIDATION_ERROR,
    *,
    test: str = TEST_ERROR_LAST,
    seeds: int | None = None,
    selects: bool = True,
    constraints: Bounds = (),
    looks: Sequence[int] = (),
) -> pd.DataFrame:
    """Return one row per configuration, the best by its objective first.

    Only completed trials count: a trial that was stopped early, diverged or failed has no number at
    full length. What became of the others stands in the counts beside.

    Args:
        frame: trials with `configuration`, `seed`, `outcome`, the factors and the metrics.
        factors: settings to show, as from `factors_of`.
        objective: the metric that selects, the mean over seeds, smaller is better. Of several
            objectives all configurations that no other one dominates are the best. Where
            `dataset.name` is a factor each data set has its own best.
        test: the metric that is reported beside it.
        seeds: how many seeds a configuration needs to be called best; None takes the most that
            any has. A lucky single seed is no winner.
        selects: whether one is to be called best at all, or the objective only orders them.
        constraints: of the study; a configuration that violates one is never the best.
        looks: numbers of seeds at which the study was looked at; `may_be_best` allows for them.

    Returns:
        `configuration`, the factors, for each metric `m` the columns `m_mean`, `m_sd`, `m_low`,
        `m_high` (95%, see `statistics.summary`) and `m_n`, then `n` (completed trials with an
        objective), `trials`, `stopped_early`, `diverged`, `failed`, `unfinished`, `run_ids` (of the
        n), `best`, and `may_be_best`: whether it is in the set that holds the truly best one of its
        data set with a probability of 95%, by the objective (`statistics.best_set`); where nothing
        is selected, the best one of its case (`cases_of`). It is None where nothing can be said: of
        several objectives, and of a configuration that is infeasible or has fewer than two seeds.
        With constraints also `infeasible`, which of them are violated; empty where none is.
    """
    objectives = [objective] if isinstance(objective, str) else list(objective)
    metrics = list(dict.fromkeys([*objectives, test]))
    rows = _configuration_rows(frame, factors, metrics, objectives, constraints)
    bounded = [INFEASIBLE] if constraints else []
    table = pd.DataFrame(rows, columns=[*_table_columns(factors, metrics), *bounded])
    table["best"] = False
    table[MAY_BE_BEST] = None
    groups = data_sets(table)
    cases = groups if selects else cases_of(table, factors)
    if len(objectives) == 1:
        for case in cases.unique():
            _mark_contenders(table, frame, table.index[cases == case], objectives[0], looks)
    for group in groups.unique() if selects else ():
        table.loc[groups == group, "best"] = _best_rows(table[groups == group], objectives, seeds)
    table["_group"] = groups.map({group: i for i, group in enumerate(groups.unique())})
    table["_feasible"] = feasible_rows(table)
    order = table.sort_values(
        ["_group", "best", "_feasible", f"{objectives[0]}_mean"],
        ascending=[True, False, False, True],
        kind="stable",
    )
    return order.drop(columns=["_group", "_feasible"]).reset_index(drop=True)


def cases_of(table: pd.DataFrame, factors: Sequence[str]) -> "pd.Series[Any]":
    """Return what each configuration is compared within: those that share all but the regularizer.

    Where no setting of the regularizer varies, the data set.
    """
    others = [name for name in factors if not name.startswith("regularizer.")]
    if len(others) == len(factors) or not others:
        return data_sets(table)
    keys = [str([hashable_value(row[name]) for name in others]) for _, row in table.iterrows()]
    return pd.Series(keys, index=table.index, dtype=object)


def data_sets(table: pd.DataFrame) -> "pd.Series[Any]":
    """Return the data set of each configuration; errors on different ones are not compared."""
    if DATASET_NAME in table:
        return table[DATASET_NAME].astype(str)
    return pd.Series([""] * len(table), index=table.index, dtype=object)


def hashable_value(value: Any) -> Hashable:
    """Return a setting's value as something to group by; 1 and 1.0 are the same, True is not 1."""
    if isinstance(value, list | tuple):
        return tuple(hashable_value(item) for item in value)
    if isinstance(value, bool | np.bool_):
        return str(value)
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return None
    hashable: Hashable = value
    return hashable


def _is_implied(frame: pd.DataFrame, name: str, varied: Sequence[str]) -> bool:
    """Return whether a setting only says which component it belongs to.

    `regularizer.alpha` that is 1 for all of Mixup, 2 for all of Manifold Mixup and absent for all
    others repeats `regularizer.name`.
    """
    component = f"{name.rpartition('.')[0]}.name"
    if component == name or component not in varied:
        return False
    values = frame[name].map(hashable_value).groupby(frame[component])
    return bool((values.nunique(dropna=False) == 1).all())


def _configuration_rows(
    frame: pd.DataFrame,
    factors: Sequence[str],
    metrics: Sequence[str],
    objectives: Sequence[str],
    constraints: Bounds,
) -> Iterator[dict[str, Any]]:
    """Yield what is known of each configuration, in the order in which they first appear."""
    full = one_per_seed(frame, ["run_id", *metrics, *(bound["metric"] for bound in constraints)])
    if all(name in full for name in objectives):
        full = full.dropna(subset=list(objectives))
    places = full.groupby(CONFIGURATION, sort=False).indices
    outcomes: dict[str, Counter[Any]] = defaultdict(Counter)
    ended = frame[OUTCOME] if OUTCOME in frame else [None] * len(frame)
    for key, outcome in zip(frame[CONFIGURATION], ended, strict=True):
        outcomes[key][outcome] += 1
    columns = [CONFIGURATION, *(name for name in factors if name in frame)]
    settings = frame.loc[frame[CONFIGURATION].notna(), columns].drop_duplicates(CONFIGURATION)
    for values in settings.itertuples(index=False, name=None):
        known = dict(zip(columns, values, strict=True))
        reached = full.iloc[places.get(values[0], [])]
        yield {
            CONFIGURATION: str(values[0]),
            **{name: known.get(name) for name in factors},
            **_summaries(reached, metrics),
            "n": len(reached),
            **_counts(outcomes[values[0]]),
            "run_ids": tuple(reached["run_id"]) if "run_id" in reached else (),
            INFEASIBLE: violated_bounds(reached, constraints),
        }


def _counts(outcomes: "Counter[Any]") -> dict[str, int]:
    """Return how many trials there are, and how many of each outcome but the completed ones."""
    short = {name: outcomes[name] for name in ENDED_SHORT}
    trials = outcomes.total()
    unfinished = trials - outcomes[COMPLETED] - sum(short.values())
    return {"trials": trials, **short, "unfinished": unfinished}


def _summaries(reached: pd.DataFrame, metrics: Sequence[str]) -> dict[str, float]:
    """Return the parts of the summary of each metric."""
    summaries: dict[str, float] = {}
    for name in metrics:
        values = reached[name].astype(float).dropna() if name in reached else ()
        errors = description_of(name).unit == PERCENT
        summary = summarise_seeds(values, method="log-odds" if errors else "t")
        summaries |= {f"{name}_{part}": getattr(summary, part) for part in PARTS}
    return summaries


def _mark_contenders(
    table: pd.DataFrame,
    frame: pd.DataFrame,
    rows: "pd.Index[Any]",
    objective: str,
    looks: Sequence[int],
) -> None:
    """Say in `may_be_best` which of the rows are not excluded; all are of one data set."""
    able = table.loc[rows]
    able = able[feasible_rows(able) & (able[f"{objective}_n"] > 1)]
    able = able.sort_values(f"{objective}_mean").head(MOST_CONTENDERS)
    if len(able) < 2:
        return
    errors = errors_by_seed(frame, list(able[CONFIGURATION]), objective)
    if not np.isfinite(errors[~np.isnan(errors)]).all():
        return
    share = present_share(looks, errors.shape[1], tests=len(able) - 1)
    trial = first_trial(frame, able[CONFIGURATION].iloc[0])
    step = error_step(errors, objective, trial)
    members = best_set(errors, level=1 - LEVEL * share, resolution=step).members
    for place, row in enumerate(able.index):
        table.at[row, MAY_BE_BEST] = place in members


def _table_columns(factors: Sequence[str], metrics: Sequence[str]) -> list[str]:
    parts = [f"{name}_{part}" for name in metrics for part in PARTS]
    counts = ["n", "trials", *ENDED_SHORT, "unfinished", "run_ids"]
    return [CONFIGURATION, *factors, *parts, *counts]


def _best_rows(table: pd.DataFrame, objectives: Sequence[str], seeds: int | None) -> list[bool]:
    """Return for each row whether it is best: feasible, with enough seeds, not dominated."""
    needed = seeds if seeds is not None else (table["n"].max() if len(table) else 0)
    # Rounded: the same errors, in another order of the seeds, have means that differ in a last bit.
    means = table[[f"{name}_mean" for name in objectives]].to_numpy(dtype=float).round(TIE_DIGITS)
    able = (table["n"] >= max(int(needed), 1)).to_numpy() & np.isfinite(means).all(axis=1)
    able &= feasible_rows(table).to_numpy()
    best = [False] * len(table)
    front: list[int] = []
    # In this order none is dominated by one that comes later.
    for i in sorted(map(int, np.flatnonzero(able)), key=lambda i: tuple(means[i])):
        kept = means[front]
        dominated = (kept <= means[i]).all(axis=1) & (kept < means[i]).any(axis=1)
        best[i] = not dominated.any()
        if best[i]:
            front.append(i)
    return best
