"""Configurations against one of them, paired by seed, corrected for their number."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.record.names import CONFIGURATION
from analysis.statistics.repeated_pairs import difference_over_looks
from analysis.statistics.summary import PairedDifference, holm_correction, paired_difference
from analysis.tables.configurations import by_seed, data_sets
from analysis.tables.display_names import display_name, number_text
from analysis.tables.printed import interval_text, setting_text
from analysis.tables.rendering import TableCell, TableGrid
from trainables.metrics import TEST_ERROR_LAST


@dataclass(frozen=True)
class PairedContrast:
    """One configuration minus the reference."""

    name: str
    paired: PairedDifference
    holm_p: float
    """p corrected over the table's comparisons."""


def contrasts_against(
    reference: "pd.Series[Any]", others: Mapping[str, "pd.Series[Any]"]
) -> list[PairedContrast]:
    """Return each other minus the reference, p corrected by Holm over them all.

    Args:
        reference: values indexed by seed.
        others: likewise, by name.
    """
    return _with_correction(
        {name: paired_difference(values, reference) for name, values in others.items()}
    )


def _with_correction(pairs: Mapping[str, PairedDifference]) -> list[PairedContrast]:
    corrected = holm_correction([pair.p for pair in pairs.values()])
    return [
        PairedContrast(name, pair, p)
        for (name, pair), p in zip(pairs.items(), corrected, strict=True)
    ]


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
        ran = table[(groups == group) & (table["n"] > 0)]
        if ran.empty or not ran["best"].iloc[0]:
            continue
        best = by_seed(frame, ran[CONFIGURATION].iloc[0], test)
        for _, row in ran.iloc[1 : most // groups.nunique() + 1].iterrows():
            values = by_seed(frame, row[CONFIGURATION], test)
            pairs[setting_text(row, factors)] = difference_over_looks(values, best, looks)
    return _with_correction(pairs)


def contrast_grid(
    contrasts: Sequence[PairedContrast], *, title: str, test: str = TEST_ERROR_LAST
) -> TableGrid:
    """Return the contrasts as a table to be printed."""
    rows = [
        [
            TableCell(contrast.name),
            TableCell(number_text(contrast.paired.mean)),
            TableCell(interval_text(contrast.paired.low, contrast.paired.high)),
            TableCell(str(contrast.paired.n)),
            TableCell(p_text(contrast.paired.p)),
            TableCell(p_text(contrast.holm_p)),
        ]
        for contrast in contrasts
    ]
    cautions = dict.fromkeys(c.paired.caution for c in contrasts if c.paired.caution)
    looks = max((contrast.paired.looks for contrast in contrasts), key=len, default=())
    how = "the exact sign-flip test"
    if looks:
        how = f"Student's t; both allow for looks at {', '.join(map(str, looks))} seeds"
    notes = [
        f"Differences of {display_name(test)}, paired by seed; p from {how}, two-sided.",
        *(f"{caution[0].upper()}{caution[1:]}." for caution in cautions),
    ]
    header = ["configuration", "difference (points)", "95% interval", "pairs", "p",
              "p, Holm"]  # fmt: skip
    return TableGrid(
        title=title,
        header=[("", name) for name in header],
        rows=rows,
        notes=notes,
        numeric=[False, True, True, True, True, True],
    )


def p_text(p: float) -> str:
    """Return a p value as printed: up to four decimals, `< .0001` below."""
    if p != p:
        return "–"
    if p < 0.0001:
        return "< .0001"
    text = f"{p:.4f}".rstrip("0").rstrip(".")
    return text.removeprefix("0")
