"""What a table over configurations has no number of, in words: seeds lost, trials not finished."""

import pandas as pd

from analysis.counted import count_text
from analysis.record.names import DIVERGED, FAILED, STOPPED_EARLY
from analysis.tables.configurations import LOST

WORDS = {
    "unfinished": "not finished",
    STOPPED_EARLY: "stopped early",
    DIVERGED: DIVERGED,
    FAILED: FAILED,
}
"""What has become of trials without a number."""


def shortfall_sentence(table: pd.DataFrame) -> str:
    """Return how many configurations have no number, and what the means leave out; or nothing."""
    parts = []
    if without := int((table["n"] == 0).sum()):
        verb = "has" if without == 1 else "have"
        count = f"{without:,} of {count_text(len(table), 'configuration')}"
        parts.append(f"{count} {verb} no finished seed.")
    lost = int(table.loc[table["n"] > 0, list(LOST)].to_numpy().sum()) if len(table) else 0
    if lost:
        parts.append(f"{count_text(lost, 'trial')} diverged or failed: no mean counts such a seed.")
    return " ".join(parts)


def no_answer_sentence(table: pd.DataFrame) -> str:
    """Return that there is no answer, and what has become of the trials."""
    counts = {name: int(table[name].sum()) for name in WORDS} if len(table) else {}
    listed = ", ".join(f"{count:,} {WORDS[name]}" for name, count in counts.items() if count)
    if not listed:
        return "No answer yet: no trial has run in full."
    yet = " yet" if counts["unfinished"] else ""
    of = count_text(int(table["trials"].sum()), "trial")
    return f"No answer{yet}: no configuration has run in full; of {of} {listed}."
