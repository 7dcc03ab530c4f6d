"""Which configurations may be the best, in a sentence of a study's answer."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis.counted import count_text
from analysis.statistics.best_set import range_sentence
from analysis.tables.configurations import MAY_BE_BEST
from analysis.tables.display_names import SYMBOLS, display_name
from analysis.tables.printed import setting_text


def contender_sentence(table: pd.DataFrame, factors: Sequence[str], metric: str) -> str:
    """Return which configurations may be the best, with a space before; nothing where unknown.

    Of a single numeric factor the values that may be, as ranges. One seed for each tells nothing,
    and that is said.

    Args:
        table: as for `headline_of`.
        factors: likewise.
        metric: by which the configurations were compared.
    """
    if (ran := table[table["n"] > 0])["n"].max() == 1 and len(ran) > 1:
        return " With one seed for each nothing tells a difference from chance."
    known = table[table[MAY_BE_BEST].notna()] if MAY_BE_BEST in table else table.iloc[:0]
    unjudged = ran[~ran.index.isin(known.index)]
    kept = [bool(flag) for flag in known[MAY_BE_BEST]]
    if len(known) < 2:
        return ""
    what, _, which = display_name(metric).partition(", ")
    by = f"By {what}{f' ({which})' if which else ''}"
    if len(factors) == 1 and (values := _numbers_of(known[factors[0]])):
        name = SYMBOLS.get(factors[0], factors[0])
        told = range_sentence(values, kept, name)
        said = f" {by} {told[0].lower()}{told[1:]}"
    elif all(kept):
        said = f" None of {count_text(len(known), 'configuration')} is told apart from the best."
    elif sum(kept) == 1:
        others = f"the other {len(known) - 1} are" if len(known) > 2 else "the other is"
        if len(unjudged):
            others = others.replace("the other", "of those judged the other")
        name = setting_text(known[known[MAY_BE_BEST].map(bool)].iloc[0], factors)
        said = f" {by} {name} may be the best, and {others} shown to be worse (95%)."
    else:
        said = (
            f" {by} {sum(kept)} of {count_text(len(known), 'configuration')} may be the best (95%)."
        )
    return f"{said}{_named_is_out(known)}{_unjudged_text(unjudged, factors)}"


def _named_is_out(known: pd.DataFrame) -> str:
    """Return that the one called lowest is not among those that may be the best, where so."""
    named = known[known["best"]]
    out = len(named) == 1 and not named[MAY_BE_BEST].iloc[0]
    return " The one named first is none of these: others with fewer seeds are lower." * out


def _unjudged_text(unjudged: pd.DataFrame, factors: Sequence[str]) -> str:
    """Return which configurations have too few seeds to be judged, where there are any."""
    if unjudged.empty:
        return ""
    if len(unjudged) == 1:
        return f" {setting_text(unjudged.iloc[0], factors)} has too few seeds to be judged."
    return f" {count_text(len(unjudged), 'configuration')} have too few seeds to be judged."


def _numbers_of(values: "pd.Series[Any]") -> list[float]:
    """Return the values where they are numbers without repeats, else nothing."""
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    whole = len(numbers) == len(values) and len(set(numbers)) == len(numbers)
    return [float(v) for v in numbers] if whole and not any(v != v for v in numbers) else []
