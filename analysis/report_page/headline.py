"""The answer of a study in one sentence, no stronger than its record."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis.counted import count_text
from analysis.paper import reproduction
from analysis.paper.claim_words import claim_sentence
from analysis.paper.reproduction import ComparedCell
from analysis.record.names import DATASET_NAME
from analysis.report_page.contenders import contender_sentence
from analysis.report_page.study_answers import StudyAnswers
from analysis.statistics.summary import SeedSummary
from analysis.tables.configurations import MAY_BE_BEST, PARTS, TIE_DIGITS, data_sets, hashable_value
from analysis.tables.display_names import display_name, number_text, with_capital
from analysis.tables.feasibility import (
    feasible_rows,
    infeasible_sentence,
    none_feasible_sentence,
)
from analysis.tables.paired import PairedContrast
from analysis.tables.printed import setting_text, spread_text
from analysis.tables.shortfall import no_answer_sentence, shortfall_sentence
from trainables.metrics import PERCENT, TEST_ERROR_LAST, VALIDATION_ERROR, description_of

NOTHING_ANSWERED = StudyAnswers()
MOST_NAMED = 3
"""Methods that a sentence names; the table has all."""


def headline_of(
    table: pd.DataFrame,
    factors: Sequence[str],
    contrasts: Sequence[PairedContrast],
    compared: Sequence[ComparedCell] = (),
    *,
    answered: StudyAnswers = NOTHING_ANSWERED,
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
        answered: what a study of a kind of its own answers.
        of: where the cells are from.
        objective: the metric that selects.
        test: the metric that is reported.
        selects: whether the study chooses a best configuration.
    """
    if answered.about_readings:
        return " ".join([answered.about_readings, *answered.remarks])
    answers = [claim_sentence(claim) for claim in answered.claims]
    if any(cell.reached for cell in compared):
        answers.append(reproduction.tally_sentence(compared, of=of))
    if answered.about_parts:
        answers.append(answered.about_parts)
    if answered.about_parts and len(answers) == 1:
        # An ablation asks for effects: which of its configurations is lowest is no answer.
        answers.append(shortfall_sentence(table))
    if answers:
        return " ".join(filter(None, [*answers, *answered.remarks]))
    return _lowest_text(table, factors, contrasts, objective=objective, test=test, selects=selects)


def _lowest_text(
    table: pd.DataFrame,
    factors: Sequence[str],
    contrasts: Sequence[PairedContrast],
    *,
    objective: str,
    test: str,
    selects: bool,
) -> str:
    """Return which configuration is lowest, and what may be the best beside it."""
    rest = f" {shortfall_sentence(table)}".rstrip()
    if not selects and (table["n"] > 0).any():
        return f"{_list_methods(table[table['n'] > 0], factors, test)}{rest}"
    if none_feasible := none_feasible_sentence(table):
        return none_feasible
    if table.empty or not table["best"].any():
        return no_answer_sentence(table)
    best = table.iloc[0]
    left_out = f" {infeasible_sentence(table)}".rstrip() + rest
    groups = data_sets(table)
    if groups.nunique() > 1:
        tried = groups[table["n"] > 0].value_counts()
        alone_on = set(tried[tried == 1].index)
        parts = [
            _on_data(row, factors, objective, alone=row[DATASET_NAME] in alone_on)
            for _, row in table[table["best"]].iterrows()
        ]
        chosen = _choice_remark(objective)
        alone = contender_sentence(table, factors, objective) if table["n"].max() == 1 else ""
        return f"Lowest {display_name(objective)}{chosen}: {'; '.join(parts)}.{alone}{left_out}"
    if table["best"].sum() > 1:
        # Who dominates nobody and errs as much in one objective errs as much in all of them.
        if table[table["best"]][f"{objective}_mean"].round(TIE_DIGITS).nunique() == 1:
            shared = _with_unit(_error_summary(best, objective), objective)
            return (
                f"{int(table['best'].sum())} of {count_text(len(table), 'configuration')} share "
                f"the lowest {display_name(objective)}: {shared} over "
                f"{count_text(int(best['n']), 'seed')}.{left_out}"
            )
        return (
            f"{int(table['best'].sum())} of {count_text(len(table), 'configuration')} are best in "
            "the sense that by the means none is better in one objective without being worse in "
            "another."
            f"{left_out}"
        )
    opening = f"Lowest {display_name(objective)}{_among(table, objective)} with"
    if (table["n"] > 0).sum() == 1:  # lowest among none
        opening = f"{with_capital(display_name(objective))} with"
    text = (
        f"{opening} {setting_text(best, factors)}{_choice_remark(objective)}: "
        f"{_with_unit(_error_summary(best, objective), objective)} over "
        f"{count_text(int(best['n']), 'seed')}"
    )
    if objective != test and f"{test}_n" in table and best[f"{test}_n"]:
        what, _, which = display_name(test).partition(", ")
        text += f", {what} {_with_unit(_error_summary(best, test), test)}"
        text += f" ({which})" if which else ""
    contenders = contender_sentence(table, factors, objective)
    return f"{text}{_next_best(contrasts)}.{contenders}{left_out}"


def _choice_remark(objective: str) -> str:
    chosen_on_test = description_of(objective).split == "test"
    return " (chosen on test data, so too low)" if chosen_on_test else ""


def _among(table: pd.DataFrame, objective: str) -> str:
    """Return among which the best one is the lowest, where one with fewer seeds lies below it."""
    best = table.iloc[0]
    below = table[f"{objective}_mean"] < best[f"{objective}_mean"]
    if not (below & feasible_rows(table)).any():
        return ""
    return f" of those with {count_text(int(best['n']), 'seed')}"


def _list_methods(table: pd.DataFrame, factors: Sequence[str], test: str) -> str:
    """Return which methods are lowest how often, or else the lowest and the highest test error."""
    what, _, which = display_name(test).partition(", ")
    subject = f"{what.capitalize()}{f' ({which})' if which else ''}"
    methods = [name for name in factors if name.startswith("regularizer.")]
    cases = [name for name in factors if name not in methods]
    order = table.sort_values(f"{test}_mean")
    over = _seeds_text(order)
    contenders = contender_sentence(table, factors, test)
    if methods and cases:
        return f"{subject} {over} {_lowest_by_case(order, methods, cases, test)}"
    if order[f"{test}_mean"].nunique() == 1:
        value = _with_unit(_error_summary(order.iloc[0], test), test)
        of_all = f" with each of {len(order):,} configurations" if len(order) > 1 else ""
        return f"{subject} {over}: {value}{of_all}.{contenders}"
    parts = [
        f"{_with_unit(_error_summary(row, test), test)} with {setting_text(row, factors)}"
        for row in (order.iloc[0], order.iloc[-1])
    ]
    return f"{subject} {over}: from {' to '.join(parts)}.{contenders}"


def _lowest_by_case(
    order: pd.DataFrame, methods: Sequence[str], cases: Sequence[str], test: str
) -> str:
    """Return which methods are lowest in how many cases; the table has the lowest error first."""
    keys = [order[name].map(hashable_value) for name in cases]
    groups = order.groupby(keys, dropna=False)
    # What the case already says, such as a loss that its recipe fixes, names no method.
    told = [n for n in methods if (groups[n].agg(_count_values) > 1).any()] or list(methods)
    present = [case for _, case in groups]
    compared = [case for case in present if len(case) > 1]
    alone = f"In {len(present) - len(compared)} of {count_text(len(present), 'case')} "
    alone += "one method alone has a number."
    if not compared:
        return f"compares nothing. {alone}"
    means = [case[f"{test}_mean"].round(TIE_DIGITS) for case in compared]
    lowest = [case[m == m.min()] for case, m in zip(compared, means, strict=True)]
    counts = Counter(setting_text(c.iloc[0], told) for c in lowest if len(c) == 1)
    parts = _counted(counts)
    if tied := sum(len(case) > 1 for case in lowest):
        parts.append(f"with several alike in {tied}")
    parts[0] += f" of {count_text(len(lowest), 'case')}"
    named = ", ".join(map(_subject_of, cases))
    several = order["n"].max() > 1
    chance = "" if several else " With one seed for each nothing tells a difference from chance."
    chance += f" {alone}" if len(compared) < len(present) else ""
    if fewer := sum(len(case) < max(map(len, compared)) for case in compared):
        chance += f" In {fewer} of these cases some methods have no number."
    return (
        f"is lowest {', '.join(parts)} (a case: {named})"
        f"{_not_excluded(order, told, cases)}.{chance}"
    )


def _count_values(values: "pd.Series[Any]") -> int:
    return int(values.map(hashable_value).nunique(dropna=False))


def _counted(counts: "Counter[str]") -> list[str]:
    """Return ``with LaMix in 2``, the most frequent first and no more than a reader can hold."""
    ordered = counts.most_common()
    parts = [f"with {name} in {count}" for name, count in ordered[:MOST_NAMED]]
    if rest := ordered[MOST_NAMED:]:
        parts.append(f"with {count_text(len(rest), 'other')} in {sum(count for _, count in rest)}")
    return parts


def _seeds_text(table: pd.DataFrame) -> str:
    """Return over how many seeds the means are."""
    fewest, most = int(table["n"].min()), int(table["n"].max())
    return f"over {count_text(most, 'seed') if fewest == most else f'{fewest} to {most} seeds'}"


def _not_excluded(table: pd.DataFrame, methods: Sequence[str], cases: Sequence[str]) -> str:
    """Return in how many cases each method may be the best; nothing where that is not known."""
    known = table[table[MAY_BE_BEST].notna()] if MAY_BE_BEST in table else table.iloc[:0]
    if known.empty:
        return ""
    judged = known.groupby(
        [known[name].map(hashable_value) for name in cases], dropna=False
    ).ngroups
    kept = known[known[MAY_BE_BEST].map(bool)]
    counts = Counter(setting_text(row, methods) for _, row in kept.iterrows()).most_common()
    listed = ", ".join(f"{name} in {count}" for name, count in counts[:MOST_NAMED])
    if rest := counts[MOST_NAMED:]:
        listed += f", {len(rest)} more in at most {rest[0][1]}"
    return f"; of {judged} judged by their seeds, not excluded as the best: {listed}"


def _subject_of(name: str) -> str:
    """Return what a setting is about: `network` for `network.name`."""
    return name.removesuffix(".name").rpartition(".")[2]


def _on_data(row: "pd.Series[Any]", factors: Sequence[str], objective: str, *, alone: bool) -> str:
    rest = [name for name in factors if name != DATASET_NAME]
    reached = _with_unit(_error_summary(row, objective), objective)
    rivals = ", which is alone there" if alone else ""
    data = display_name(str(row[DATASET_NAME]))
    return f"on {data} {reached} with {setting_text(row, rest)}{rivals}"


def _next_best(contrasts: Sequence[PairedContrast]) -> str:
    if not contrasts or contrasts[0].paired.n < 2:
        return ""
    pair = contrasts[0].paired
    low, high = sorted((abs(pair.low), abs(pair.high)))
    seen = f"{number_text(abs(pair.mean))} points [{number_text(low)}, {number_text(high)}]"
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
