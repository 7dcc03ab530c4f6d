"""Which configurations a report draws one by one, where there is no room for all."""

import pandas as pd

from analysis.figures.curves import MOST_BARE_CURVES
from analysis.record.names import DATASET_NAME, NETWORK_NAME, REGULARIZER_NAME
from analysis.tables.printed import setting_text

SHOWN = MOST_BARE_CURVES
"""Configurations whose curves are drawn."""
SPREAD = 6
"""Configurations of one method, from the best to the worst, whose curves are drawn."""
OWN_METHOD = "lamix"
"""The regularizer that the project is about: what it trained is always drawn."""


def configurations_shown(table: pd.DataFrame, factors: list[str]) -> pd.DataFrame:
    """Return the configurations to draw: all where they are few, else some of every kind.

    Of several methods these are the best of each, and all that the project's own one trained, as
    far as there is room; of one method some of all ranks. Errors on several data sets, or of
    several networks, are curves apart: the last of them is drawn.
    """
    ran = table[table["n"] > 0]
    for name in (DATASET_NAME, NETWORK_NAME):
        if name in factors and len(ran):
            ran = ran[ran[name] == ran[name].iloc[-1]]
    if len(ran) <= SHOWN:
        return ran
    if REGULARIZER_NAME in factors and ran[REGULARIZER_NAME].nunique() > 1:
        own = ran[ran[REGULARIZER_NAME] == OWN_METHOD].head(SHOWN // 2)
        chosen = [*own.index, *ran.drop_duplicates(REGULARIZER_NAME).index, *ran.index]
        kept = set(list(dict.fromkeys(chosen))[:SHOWN])
        return ran[ran.index.isin(kept)]
    places = [round(i * (len(ran) - 1) / (SPREAD - 1)) for i in range(SPREAD)]
    return ran.iloc[places]


def names_left_out(table: pd.DataFrame, shown: pd.DataFrame, factors: list[str]) -> list[str]:
    """Return the names of the configurations that have a number and are not shown."""
    rest = table[(table["n"] > 0) & ~table.index.isin(shown.index)]
    return [setting_text(row, factors) for _, row in rest.iterrows()]
