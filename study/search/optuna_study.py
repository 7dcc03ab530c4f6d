"""The Optuna study of one study at one scale: its trials are configurations."""

import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from study.file import points, space
from study.file.resolved import ResolvedStudy
from study.file.samplers import SAMPLERS
from study.file.space import Point
from study.search.new_points import draw_new_point
from study.search.opened_storage import (
    OpenedStorage,
    open_optuna_storage,
    open_whole_storage,
    optuna_name,
)
from study.search.optuna_trials import (
    OPTUNA_STATES,
    TrialChooser,
    distribution_of,
    distributions_of,
    frozen_trial_of,
    known_attributes,
    result_of_trial,
)
from study.search.samplers import GENERATION_ATTRIBUTE, build_sampler
from study.search.sequences import PointSequence, SequenceCursor, build_sequence
from study.search.storage_file import write_storage
from study.trials import ConfigurationResult, Suggestion
from trainables.metrics import course_metric

RULES_ATTRIBUTE = "early_stopping"
"""Where the Optuna study keeps the rule of early stopping."""
RUNG_PREFIX = "completed_rung_"
"""Begins the names under which Optuna's pruners note how a configuration did at a rung."""


class OptunaStudy:
    """The configurations of one study at one scale."""

    def __init__(
        self, study: ResolvedStudy, opened: OpenedStorage, *, sequence: PointSequence | None
    ) -> None:
        """Take a storage that is open (`open_optuna_study`).

        Args:
            study: the study file at one scale.
            opened: its storage.
            sequence: of its sampler; None of one that learns.
        """
        self.study = study
        self.path = opened.path
        self.sequence = sequence
        self.distributions = {
            path: [distribution_of(domain) for domain in domains]
            for path, domains in space.domains_by_path(study.space).items()
        }
        self.notices = opened.notices
        """What was odd about the storage, in sentences."""
        self._storage, self._optuna = opened.storage, opened.found
        self._cursor: SequenceCursor | None = None

    def asked(self) -> list[Suggestion]:
        """Return all configurations chosen so far, by number.

        A dead process may have left a configuration half chosen: the rest of it is chosen now, to
        the values that it would have had. Where the storage is outdated, the configuration stays
        half chosen, and a half is no point of the space.
        """
        outdated, same_course = self.outdated, self._same_course
        return [
            Suggestion(
                trial.number,
                dict(trial.params) if outdated else self._point(trial),
                _result_of(trial, same_course=same_course),
            )
            for trial in self._optuna.get_trials(deepcopy=False)
            if trial.state != TrialState.WAITING
        ]

    @property
    def _same_course(self) -> bool:
        """Whether the values on record by epoch are of what early stopping goes by today."""
        before, *_ = self._optuna.metric_names or self.study.search.objectives
        return course_metric(before) == course_metric(self.study.search.objectives[0])

    def _point(self, trial: FrozenTrial) -> Point:
        if trial.state == TrialState.RUNNING and not points.is_point_of(
            trial.params, self.study.space
        ):
            return self._choose(optuna.trial.Trial(self._optuna, trial._trial_id), trial.number)
        return dict(trial.params)

    def ask(self) -> Suggestion:
        """Choose the next configuration and put it on record.

        The configuration is a function of the study file, the sampler's seed and its number; for
        samplers that learn, also of what was told before. No point is
        chosen twice.
        """
        running = ConfigurationResult("running")
        if self.sequence is not None:
            if self._cursor is None:
                taken = [trial.params for trial in self._optuna.get_trials(deepcopy=False)]
                self._cursor = SequenceCursor(self.sequence, taken)
            number, point = self._cursor.next()
            self._optuna.add_trial(frozen_trial_of(point, self.study, running, {}))
            return Suggestion(number, point, running)
        asked = self._optuna.get_trials(deepcopy=False)
        untried = self._first_untried([trial.params for trial in asked])
        waiting = any(trial.state == TrialState.WAITING for trial in asked)
        if self._may_repeat and not waiting:
            point, notes = draw_new_point(self.study, self._optuna, first=untried)
            self._optuna.add_trial(frozen_trial_of(point, self.study, running, notes))
            return Suggestion(len(asked), point, running)
        if untried is not None and not waiting:
            self._optuna.enqueue_trial(untried)
        self._optuna.sampler = self._sampler(len(asked))
        trial = self._optuna.ask()
        return Suggestion(trial.number, self._choose(trial, trial.number), running)

    @cached_property
    def _may_repeat(self) -> bool:
        """Whether the sampler may choose a point that it chose before."""
        sampler = SAMPLERS[self.study.search.sampler]
        return sampler.repeats_points or points.may_repeat(self.study.space)

    def upcoming(self, count: int) -> list[Point]:
        """Return the next configurations without asking for them; none of a sampler that learns."""
        if self.sequence is None:
            return []
        taken = [trial.params for trial in self._optuna.get_trials(deepcopy=False)]
        cursor = SequenceCursor(self.sequence, taken)
        return [cursor.next()[1] for _ in range(count)]

    def _first_untried(self, asked: Sequence[Point]) -> Point | None:
        """Return the first enqueued point that was not tried yet; an old study may get new ones."""
        for point in self.study.enqueued():
            if not any(point.items() <= tried.items() for tried in asked):
                return point
        return None

    def _choose(self, trial: optuna.trial.Trial, number: int) -> Point:
        self._optuna.sampler = self._sampler(number)
        return points.walk_space(self.study.space, TrialChooser(trial))

    def _sampler(self, number: int) -> optuna.samplers.BaseSampler:
        if self.study.search.sampler != "cmaes":
            return build_sampler(self.study, number)
        return build_sampler(self.study, number, known=self._optuna.get_trials(deepcopy=False))

    def report(self, number: int, epoch: int, value: float) -> bool:
        """Report the mean at an epoch; return whether the configuration is to be stopped early."""
        trial = optuna.trial.Trial(self._optuna, self._id(number))
        trial.report(value, epoch)
        return bool(trial.should_prune())

    def tell(self, number: int, judgement: ConfigurationResult) -> None:
        """Record how a configuration ended. Called once, with a state other than running."""
        values = list(judgement.values) if judgement.state == "complete" else None
        trial_id = self._id(number)
        for name, value in known_attributes(judgement).items():  # no more once it has ended
            self._storage.set_trial_user_attr(trial_id, name, value)
        if judgement.constraints:
            trial = optuna.trial.Trial(self._optuna, trial_id)
            for name, excess in judgement.constraints.items():
                trial.set_constraint(name, excess)
        self._optuna.tell(number, values, state=OPTUNA_STATES[judgement.state])

    def _id(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._optuna._study_id, number)

    @property
    def outdated(self) -> bool:
        """Whether the storage was made for another space or other objectives."""
        return self._optuna.metric_names != list(self.study.search.objectives) or not all(
            self._fits(trial) for trial in self._optuna.get_trials(deepcopy=False)
        )

    def _fits(self, trial: FrozenTrial) -> bool:
        if points.is_point_of(trial.params, self.study.space):
            return bool(trial.distributions == distributions_of(trial.params, self.study))
        return all(
            distribution in self.distributions.get(path, ())
            for path, distribution in trial.distributions.items()
        )

    @property
    def rules_changed(self) -> bool:
        """Whether the configurations that were stopped early fell to another rule than today's."""
        rules = _stopping_rules(self.study)
        changed = self._optuna.user_attrs.get(RULES_ATTRIBUTE, rules) != rules
        return changed or not self._same_course

    def note_rules(self) -> None:
        """Remember by which rule configurations are stopped early from now on."""
        if self._optuna.user_attrs.get(RULES_ATTRIBUTE) != _stopping_rules(self.study):
            self._optuna.set_user_attr(RULES_ATTRIBUTE, _stopping_rules(self.study))

    def rebuild(self, configurations: Sequence[tuple[Point, ConfigurationResult]]) -> None:
        """Write the storage anew with these configurations, numbered in order, in one move.

        Needed where Optuna forbids the change: to judge a judged configuration again over more
        seeds, to add an alternative to a choice.
        """
        notes = self._notes()
        # NSGA-II breeds from whole generations: all that is known becomes its first.
        first = {GENERATION_ATTRIBUTE: 0} if self.study.search.sampler == "nsga2" else {}
        self._storage.remove_session()
        self._storage.engine.dispose()
        trials = [
            frozen_trial_of(
                point,
                self.study,
                judgement,
                {**notes.get(points.point_word(point), {}), **first},
            )
            for point, judgement in configurations
        ]
        fresh = self.path.with_suffix(".new")
        write_storage(
            fresh, optuna_name(self.study), trials, objectives=len(self.study.search.objectives)
        )
        os.replace(fresh, self.path)
        opened = open_optuna_storage(self.study, self.path)
        self._storage, self._optuna = opened.storage, opened.found
        self._cursor = None

    def _notes(self) -> dict[str, dict[str, Any]]:
        """Return by point what samplers and pruners have noted of it and what still holds.

        No note holds where the configuration's space has changed; the notes on rungs do not hold
        where the rule of early stopping has changed.
        """
        changed = self.rules_changed
        return {
            points.point_word(trial.params): {
                name: note
                for name, note in trial.system_attrs.items()
                if not (changed and name.startswith(RUNG_PREFIX))
            }
            for trial in self._optuna.get_trials(deepcopy=False)
            if points.is_point_of(trial.params, self.study.space)
            and trial.distributions == distributions_of(trial.params, self.study)
        }


def open_optuna_study(study: ResolvedStudy, file: Path) -> OptunaStudy:
    """Open the Optuna study of a study, or create it.

    Args:
        study: the study file at one scale.
        file: the storage, a SQLite file. A damaged one is set aside.

    Raises:
        SearchError: if that is not possible.
    """
    opened = open_whole_storage(study, file)
    return OptunaStudy(study, opened, sequence=build_sequence(study))


def _stopping_rules(study: ResolvedStudy) -> dict[str, Any] | None:
    rules = study.search.early_stopping
    return None if rules is None else asdict(rules)


def _result_of(trial: FrozenTrial, *, same_course: bool) -> ConfigurationResult:
    """Return how a configuration did, without a course of other values than today's."""
    result = result_of_trial(trial)
    return result if same_course else replace(result, intermediate={})
