"""What is on record against what the study file asks: the first step of every launch.

MLflow holds the trials, Optuna the configurations. Reconciling them finds what is done, what was
cut off, what is missing and what no longer belongs, and leaves Optuna's study as if all of it had
been done in one go under the present study file.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from analysis.record.names import (
    CONFIGURATION,
    CONFIGURATION_NUMBER,
    FAILED,
    MISSING_DIAGNOSTICS,
    RETIRED,
    STOPPED_EARLY,
)
from analysis.record.values import is_flag
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
    unfiled: int
    """Trials that could not leave all files of their diagnostics and are trained again."""
    retired: tuple[str, ...]
    """Keys of recorded trials that no longer belong."""
    restored: tuple[str, ...]
    """Keys of trials that were retired and belong again."""
    renumbered: Mapping[str, Mapping[str, str]]
    """By trial key the tag with its configuration's number, where the record holds another."""


def reconcile_study(
    scheduler: StudyScheduler, search: OptunaStudy, recorded: Mapping[str, RecordedTrial]
) -> ReconciledStudy:
    """Fill the scheduler with what is known, and bring Optuna's study in line with it."""
    study = scheduler.study
    stored = search.asked()
    known = [asked.point for asked in stored if study.has_point(asked.point)]
    known += _points_of_record_alone(known, scheduler, recorded)
    known = list({point_word(point): point for point in known}.values())[: study.configurations]
    judgements = {point_word(asked.point): asked.judgement for asked in stored}
    for number, point in enumerate(known):
        before = judgements.get(point_word(point), ConfigurationResult("running"))
        added = scheduler.known.add_configuration(Suggestion(number, point, before), recorded)
        added.judgement = added.result
        if added.judgement.state == "running" and _was_stopped_early(added, before, search):
            added.judgement = before
    target = [(each.point, each.judgement) for each in scheduler.configurations]
    if search.outdated or _storage_contradicts(stored, target):
        search.rebuild(target)
    else:
        for asked, each in zip(stored, scheduler.configurations, strict=True):
            if each.is_judged and asked.judgement.state == "running":
                search.tell(asked.number, each.judgement)
    search.note_rules()
    for each in scheduler.configurations:
        if each.is_judged:
            _record_missed_stops(each, scheduler)
        else:
            for trial in each.judging_trials:
                if trial.key in recorded:
                    scheduler.rungs.recall_course(trial, recorded[trial.key])
            scheduler.queue_trials(each)
    scheduler.looks.take_look()
    own = set(scheduler.trials)
    was_retired = {k for k, trial in recorded.items() if is_flag(trial.tags.get(RETIRED))}
    return ReconciledStudy(
        done=sum(trial.state == "done" for trial in scheduler.trials.values()),
        cut_off=sum(trial.cut_off for trial in scheduler.trials.values()),
        failed=sum(k in own and trial.outcome == FAILED for k, trial in recorded.items()),
        unfiled=sum(
            k in own and bool(trial.tags.get(MISSING_DIAGNOSTICS)) for k, trial in recorded.items()
        ),
        retired=tuple(k for k in recorded if k not in own and k not in was_retired),
        restored=tuple(own & was_retired),
        renumbered={
            key: {CONFIGURATION_NUMBER: str(trial.number)}
            for key, trial in scheduler.trials.items()
            if key in recorded and recorded[key].tags.get(CONFIGURATION_NUMBER) != str(trial.number)
        },
    )


def _was_stopped_early(
    configuration: ConfigurationTrials, before: ConfigurationResult, search: OptunaStudy
) -> bool:
    """Return whether a configuration was stopped early by the present rule, and is on record."""
    recorded = any(trial.recorded for trial in configuration.trials)
    return before.state == "pruned" and recorded and not search.rules_changed


def _record_missed_stops(configuration: ConfigurationTrials, scheduler: StudyScheduler) -> None:
    """End on record what a dead process left of a configuration that it had stopped early."""
    for trial in configuration.trials:
        if trial.cut_off and scheduler.known.is_stopped_early(trial):
            trial.cut_off = False
            scheduler.record.end(trial.key, STOPPED_EARLY, None, failure="")


def _points_of_record_alone(
    known: list[Point], scheduler: StudyScheduler, recorded: Mapping[str, RecordedTrial]
) -> list[Point]:
    """Return points that only MLflow knows: Optuna's file is gone, or the points belong again."""
    found = {point_word(point): -1 for point in known}
    for trial in sorted(recorded.values(), key=lambda trial: trial.number):
        point = trial.point
        if point is None:
            continue
        if point_word(point) in found or not scheduler.study.has_point(point):
            continue
        configuration = scheduler.study.configuration(point)
        if scheduler.known.configuration_key(configuration) == trial.tags.get(CONFIGURATION):
            found[point_word(point)] = trial.number
    return [json.loads(text) for text, number in found.items() if number >= 0]


def _storage_contradicts(
    stored: list[Suggestion], target: list[tuple[Point, ConfigurationResult]]
) -> bool:
    """Return whether Optuna holds other configurations, or has judged one otherwise for good."""
    if [point_word(asked.point) for asked in stored] != [point_word(point) for point, _ in target]:
        return True
    return any(
        (asked.judgement.state != "running" or asked.judgement.constraints)
        and _told(asked.judgement) != _told(judgement)
        for asked, (_, judgement) in zip(stored, target, strict=True)
    )


def _told(judgement: ConfigurationResult) -> tuple[object, ...]:
    """Return what Optuna cannot be told otherwise once it has heard it."""
    return judgement.state, judgement.values, dict(judgement.constraints)
