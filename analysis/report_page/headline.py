"""The answer of a study in one sentence, no stronger than its record."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis.paper import reproduction
from analysis.paper.claim_words import claim_sentence
from analysis.paper.reproduction import ComparedCell
from analysis.paper.table_claims import JudgedClaim
from analysis.record.names import DATASET_NAME
from analysis.statistics.best_set import range_sentence
from analysis.statistics.summary import SeedSummary
from analysis.tables.configurations import MAY_BE_BEST, PARTS, data_sets, hashable_value
from analysis.tables.display_names import SYMBOLS, count_text, display_name, number_text
from analysis.tables.feasibility import infeasible_sentence, none_feasible_sentence
from analysis.tables.paired import PairedContrast
from analysis.tables.printed import setting_text, spread_text
from trainables.metrics import PERCENT, TEST_ERROR_LAST, VALIDATION_ERROR, description_of


def headline_of(
    table: pd.DataFrame,
    factors: Sequence[str],
    contrasts: Sequence[PairedContrast],
    compared: Sequence[ComparedCell] = (),
    *,
    claims: Sequence[JudgedClaim] = (),
    of: str = "the paper",
    objective: str = VALIDATION_ERROR,
    test: str = TEST_ERROR_LAST,
    selects: bool = True,
) -> str:
    """Return the sentence.

    Args:
        table: as from `tables.over_configurations`.
        factors: what names a configuration.
        contrasts: the others against the best one, the next best first.
        compared: the published cells, if the study is held against any.
        claims: what is claimed there, judged on the study's own trials.
        of: where the cells are from.
        objective: the metric that selects.
        test: the metric that is reported.
        selects: whether the study chooses a best configuration.
    """
    answers = [claim_sentence(claim) for claim in claims]
    if any(cell.reached for cell in compared):
        answers.append(reproduction.tally_sentence(compared, of=of))
    if answers:
        return " ".join(answers)
    if not selects and (table["n"] > 0).any():
        return _list_methods(table[table["n"] > 0], factors, test)
    if none_feasible := none_feasible_sentence(table):
        return none_feasible
    if table.empty or not table["best"].any():
        unfinished = int(table["unfinished"].sum()) if len(table) else 0
        return (
            "No answer yet: no configuration has run in full, "
            f"{count_text(unfinished, 'trial')} under way."
        )
    best = table.iloc[0]
    left_out = f" {infeasible_sentence(table)}".rstrip()
    groups = data_sets(table)
    if groups.nunique() > 1:
        parts = [_on_data(row, factors, objective) for _, row in table[table["best"]].iterrows()]
        return f"Lowest {display_name(objective)}: {'; '.join(parts)}.{left_out}"
    if table["best"].sum() > 1:
        # Who dominates nobody and errs as much in one objective errs as much in all of them.
        if table[table["best"]][f"{objective}_mean"].nunique() == 1:
            shared = _with_unit(_error_summary(best, objective), objective)
            return (
                f"{int(table['best'].sum())} of {count_text(len(table), 'configuration')} share "
                f"the lowest {display_name(objective)}: {shared} over "
                f"{count_text(int(best['n']), 'seed')}.{left_out}"
            )
        return (
            f"{int(table['best'].sum())} of {count_text(len(table), 'configuration')} are best in "
            "the sense that none is better in one objective without being worse in another."
            f"{left_out}"
        )
    text = (
        f"Lowest {display_name(objective)} with {setting_text(best, factors)}: "
        f"{_with_unit(_error_summary(best, objective), objective)} over "
        f"{count_text(int(best['n']), 'seed')}"
    )
    if f"{test}_n" in table and best[f"{test}_n"]:
        what, _, which = display_name(test).partition(", ")
        text += f", {what} {_with_unit(_error_summary(best, test), test)}"
        text += f" ({which})" if which else ""
    return f"{text}{_next_best(contrasts)}.{contender_sentence(table, factors)}{left_out}"


def contender_sentence(table: pd.DataFrame, factors: Sequence[str]) -> str:
    """Return which configurations may be the best, with a space before; nothing where unknown.

    Of a single numeric factor the values that may be, as ranges.
    """
    if MAY_BE_BEST not in table:
        return ""
    known = table[table[MAY_BE_BEST].notna()]
    kept = [bool(flag) for flag in known[MAY_BE_BEST]]
    if len(known) < 2:
        return ""
    if len(factors) == 1 and (values := _numbers_of(known[factors[0]])):
        name = SYMBOLS.get(factors[0], factors[0])
        return f" {range_sentence(values, kept, name)}"
    if all(kept):
        return f" None of {count_text(len(known), 'configuration')} is told apart from the best."
    return f" {sum(kept)} of {count_text(len(known), 'configuration')} may be the best (95%)."


def _numbers_of(values: "pd.Series[Any]") -> list[float]:
    """Return the values where they are numbers without repeats, else nothing."""
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    whole = len(numbers) == len(values) and len(set(numbers)) == len(numbers)
    return [float(v) for v in numbers] if whole and not any(v != v for v in numbers) else []


def _list_methods(table: pd.DataFrame, factors: Sequence[str], test: str) -> str:
    """Return which methods are lowest how often, or else the lowest and the highest test error."""
    what, _, which = display_name(test).partition(", ")
    subject = f"{what.capitalize()}{f' ({which})' if which else ''}"
    methods = [name for name in factors if name.startswith("regularizer.")]
    cases = [name for name in factors if name not in methods]
    order = table.sort_values(f"{test}_mean")
    if methods and cases:
        groups = order.groupby([order[name].map(hashable_value) for name in cases], dropna=False)
        lowest = groups.head(1)
        counts = Counter(setting_text(row, methods) for _, row in lowest.iterrows())
        (first, most), *others = counts.most_common()
        listed = "".join(f", with {name} in {count}" for name, count in others)
        return (
            f"{subject} is lowest with {first} in {most} of "
            f"{count_text(len(lowest), 'case')}{listed} "
            f"(a case: {' and '.join(_subject_of(name) for name in cases)})"
            f"{_not_excluded(table, methods, cases)}."
        )
    ends = [order.iloc[0], order.iloc[-1]] if len(order) > 1 else [order.iloc[0]]
    parts = [
        f"{_with_unit(_error_summary(row, test), test)} with {setting_text(row, factors)}"
        for row in ends
    ]
    return f"{subject} from {' to '.join(parts)}.{contender_sentence(table, factors)}"


def _not_excluded(table: pd.DataFrame, methods: Sequence[str], cases: Sequence[str]) -> str:
    """Return in how many cases each method may be the best; nothing where that is not known."""
    known = table[table[MAY_BE_BEST].notna()] if MAY_BE_BEST in table else table.iloc[:0]
    if known.empty:
        return ""
    judged = known.groupby(
        [known[name].map(hashable_value) for name in cases], dropna=False
    ).ngroups
    kept = known[known[MAY_BE_BEST].map(bool)]
    counts = Counter(setting_text(row, methods) for _, row in kept.iterrows())
    listed = ", ".join(f"{name} in {count}" for name, count in counts.most_common())
    return f"; of {judged} judged by their seeds, not excluded as the best: {listed}"


def _subject_of(name: str) -> str:
    """Return what a setting is about: `network` for `network.name`."""
    return name.removesuffix(".name").rpartition(".")[2]


def _on_data(row: "pd.Series[Any]", factors: Sequence[str], objective: str) -> str:
    rest = [name for name in factors if name != DATASET_NAME]
    reached = _with_unit(_error_summary(row, objective), objective)
    return f"on {display_name(str(row[DATASET_NAME]))} {reached} with {setting_text(row, rest)}"


def _next_best(contrasts: Sequence[PairedContrast]) -> str:
    if not contrasts or contrasts[0].paired.n < 2:
        return ""
    pair = contrasts[0].paired
    seen = (
        f"{number_text(abs(pair.mean))} points [{number_text(pair.low)}, {number_text(pair.high)}]"
    )
    if pair.low <= 0 <= pair.high:
        return (
            f"; its test error cannot be told apart from that of the next, {contrasts[0].name} "
            f"(paired difference {number_text(pair.mean)} points [{number_text(pair.low)}, "
            f"{number_text(pair.high)}])"
        )
    if pair.mean > 0:
        return f"; the next, {contrasts[0].name}, has a test error higher by {seen}"
    return f"; yet on test data the next, {contrasts[0].name}, is better by {seen}"


def _error_summary(row: "pd.Series[Any]", metric: str) -> SeedSummary:
    values = {part: row[f"{metric}_{part}"] for part in PARTS}
    return SeedSummary(**values)


def _with_unit(summary: SeedSummary, metric: str) -> str:
    unit = description_of(metric).unit
    return f"{spread_text(summary)}{unit if unit in ('', PERCENT) else f' {unit}'}"
