"""What is on record against what the study file asks: the first step of every launch.

MLflow holds the trials, Optuna the configurations. Reconciling them finds what is done, what was
cut off, what is missing and what no longer belongs, and leaves Optuna's study as if all of it had
been done in one go under the present study file.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from study.file import points
from study.file.points import point_word
from study.file.space import Point
from study.scheduling.scheduler import StudyScheduler
from study.search.optuna_study import OptunaStudy
from study.trials import ConfigurationResult, ConfigurationTrials, RecordedTrial, Suggestion


@dataclass(frozen=True)
class ReconciledStudy:
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


def reconcile_study(
    agenda: StudyScheduler, search: OptunaStudy, recorded: Mapping[str, RecordedTrial]
) -> ReconciledStudy:
    """Fill the agenda with what is known, and bring Optuna's study in line with it."""
    study = agenda.study
    stored = search.asked()
    known = [asked.point for asked in stored if points.is_point_of(asked.point, study.space)]
    known += _points_of_record_alone(known, agenda, recorded)
    known = list({point_word(point): point for point in known}.values())[: study.configurations]
    judgements = {point_word(asked.point): asked.judgement for asked in stored}
    for number, point in enumerate(known):
        before = judgements.get(point_word(point), ConfigurationResult("running"))
        plan = agenda.plan(Suggestion(number, point, before), recorded)
        plan.judgement = agenda.judgement_of(plan)
        if plan.judgement.state == "running" and _was_stopped_early(plan, before, search):
            plan.judgement = before
    target = [(plan.point, plan.judgement) for plan in agenda.plans]
    if search.outdated or _storage_contradicts(stored, target):
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
    return ReconciledStudy(
        done=sum(trial.state == "done" for trial in agenda.trials.values()),
        cut_off=sum(trial.cut_off for trial in agenda.trials.values()),
        failed=sum(k in own and trial.outcome == "failed" for k, trial in recorded.items()),
        retired=tuple(k for k in recorded if k not in own and k not in was_retired),
        restored=tuple(own & was_retired),
    )


def _was_stopped_early(
    plan: ConfigurationTrials, before: ConfigurationResult, search: OptunaStudy
) -> bool:
    """Return whether a configuration was stopped early by the present rule, and is on record."""
    recorded = any(trial.recorded for trial in plan.trials)
    return before.state == "pruned" and recorded and not search.rules_changed


def _points_of_record_alone(
    known: list[Point], agenda: StudyScheduler, recorded: Mapping[str, RecordedTrial]
) -> list[Point]:
    """Return points that only MLflow knows: Optuna's file is gone, or they belong again."""
    found = {point_word(point): -1 for point in known}
    for trial in sorted(recorded.values(), key=_number_of):
        if "point" not in trial.tags:
            continue
        point = json.loads(trial.tags["point"])
        if point_word(point) in found or not points.is_point_of(point, agenda.study.space):
            continue
        configuration = agenda.study.configuration(point)
        if agenda.configuration_key(configuration) == trial.tags["configuration"]:
            found[point_word(point)] = _number_of(trial)
    return [json.loads(text) for text, number in found.items() if number >= 0]


def _number_of(trial: RecordedTrial) -> int:
    return int(trial.tags.get("configuration_number", 0))


def _storage_contradicts(
    stored: list[Suggestion], target: list[tuple[Point, ConfigurationResult]]
) -> bool:
    """Return whether Optuna holds other configurations, or has judged one otherwise for good."""
    if [point_word(asked.point) for asked in stored] != [point_word(point) for point, _ in target]:
        return True
    return any(
        asked.judgement.state != "running"
        and (asked.judgement.state, asked.judgement.values) != (judgement.state, judgement.values)
        for asked, (_, judgement) in zip(stored, target, strict=True)
    )
