"""What is on record against what the study file asks: the first step of every launch.

MLflow holds the trials, Optuna the configurations. Reconciling them finds what is done, what was
cut off, what is missing and what no longer belongs, and leaves Optuna's study as if all of it had
been done in one go under the present study file.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from study import space
from study.agenda import Agenda
from study.model import Asked, Judgement, Plan, RecordedTrial
from study.search import Search
from study.space import Point, word


@dataclass(frozen=True)
class Reconciliation:
    """What launch tells the user before it begins."""

    done: int
    """Trials that need nothing more."""
    cut_off: int
    """Trials that go on where they were left."""
    failed: int
    """Trials that failed for good in an earlier launch and are tried again."""
    retired: tuple[str, ...]
    """Keys of recorded trials that no longer belong."""
    restored: tuple[str, ...]
    """Keys of trials that were retired and belong again."""


def reconcile(
    agenda: Agenda, search: Search, recorded: Mapping[str, RecordedTrial]
) -> Reconciliation:
    """Fill the agenda with what is known, and bring Optuna's study in line with it."""
    study = agenda.study
    stored = search.asked()
    known = [asked.point for asked in stored if space.belongs(asked.point, study.space)]
    known += _lost(known, agenda, recorded)
    known = known[: study.configurations]
    judgements = {word(asked.point): asked.judgement for asked in stored}
    for number, point in enumerate(known):
        before = judgements.get(word(point), Judgement("running"))
        plan = agenda.plan(Asked(number, point, before), recorded)
        plan.judgement = agenda.judgement_of(plan)
        if plan.judgement.state == "running" and _fell(plan, before, search):
            plan.judgement = before
    target = [(plan.point, plan.judgement) for plan in agenda.plans]
    if search.outdated or _contradicts(stored, target):
        search.rebuild(target)
    else:
        for asked, plan in zip(stored, agenda.plans, strict=True):
            if plan.judged and asked.judgement.state == "running":
                search.tell(asked.number, plan.judgement)
    search.note_rules()
    for plan in agenda.plans:
        if plan.judged:
            agenda.settle(plan)
        else:
            agenda.schedule(plan)
    own = set(agenda.trials)
    was_retired = {k for k, trial in recorded.items() if trial.tags.get("retired") == "true"}
    return Reconciliation(
        done=sum(trial.state == "done" for trial in agenda.trials.values()),
        cut_off=sum(trial.cut_off for trial in agenda.trials.values()),
        failed=sum(k in own and trial.outcome == "failed" for k, trial in recorded.items()),
        retired=tuple(k for k in recorded if k not in own and k not in was_retired),
        restored=tuple(own & was_retired),
    )


def _fell(plan: Plan, before: Judgement, search: Search) -> bool:
    """Return whether a configuration was stopped early by the present rule, and is on record."""
    recorded = any(trial.recorded for trial in plan.trials)
    return before.state == "pruned" and recorded and not search.rules_changed


def _lost(known: list[Point], agenda: Agenda, recorded: Mapping[str, RecordedTrial]) -> list[Point]:
    """Return points that only MLflow knows: Optuna's file is gone, or they belong again."""
    found = {word(point): -1 for point in known}
    for trial in sorted(recorded.values(), key=_number):
        if "point" not in trial.tags:
            continue
        point = json.loads(trial.tags["point"])
        if word(point) in found or not space.belongs(point, agenda.study.space):
            continue
        configuration = agenda.study.configuration(point)
        if agenda.configuration_key(configuration) == trial.tags["configuration"]:
            found[word(point)] = _number(trial)
    return [json.loads(text) for text, number in found.items() if number >= 0]


def _number(trial: RecordedTrial) -> int:
    return int(trial.tags.get("configuration_number", 0))


def _contradicts(stored: list[Asked], target: list[tuple[Point, Judgement]]) -> bool:
    """Return whether Optuna holds other configurations, or has judged one otherwise for good."""
    if [word(asked.point) for asked in stored] != [word(point) for point, _ in target]:
        return True
    return any(
        asked.judgement.state != "running"
        and (asked.judgement.state, asked.judgement.values) != (judgement.state, judgement.values)
        for asked, (_, judgement) in zip(stored, target, strict=True)
    )
