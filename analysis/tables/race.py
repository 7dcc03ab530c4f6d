"""What a race over seeds has decided, in words, from the trials on record.

The study's scheduler asks the same rule about the same errors, so the words agree with the trials
that were trained. A configuration that was stopped early, or of which a trial failed for good, is
out of the race.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.counted import count_text
from analysis.record.names import (
    COMPLETED,
    CONFIGURATION,
    CONFIGURATION_NUMBER,
    DIVERGED,
    FAILED,
    OUTCOME,
    POINT,
    SEED,
    STOPPED_EARLY,
)
from analysis.statistics.pairs import Floats
from analysis.statistics.race_outlook import LookOutlook, next_look_outlook
from analysis.statistics.race_rule import STUDY_LEVEL, RaceRule, study_rule
from analysis.statistics.racing import RaceDecision, decide_race
from analysis.tables.display_names import display_name, number_text
from analysis.tables.printed import setting_text
from trainables.metrics import PERCENT, description_of, judged_value

MOST_NAMES = 6
"""Configurations that a sentence lists by name."""


@dataclass(frozen=True)
class RaceStory:
    """A race in words."""

    verdict: str
    """`racing.Verdict`, or "not begun"."""
    sentences: tuple[str, ...]
    standing: Mapping[str, str]
    """Configuration → where it stands, in a word or two."""
    outlook: LookOutlook | None = None
    """What the next look would cost and decide, where there is one and it was asked for."""


def race_of_search(search: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the rule of a race as a resolved study holds it, or None of a number of seeds."""
    seeds = search.get("seeds")
    return seeds if isinstance(seeds, Mapping) and "looks" in seeds else None


def race_margin(search: Mapping[str, Any]) -> float:
    """Return the margin of a study's race in points; 0 of a number of seeds."""
    rule = race_of_search(search)
    return float(rule["margin"]) if rule else 0.0


def tell_race(
    frame: pd.DataFrame,
    table: pd.DataFrame,
    factors: Sequence[str],
    search: Mapping[str, Any],
    *,
    objective: str,
    foresee: bool = False,
) -> RaceStory | None:
    """Return what a study's race has decided, or None where its seeds are a plain number.

    Args:
        frame: the trials.
        table: as from `over_configurations`, for the names of configurations.
        factors: what names a configuration.
        search: the section of the resolved study.
        objective: by which is decided.
        foresee: whether to work out what the next look would cost and decide.
    """
    settings = race_of_search(search)
    if settings is None:
        return None
    looks = [int(n) for n in settings["looks"]]
    names = {row[CONFIGURATION]: setting_text(row, factors) for _, row in table.iterrows()}
    keys, out = _racing_keys(frame)
    errors = _errors_of(frame, keys, looks[-1], objective)
    planned = search.get("configurations")
    planned = None if isinstance(planned, Mapping) else planned  # it may have ended before its most
    missing = max(0, int(planned or 0) - len(keys) - len(out))
    begun = len(keys) and np.isfinite(errors[:, : looks[0]]).all() and not missing
    if not begun:
        text = (
            f"The race has not begun: all configurations get {count_text(looks[0], 'seed')} "
            "before a look."
        )
        if out and not keys:
            text = "No configuration is left in the race."
        return RaceStory("not begun", (text, *_out_sentences(out, names)), out)
    against = _reference_row(frame, keys, settings["decide"])
    if isinstance(settings["decide"], Mapping) and against is None:
        text = "Nothing is decided: the configuration that all others are compared with is missing."
        return RaceStory("undecided", (text, *_out_sentences(out, names)), out)
    rule = study_rule(looks, float(settings["margin"]), errors, against=against)
    decision = decide_race(errors, rule)
    standing = {**_standing_of(decision, keys, against), **out}
    texts = [
        *_decision_sentences(
            decision, rule, [names.get(key, key) for key in keys], objective, errors.mean(axis=1)
        ),
        *_diverged_sentences(frame, names),
        *_out_sentences(out, names),
    ]
    outlook = next_look_outlook(errors, rule) if foresee else None
    return RaceStory(decision.verdict, tuple(texts), standing, outlook)


def _racing_keys(frame: pd.DataFrame) -> tuple[list[str], dict[str, str]]:
    """Return the configurations in the race by their numbers, and why others are out of it."""
    if frame.empty or OUTCOME not in frame:
        return [], {}
    ordered = frame.assign(_n=pd.to_numeric(frame[CONFIGURATION_NUMBER])).sort_values("_n")
    keys, out = [], {}
    for key, trials in ordered.groupby(CONFIGURATION, sort=False):
        outcomes = set(trials[OUTCOME].dropna())
        if STOPPED_EARLY in outcomes:
            out[str(key)] = "stopped early"
        elif FAILED in outcomes:
            out[str(key)] = "failed"
        else:
            keys.append(str(key))
    return keys, out


def _errors_of(frame: pd.DataFrame, keys: Sequence[str], seeds: int, objective: str) -> Floats:
    """Return the objective, shape (configurations, seeds), NaN for what has not ended."""
    errors = np.full((len(keys), seeds), np.nan)
    rows = {key: row for row, key in enumerate(keys)}
    ended = frame[frame[OUTCOME].isin((COMPLETED, DIVERGED))] if len(keys) else frame.iloc[:0]
    for _, trial in ended.iterrows():
        row, seed = rows.get(trial[CONFIGURATION]), int(trial[SEED])
        if row is not None and seed < seeds:
            value = float(trial.get(objective, np.nan))  # where all diverged nothing was measured
            errors[row, seed] = judged_value(objective, value, diverged=trial[OUTCOME] == DIVERGED)
    return errors


def _reference_row(frame: pd.DataFrame, keys: Sequence[str], decide: Any) -> int | None:
    if not isinstance(decide, Mapping):
        return None
    wanted = dict(decide["against"]).items()
    named = {
        trial[CONFIGURATION]
        for _, trial in frame.iterrows()
        if isinstance(trial[POINT], str) and wanted <= json.loads(trial[POINT]).items()
    }
    return next((row for row, key in enumerate(keys) if key in named), None)


def _standing_of(
    decision: RaceDecision, keys: Sequence[str], against: int | None
) -> dict[str, str]:
    words = dict.fromkeys(range(len(keys)), "undecided")
    over = decision.next_look is None
    words |= dict.fromkeys(decision.going_on, "undecided" if over else "goes on")
    words |= dict.fromkeys(decision.equivalent, "equivalent")
    words |= dict.fromkeys(decision.beaten, "beaten" if against is None else "worse")
    words |= dict.fromkeys(decision.better, "better")
    if decision.best is not None:
        words[decision.best] = "best"
    if against is not None:
        words[against] = "reference"
    return {key: words[row] for row, key in enumerate(keys)}


def _decision_sentences(
    decision: RaceDecision, rule: RaceRule, names: Sequence[str], objective: str, means: Floats
) -> list[str]:
    def listed(rows: Sequence[int]) -> str:
        return _list_names([names[row] for row in rows])

    what, level = display_name(objective), number_text(STUDY_LEVEL)
    seeds = max(decision.seeds_wanted)
    margin = f"{number_text(rule.margin)}{_unit(objective)}"
    count = len(decision.beaten)
    beaten = f"{count_text(count, 'configuration')} beaten" if count else "none beaten"
    if rule.against is not None:
        return _reference_sentences(decision, rule, names, margin, seeds)
    # Those that err alike have no lowest one.
    lowest = np.flatnonzero(np.isclose(means, means[decision.leader], rtol=0, atol=1e-9))
    leader = f" Lowest mean: {names[decision.leader]}." if len(lowest) < 2 else ""
    if len(names) == 1:
        return [
            f"Only {names[0]} is left in the race, after {count_text(seeds, 'seed')}, and "
            "was not compared."
        ]
    if decision.verdict == "best":
        text = (
            f"Best by {what}: {names[decision.best or 0]}, after "
            f"{count_text(seeds, 'seed')}; {beaten}, at level "
            f"{level} over all looks and configurations."
        )
    elif decision.verdict == "equivalent":
        text = (
            f"Equivalent by {what}: {listed(decision.equivalent)} are within {margin} of the best, "
            f"after {count_text(seeds, 'seed')}; {beaten}, at level {level} over all looks "
            "and configurations."
        )
    elif decision.verdict == "undecided":
        text = (
            f"Undecided at the cap of {count_text(rule.most, 'seed')}: "
            f"{listed(decision.going_on)} are not told "
            f"apart by {what}; {beaten}.{leader}"
        )
    else:
        text = (
            f"The race goes on: {listed(decision.going_on)} are not told apart by {what}; "
            f"{beaten}; the next look is at {count_text(decision.next_look or 0, 'seed')}."
        )
    return [text]


def _reference_sentences(
    decision: RaceDecision, rule: RaceRule, names: Sequence[str], margin: str, seeds: int
) -> list[str]:
    assert rule.against is not None
    parts = [
        f"{word}: {_list_names([names[row] for row in rows])}"
        for word, rows in (
            ("better", decision.better),
            ("worse", decision.beaten),
            (f"equivalent, within {margin}", decision.equivalent),
            ("undecided", tuple(row for row in decision.going_on if row != rule.against)),
        )
        if rows
    ]
    after = f"the next look is at {count_text(decision.next_look or 0, 'seed')}"
    if decision.next_look is None:
        after = (
            f"after {count_text(seeds, 'seed')}, at level {number_text(STUDY_LEVEL)} over all looks"
        )
    return [f"Against {names[rule.against]}: {'; '.join(parts)}; {after}."]


def _diverged_sentences(frame: pd.DataFrame, names: Mapping[str, str]) -> list[str]:
    counts = frame[frame[OUTCOME] == DIVERGED].groupby(CONFIGURATION).size()
    return [
        f"{names.get(str(key), key)}: {count_text(int(n), 'diverged trial')} at the worst value."
        for key, n in counts.items()
    ]


def _out_sentences(out: Mapping[str, str], names: Mapping[str, str]) -> list[str]:
    reasons = {
        "stopped early": ("was stopped early", "were stopped early"),
        "failed": ("has a trial that failed for good", "have each a trial that failed for good"),
    }
    texts = []
    for word, (one, several) in reasons.items():
        if listed := [names.get(key, key) for key, why in out.items() if why == word]:
            reason = one if len(listed) == 1 else several
            texts.append(f"Out of the race: {_list_names(listed)} {reason}.")
    return texts


def _unit(objective: str) -> str:
    return " points" if description_of(objective).unit == PERCENT else ""


def _list_names(names: Sequence[str]) -> str:
    if len(names) > MOST_NAMES:
        return f"{', '.join(names[:MOST_NAMES])} and {len(names) - MOST_NAMES} more"
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
