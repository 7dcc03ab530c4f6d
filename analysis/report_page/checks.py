"""What a reader should doubt in a study's result: each check looks at the record and may warn."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.counted import count_text
from analysis.paper.cells import TABLES
from analysis.record.names import (
    CONFIGURATION,
    DATA_FINGERPRINT,
    DATASET_NAME,
    DEVICE,
    DIVERGED,
    EPOCHS,
    FAILED,
    GIT_COMMIT,
    GIT_DIRTY,
    PYTHON,
    REGULARIZER_NAME,
    STATE_WORDS,
    STOPPED_EARLY,
)
from analysis.tables.code_remarks import code_remarks
from analysis.tables.configurations import data_sets, factors_of, settings_of
from analysis.tables.display_names import display_name, setting_value_text
from analysis.tables.race import race_of_search
from analysis.trials import StudyInfo
from trainables.metrics import TEST_ERROR_BEST, TEST_ERROR_LAST, description_of

EDGE = 0.02
"""An optimum this close to an end of its range, as a share of it, is at the edge."""
VERSIONS = (PYTHON, "torch", "ray", "optuna", DEVICE)


@dataclass(frozen=True)
class StudyEvidence:
    """What the checks look at."""

    info: StudyInfo
    frame: pd.DataFrame
    """The trials at one scale."""
    table: pd.DataFrame
    """As from `tables.over_configurations`."""
    factors: list[str]
    test: str = TEST_ERROR_LAST


Check = Callable[[StudyEvidence], Iterator[str]]


def warnings_of(evidence: StudyEvidence) -> list[str]:
    """Return what is to be doubted, one sentence or two each."""
    return [text for check in CHECKS for text in check(evidence)]


def unfinished_trials(evidence: StudyEvidence) -> Iterator[str]:
    """Trials are missing, running or cut off."""
    counts = evidence.table["unfinished"].sum() if len(evidence.table) else 0
    if counts:
        yield f"{count_text(int(counts), 'trial')} not finished: the numbers here may still change."
    planned = evidence.info.search.get("configurations")
    have = len(evidence.table)
    if isinstance(planned, int) and have < planned:
        yield f"{have} of {count_text(planned, 'configuration')} have been tried."
    if evidence.info.state != STATE_WORDS["FINISHED"]:
        yield f"The study's state is “{evidence.info.state}”: this is a report on the way."


def seeds_missing(evidence: StudyEvidence) -> Iterator[str]:
    """Some configurations have fewer seeds than the study asks for."""
    if evidence.table.empty or race_of_search(evidence.info.search):
        return  # a race gives seeds where its decision hangs
    seeds = evidence.info.seeds
    wanted = len(seeds) if seeds is not None else int(evidence.table["n"].max())
    short = evidence.table[evidence.table["n"] < wanted]
    if len(short):
        yield (
            f"{len(short)} of {count_text(len(evidence.table), 'configuration')} have fewer than "
            f"{wanted} full-length seeds; they are not called best."
        )
    if wanted == 1:
        yield "1 seed per configuration: a spread cannot be judged."
    if wanted == 2:
        yield (
            "2 seeds per configuration say little of a spread: what is shown here rests on the "
            "spreads of the best configurations being alike."
        )


def lost_trials(evidence: StudyEvidence) -> Iterator[str]:
    """Trials diverged, failed or were stopped early."""
    reasons = {
        DIVERGED: "a configuration that diverges for some seeds looks better than it is by the "
        "mean over the others",
        FAILED: "they have no number",
        STOPPED_EARLY: "their errors at less than full length are left out of all means",
    }
    for outcome, why in reasons.items():
        count = int(evidence.table[outcome].sum()) if len(evidence.table) else 0
        if count:
            verb = "were stopped early" if outcome == STOPPED_EARLY else outcome
            yield f"{count_text(count, 'trial')} {verb}: {why}."


def optimum_at_an_edge(evidence: StudyEvidence) -> Iterator[str]:
    """The best value of a factor lies at an end of its range: the true optimum may lie beyond."""
    best = evidence.table[evidence.table["best"]]
    groups = data_sets(best)
    if len(evidence.info.objectives) > 1:  # members of a front are not as good as each other
        best = best[~groups.duplicated()]
        groups = groups[best.index]
    for path, spec in evidence.info.space.items():
        ends = _range_ends(spec)
        if ends is None or path not in best or best.empty:
            continue
        several = groups.nunique() > 1
        for group, alike in best.groupby(groups, sort=False):
            values = [v for v in alike[path] if _is_number(v) and not np.isnan(v)]
            sides = {_edge_side(float(v), *ends) for v in values}
            # Of several that are as good, one within the range is as good an optimum.
            if len(values) < len(alike) or len(sides) > 1 or not (end := sides.pop()):
                continue
            on = f" on {display_name(str(group))}" if several else ""
            named = " and ".join(dict.fromkeys(map(setting_value_text, values)))
            yield (
                f"The best {path} = {named}{on} lies at the {end} end of its range "
                f"[{setting_value_text(ends[0])}, {setting_value_text(ends[1])}]: where it "
                "takes values beyond, the true optimum may lie there."
            )


def unequal_budgets(evidence: StudyEvidence) -> Iterator[str]:
    """One regularizer was given more configurations to be tuned with than another."""
    column = REGULARIZER_NAME
    if column not in evidence.frame or evidence.info.study in TABLES:
        return  # in a table of the paper every configuration is a cell of its own
    counts = evidence.frame.groupby(column)[CONFIGURATION].nunique()
    if len(counts) > 1 and counts.min() != counts.max():
        parts = ", ".join(f"{display_name(str(name))} {count}" for name, count in counts.items())
        yield (
            f"Unequal tuning budgets, in configurations: {parts}. The one tried more often has had "
            "more chances to be lucky."
        )


def mixed_versions(evidence: StudyEvidence) -> Iterator[str]:
    """The trials do not share code, data or versions."""
    frame = evidence.frame
    if _distinct_values(frame, GIT_COMMIT) > 1:
        commits = ", ".join(str(commit)[:7] for commit in frame[GIT_COMMIT].dropna().unique())
        count = _distinct_values(frame, GIT_COMMIT)
        yield f"The trials ran at {count} different commits: {commits}."
    if DATA_FINGERPRINT in frame:
        sets = frame[DATASET_NAME] if DATASET_NAME in frame else pd.Series("", frame.index)
        for name, prints in frame.groupby(sets)[DATA_FINGERPRINT]:
            if prints.nunique() > 1:
                yield (
                    f"The data set {display_name(str(name))} was not the same for all trials: "
                    f"{prints.nunique()} fingerprints."
                )
    for tag in VERSIONS:
        if _distinct_values(frame, tag) > 1:
            values = ", ".join(str(value) for value in frame[tag].dropna().unique())
            yield f"The trials ran with several versions of {tag}: {values}."


def other_code(evidence: StudyEvidence) -> Iterator[str]:
    """Trials of other code were kept without a proof that the present code computes the same."""
    yield from code_remarks(evidence.frame)


def dirty_tree(evidence: StudyEvidence) -> Iterator[str]:
    """The commit on record is not the code that ran."""
    if GIT_DIRTY in evidence.frame and (count := int(evidence.frame[GIT_DIRTY].sum())):
        yield (
            f"{count_text(count, 'trial')} ran with changes that were not committed: the commit on "
            "record is not all of the code."
        )


def selection_on_test(evidence: StudyEvidence) -> Iterator[str]:
    """The test data took part in a choice."""
    for name in evidence.info.objectives:
        if description_of(name).split == "test" and evidence.info.selects:
            yield f"The search minimised `{name}`: its best is chosen on test data and too low."
    if evidence.test == TEST_ERROR_BEST:
        yield "The test error reported is that of the best epoch, chosen on test data: too low."


def unlike_the_paper(evidence: StudyEvidence) -> Iterator[str]:
    """A study of a table of the paper that trains for another time than the paper."""
    layout = TABLES.get(evidence.info.study)
    if layout is None or evidence.info.scale != "paper" or EPOCHS not in evidence.frame:
        return
    others = sorted(set(evidence.frame[EPOCHS].dropna()) - {layout.epochs})
    if others:
        listed = ", ".join(setting_value_text(value) for value in others)
        yield f"The paper trained for {layout.epochs} epochs; trials here for {listed}."


def varied_unsearched(evidence: StudyEvidence) -> Iterator[str]:
    """A setting differs between trials though the study does not search it."""
    paths = evidence.info.space
    if not paths:
        return
    searched = [
        name
        for name in settings_of(evidence.frame)
        if any(name == path or name.startswith(f"{path}.") for path in paths)
    ]
    rest = [name for name in factors_of(evidence.frame) if name not in searched]
    if rest:
        listed = ", ".join(rest)
        yield f"Not searched and yet not the same for all trials: {listed}."


CHECKS: list[Check] = [
    unfinished_trials,
    seeds_missing,
    lost_trials,
    selection_on_test,
    optimum_at_an_edge,
    unequal_budgets,
    mixed_versions,
    other_code,
    dirty_tree,
    varied_unsearched,
    unlike_the_paper,
]


def _range_ends(spec: Any) -> tuple[float, float] | None:
    """Return the ends of a numeric range or of an ordered list of numbers, else None."""
    if isinstance(spec, Mapping) and "low" in spec and "high" in spec:
        return float(spec["low"]), float(spec["high"])
    if isinstance(spec, list) and len(spec) >= 3 and all(_is_number(value) for value in spec):
        return float(min(spec)), float(max(spec))
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _edge_side(value: float, low: float, high: float) -> str:
    if low > 0 and high / low >= 100:  # searched by orders of magnitude
        value, low, high = np.log([value, low, high])
    if value <= low + EDGE * (high - low):
        return "lower"
    return "upper" if value >= high - EDGE * (high - low) else ""


def _distinct_values(frame: pd.DataFrame, column: str) -> int:
    return int(frame[column].nunique()) if column in frame else 0
