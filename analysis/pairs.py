"""Configurations against one of them, paired by seed, corrected for their number."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.rendering import Cell, Grid
from analysis.statistics import PairedDifference, holm, paired_difference
from analysis.tables import TEST, by_seed, hashable
from analysis.tables import interval as printed
from analysis.words import number, plain_setting, with_unit, word


@dataclass(frozen=True)
class Contrast:
    """One configuration minus the reference."""

    name: str
    paired: PairedDifference
    holm_p: float
    """p corrected over the table's comparisons."""


def against(reference: "pd.Series[Any]", others: Mapping[str, "pd.Series[Any]"]) -> list[Contrast]:
    """Return each other minus the reference, p corrected by Holm over them all.

    Args:
        reference: values indexed by seed.
        others: likewise, by name.
    """
    pairs = {name: paired_difference(values, reference) for name, values in others.items()}
    corrected = holm([pair.p for pair in pairs.values()])
    return [
        Contrast(name, pair, p) for (name, pair), p in zip(pairs.items(), corrected, strict=True)
    ]


def against_best(
    frame: pd.DataFrame,
    table: pd.DataFrame,
    factors: Sequence[str],
    *,
    test: str = TEST,
    most: int = 12,
) -> list[Contrast]:
    """Return the configurations next to the best one, each minus the best, by test error.

    Args:
        frame: the trials.
        table: as from `tables.over_configurations`; its first row is the reference.
        factors: what names a configuration.
        test: the metric compared.
        most: how many to compare.
    """
    if table.empty or not table["best"].any():
        return []
    first, rest = table.iloc[0], table[table["n"] > 0].iloc[1 : most + 1]
    others = {
        setting_text(row, factors): by_seed(frame, row["configuration"], test)
        for _, row in rest.iterrows()
    }
    return against(by_seed(frame, first["configuration"], test), others)


def setting_text(row: "pd.Series[Any]", factors: Sequence[str]) -> str:
    """Return the factors of a configuration in words: `regularizer.beta = 0.5, …`."""
    parts = [
        plain_setting(row[name])
        if name.endswith(".name")
        else f"{name} = {plain_setting(row[name])}"
        for name in factors
        if hashable(row[name]) is not None
    ]
    return ", ".join(parts) or "the only configuration"


def grid(contrasts: Sequence[Contrast], *, title: str, test: str = TEST) -> Grid:
    """Return the contrasts as a table to be printed."""
    rows = [
        [
            Cell(contrast.name),
            Cell(number(contrast.paired.mean)),
            Cell(printed(contrast.paired.low, contrast.paired.high)),
            Cell(str(contrast.paired.n)),
            Cell(p_text(contrast.paired.p)),
            Cell(p_text(contrast.holm_p)),
        ]
        for contrast in contrasts
    ]
    cautions = dict.fromkeys(c.paired.caution for c in contrasts if c.paired.caution)
    notes = [
        f"Differences of {word(test)}, paired by seed; p from the exact sign-flip test, two-sided.",
        *(f"{caution[0].upper()}{caution[1:]}." for caution in cautions),
    ]
    header = ["configuration", f"difference in {with_unit(test)}", "95% interval", "pairs", "p",
              "p, Holm"]  # fmt: skip
    return Grid(
        title=title,
        header=[("", name) for name in header],
        rows=rows,
        notes=notes,
        numeric=[False, True, True, True, True, True],
    )


def p_text(p: float) -> str:
    """Return a p value as printed: three decimals, `< .001` below."""
    if p != p:
        return "–"
    return "< .001" if p < 0.001 else f"{p:.3f}".replace("0.", ".", 1)
