"""Configurations against one of them, paired by seed, corrected for their number."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from analysis.record.names import CONFIGURATION
from analysis.statistics.intervals import possible_difference, single_level
from analysis.statistics.repeated_pairs import difference_over_looks
from analysis.statistics.summary import (
    PairedDifference,
    holm_correction,
    paired_difference,
    t_interval,
)
from analysis.tables.configurations import data_sets
from analysis.tables.display_names import display_name, number_text, with_capital
from analysis.tables.feasibility import feasible_rows
from analysis.tables.printed import interval_text, setting_text
from analysis.tables.rendering import INTERVAL, TableCell, TableGrid
from analysis.tables.seed_values import by_seed, errors_by_seed, first_trial
from analysis.tables.test_images import error_step
from trainables.metrics import TEST_ERROR_LAST

CORRECTED = "p, corrected"
"""The name of a column of p values that allow for how many there are."""
HEADER = (
    ("", "configuration"),
    ("difference (points)", "mean"),
    ("difference (points)", INTERVAL),
    ("all at once", INTERVAL),
    ("", "pairs"),
    ("paired t-test", "p"),
    ("paired t-test", CORRECTED),
    ("sign-flip test", "p"),
    ("sign-flip test", CORRECTED),
)


@dataclass(frozen=True)
class PairedContrast:
    """One configuration minus the reference."""

    name: str
    paired: PairedDifference
    holm_p: float
    """The sign flips' p corrected over the table's comparisons."""
    t_holm_p: float
    """The paired t's p, corrected likewise."""
    together: tuple[float, float]
    """Ends of an interval; those of all comparisons hold at once."""


def contrasts_against(
    pairs: Mapping[str, tuple["pd.Series[Any]", "pd.Series[Any]"]],
    *,
    trials: Mapping[str, "pd.Series[Any]"],
    test: str = TEST_ERROR_LAST,
) -> list[PairedContrast]:
    """Return each first minus its second, p and intervals corrected for their number.

    Args:
        pairs: by name the values of a configuration and of its reference, indexed by seed.
        trials: by name a trial of either, whose settings say how many test images there are.
        test: the metric compared.
    """
    return _with_correction(
        {
            name: paired_difference(
                values,
                reference,
                resolution=error_step([*values, *reference], test, trials[name]),
            )
            for name, (values, reference) in pairs.items()
        }
    )


def _with_correction(pairs: Mapping[str, PairedDifference]) -> list[PairedContrast]:
    corrected = holm_correction([pair.p for pair in pairs.values()])
    by_t = holm_correction([pair.t_p for pair in pairs.values()])
    level = single_level(max(sum(pair.n > 1 for pair in pairs.values()), 1))
    return [
        PairedContrast(name, _possible(pair), p, t_p, _interval_at(pair, level))
        for (name, pair), p, t_p in zip(pairs.items(), corrected, by_t, strict=True)
    ]


def _interval_at(pair: PairedDifference, level: float) -> tuple[float, float]:
    if pair.n < 2:
        return float("nan"), float("nan")
    return possible_difference(*t_interval(pair.mean, pair.sd, pair.n, level))


def _possible(pair: PairedDifference) -> PairedDifference:
    low, high = possible_difference(pair.low, pair.high)
    return replace(pair, low=low, high=high)


def contrasts_with_best(
    frame: pd.DataFrame,
    table: pd.DataFrame,
    factors: Sequence[str],
    *,
    test: str = TEST_ERROR_LAST,
    most: int = 12,
    looks: Sequence[int] = (),
) -> list[PairedContrast]:
    """Return the configurations next to the best one, each minus the best, by test error.

    Args:
        frame: the trials.
        table: as from `tables.over_configurations`; the first row of each data set is the
            reference of that data set.
        factors: what names a configuration.
        test: the metric compared.
        most: how many to compare.
        looks: numbers of seeds at which was looked, as for `difference_over_looks`.
    """
    pairs: dict[str, PairedDifference] = {}
    groups = data_sets(table)
    for group in groups.unique():
        ran = table[(groups == group) & (table["n"] > 0) & feasible_rows(table)]
        if ran.empty or not ran["best"].iloc[0]:
            continue
        best = by_seed(frame, ran[CONFIGURATION].iloc[0], test)
        trial = first_trial(frame, ran[CONFIGURATION].iloc[0])
        step = error_step(errors_by_seed(frame, list(ran[CONFIGURATION]), test), test, trial)
        for _, row in ran.iloc[1 : most // groups.nunique() + 1].iterrows():
            values = by_seed(frame, row[CONFIGURATION], test)
            pairs[setting_text(row, factors)] = difference_over_looks(
                values, best, looks, resolution=step
            )
    return _with_correction(pairs)


def contrast_grid(
    contrasts: Sequence[PairedContrast],
    *,
    title: str,
    test: str = TEST_ERROR_LAST,
    chosen_by: str = "",
) -> TableGrid:
    """Return the contrasts as a table to be printed.

    Args:
        contrasts: its rows.
        title: of the table.
        test: the metric that the differences are of.
        chosen_by: the metric by which the best is chosen and others are excluded.
    """
    rows = [
        [
            TableCell(contrast.name),
            TableCell(number_text(contrast.paired.mean), numbers={"mean": contrast.paired.mean}),
            _interval_cell(contrast.paired.low, contrast.paired.high),
            _interval_cell(*contrast.together),
            TableCell(str(contrast.paired.n)),
            TableCell(p_text(contrast.paired.t_p)),
            TableCell(p_text(contrast.t_holm_p)),
            TableCell(p_text(contrast.paired.p)),
            TableCell(p_text(contrast.holm_p)),
        ]
        for contrast in contrasts
    ]
    cautions = dict.fromkeys(c.paired.caution for c in contrasts if c.paired.caution)
    looks = max((contrast.paired.looks for contrast in contrasts), key=len, default=())
    notes = [
        f"Differences of {display_name(test)}, paired by seed. {_how_judged(looks)}",
        *(f"{with_capital(caution)}." for caution in cautions),
    ]
    if chosen_by not in ("", test):
        notes.append(
            f"Which may be the best is told by {display_name(chosen_by)}, another metric: the two "
            "may tell apart different configurations."
        )
    return TableGrid(
        title=title,
        header=HEADER,
        rows=rows,
        notes=notes,
        numeric=[False] + [True] * (len(HEADER) - 1),
    )


def _how_judged(looks: Sequence[int]) -> str:
    together = "the intervals all at once, which all hold with 95%, are Šidák's"
    corrected = "p, corrected: by Holm over the comparisons of the table."
    if looks:
        return (
            "Each interval beside a mean, and p of the t-test, allow for looks at "
            f"{', '.join(map(str, looks))} seeds; {together}, and are of this look alone, as p of "
            f"the exact sign-flip test is. Both tests are two-sided; {corrected}"
        )
    return (
        f"Each interval beside a mean holds by itself with 95%; {together}. The paired t-test is "
        "exact for normal differences, the sign-flip test for symmetric ones; both are two-sided; "
        f"{corrected}"
    )


def _interval_cell(low: float, high: float) -> TableCell:
    return TableCell(interval_text(low, high), numbers={"low": low, "high": high})


def p_text(p: float) -> str:
    """Return a p value as printed: up to four decimals, `< .0001` below."""
    if p != p:
        return "–"
    if p < 0.0001:
        return "< .0001"
    text = f"{p:.4f}".rstrip("0").rstrip(".")
    return text.removeprefix("0")
