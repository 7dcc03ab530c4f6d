"""The search, in Optuna: which configuration is next, and how each was judged.

Optuna's trials are configurations. They lie in a storage of their own, one Optuna study per study
and scale, which Optuna's dashboard opens as it is. Optuna is imported here and nowhere else.
"""

import math
import os
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.exceptions import StorageInternalError
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy.exc import SQLAlchemyError

from study import space
from study.file import LEARNING_SAMPLERS, Asha, Hyperband, Median, ResolvedStudy
from study.model import Asked, Judgement, JudgementState
from study.space import Choice, Domain, Point
from trainables.randomness import derive_seed

optuna.logging.set_verbosity(optuna.logging.WARNING)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)

RULES = "early_stopping"
"""Where the Optuna study keeps the rule of early stopping."""
RUNG = "completed_rung_"
"""Begins the names under which Optuna's pruners note how a configuration did at a rung."""
GENERATION = optuna.samplers.NSGAIISampler._get_generation_key()
"""Where NSGA-II notes a configuration's generation."""
FEWEST_SOURCES = 10
"""Configurations that CMA-ES needs to start from what is known: it takes the best tenth."""

STATES: dict[JudgementState, TrialState] = {
    "running": TrialState.RUNNING,
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}


class SearchError(Exception):
    """Optuna's storage cannot be used; nothing was started."""


class Search:
    """The configurations of one study at one scale."""

    def __init__(self, study: ResolvedStudy, storage: Path) -> None:
        """Open the storage, a SQLite file, or create it.

        Raises:
            SearchError: if that is not possible.
        """
        self.study = study
        self.path = storage
        self.name = f"{study.name}-{study.scale}"
        self.sequence = _sequence(study)
        self.distributions = {
            path: [_distribution(domain) for domain in domains]
            for path, domains in space.domains(study.space).items()
        }
        try:
            self._open()
        except (StorageInternalError, SQLAlchemyError) as error:
            reason = str(error).splitlines()[0]
            raise SearchError(f"cannot use Optuna's storage {storage}: {reason}") from error

    def _open(self) -> None:
        self._storage = optuna.storages.RDBStorage(_url(self.path))
        self._optuna = optuna.create_study(
            study_name=self.name,
            storage=self._storage,
            directions=["minimize"] * len(self.study.search.objectives),
            pruner=_pruner(self.study),
            load_if_exists=True,
        )
        if not self._optuna.metric_names:
            self._optuna.set_metric_names(list(self.study.search.objectives))
        self._cursor: _Cursor | None = None

    def asked(self) -> list[Asked]:
        """Return all configurations chosen so far, by number.

        One that a dead process left half chosen is chosen to the end, as it would have been. Where
        the storage is outdated it stays half, which is no point of the space.
        """
        outdated = self.outdated
        return [
            Asked(
                trial.number,
                dict(trial.params) if outdated else self._point(trial),
                _judgement(trial),
            )
            for trial in self._optuna.get_trials(deepcopy=False)
            if trial.state != TrialState.WAITING
        ]

    def _point(self, trial: FrozenTrial) -> Point:
        if trial.state == TrialState.RUNNING and not space.belongs(trial.params, self.study.space):
            return self._choose(optuna.trial.Trial(self._optuna, trial._trial_id), trial.number)
        return dict(trial.params)

    def ask(self) -> Asked:
        """Choose the next configuration and put it on record.

        For samplers that do not learn it is a function of the study file, the sampler's seed and
        its number; for the others, also of what was told before.
        """
        running = Judgement("running")
        if self.sequence is not None:
            if self._cursor is None:
                taken = [trial.params for trial in self._optuna.get_trials(deepcopy=False)]
                self._cursor = _Cursor(self.sequence, taken)
            number, point = self._cursor.next()
            self._optuna.add_trial(_trial(point, self.study, running, {}))
            return Asked(number, point, running)
        asked = self._optuna.get_trials(deepcopy=False)
        untried = self._first_untried([trial.params for trial in asked])
        if untried is not None and all(trial.state != TrialState.WAITING for trial in asked):
            self._optuna.enqueue_trial(untried)
        self._optuna.sampler = self._sampler(len(asked))
        trial = self._optuna.ask()
        return Asked(trial.number, self._choose(trial, trial.number), running)

    def upcoming(self, count: int) -> list[Point]:
        """Return the next configurations, as far as the sampler does not learn, asking for none."""
        if self.sequence is None:
            return []
        taken = [trial.params for trial in self._optuna.get_trials(deepcopy=False)]
        cursor = _Cursor(self.sequence, taken)
        return [cursor.next()[1] for _ in range(count)]

    def _first_untried(self, asked: Sequence[Point]) -> Point | None:
        """Return the first enqueued point, perhaps a new one of an old study, not tried yet."""
        for point in self.study.enqueued():
            if not any(point.items() <= tried.items() for tried in asked):
                return point
        return None

    def _choose(self, trial: optuna.trial.Trial, number: int) -> Point:
        self._optuna.sampler = self._sampler(number)
        return space.walk(self.study.space, _Suggestion(trial))

    def _sampler(self, number: int) -> optuna.samplers.BaseSampler:
        if self.study.search.sampler != "cmaes":
            return _sampler(self.study, number)
        return _sampler(self.study, number, known=self._optuna.get_trials(deepcopy=False))

    def report(self, number: int, epoch: int, value: float) -> bool:
        """Report the mean at an epoch; return whether the configuration is to be stopped early."""
        trial = optuna.trial.Trial(self._optuna, self._id(number))
        trial.report(value, epoch)
        return bool(trial.should_prune())

    def tell(self, number: int, judgement: Judgement) -> None:
        """Record how a configuration ended; a state other than running, told once."""
        values = list(judgement.values) if judgement.state == "complete" else None
        self._optuna.tell(number, values, state=STATES[judgement.state])

    def _id(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._optuna._study_id, number)

    @property
    def outdated(self) -> bool:
        """Whether the storage was made for another space or other objectives."""
        return self._optuna.metric_names != list(self.study.search.objectives) or not all(
            self._fits(trial) for trial in self._optuna.get_trials(deepcopy=False)
        )

    def _fits(self, trial: FrozenTrial) -> bool:
        if space.belongs(trial.params, self.study.space):
            return bool(trial.distributions == _distributions(trial.params, self.study))
        return all(
            distribution in self.distributions.get(path, ())
            for path, distribution in trial.distributions.items()
        )

    @property
    def rules_changed(self) -> bool:
        """Whether the configurations that were stopped early fell to another rule than today's."""
        return self._optuna.user_attrs.get(RULES, _rules(self.study)) != _rules(self.study)

    def note_rules(self) -> None:
        """Remember by which rule configurations are stopped early from now on."""
        if self._optuna.user_attrs.get(RULES) != _rules(self.study):
            self._optuna.set_user_attr(RULES, _rules(self.study))

    def rebuild(self, configurations: Sequence[tuple[Point, Judgement]]) -> None:
        """Write the storage anew with these configurations, numbered in order, in one move.

        Needed where Optuna's own rules forbid the change: a judged configuration that is judged
        again over more seeds, a choice that has a new alternative.
        """
        notes = self._notes()
        # NSGA-II breeds from generations that were whole: it begins anew, with all that is known.
        first = {GENERATION: 0} if self.study.search.sampler == "nsga2" else {}
        self._storage.remove_session()
        self._storage.engine.dispose()
        fresh = self.path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        storage = optuna.storages.RDBStorage(_url(fresh))
        study = optuna.create_study(
            study_name=self.name,
            storage=storage,
            directions=["minimize"] * len(self.study.search.objectives),
        )
        study.add_trials(
            [
                _trial(point, self.study, judgement, {**notes.get(space.word(point), {}), **first})
                for point, judgement in configurations
            ]
        )
        storage.remove_session()
        storage.engine.dispose()
        os.replace(fresh, self.path)
        self._open()

    def _notes(self) -> dict[str, dict[str, Any]]:
        """Return by point what samplers and pruners have noted of it, where that still holds.

        It does not where the configuration's space has changed, nor, for the rungs of early
        stopping, where the rule has.
        """
        changed = self.rules_changed
        return {
            space.word(trial.params): {
                name: note
                for name, note in trial.system_attrs.items()
                if not (changed and name.startswith(RUNG))
            }
            for trial in self._optuna.get_trials(deepcopy=False)
            if space.belongs(trial.params, self.study.space)
            and trial.distributions == _distributions(trial.params, self.study)
        }


class _Cursor:
    """Goes along a sequence past the points that are taken.

    Without an extension of the study the points taken are the first ones, and it simply counts.
    """

    def __init__(self, sequence: "Sampler", taken: Sequence[Point]) -> None:
        self.sequence = sequence
        self.left = Counter(map(space.word, taken))
        self.asked = len(taken)
        self.position = 0

    def next(self) -> tuple[int, Point]:
        """Return the number of the next configuration and the first point not taken."""
        while True:
            point = self.sequence.point(self.position)
            self.position += 1
            if not self.left[space.word(point)]:
                self.asked += 1
                return self.asked - 1, point
            self.left[space.word(point)] -= 1


class Sampler(Protocol):
    """A sampler that does not learn: configuration number n is a function of n."""

    def point(self, number: int) -> Point:
        """Return configuration `number`, counted from 0."""
        ...


class _Grid:
    def __init__(self, study: ResolvedStudy) -> None:
        self.space = study.space

    def point(self, number: int) -> Point:
        return space.grid_point(self.space, number)


class _Sequence:
    """Draws of an Optuna sampler from an empty study: what happened elsewhere cannot matter."""

    def __init__(self, study: ResolvedStudy) -> None:
        self.study = study
        self.enqueued = study.enqueued()
        self.points: list[Point] = []
        self.memory = optuna.create_study()
        if study.search.sampler == "qmc":
            self.memory.sampler = optuna.samplers.QMCSampler(
                scramble=True,
                seed=derive_seed(study.search.sampler_seed) % 2**32,
                warn_independent_sampling=False,
                warn_asynchronous_seeding=False,
            )

    def point(self, number: int) -> Point:
        while len(self.points) <= number:
            self.points.append(self._draw(len(self.points)))
        return self.points[number]

    def _draw(self, number: int) -> Point:
        if self.study.search.sampler == "random":
            self.memory.sampler = _sampler(self.study, number)
        if number < len(self.enqueued):
            self.memory.enqueue_trial(self.enqueued[number])
        trial = self.memory.ask()
        point = space.walk(self.study.space, _Suggestion(trial))
        self.memory.tell(trial, 0.0)
        return point


def _sequence(study: ResolvedStudy) -> Sampler | None:
    if study.search.sampler in LEARNING_SAMPLERS:
        return None
    return _Grid(study) if study.search.sampler == "grid" else _Sequence(study)


class _Suggestion:
    """Lets an Optuna trial choose the values of a walk."""

    def __init__(self, trial: optuna.trial.Trial) -> None:
        self.trial = trial

    def __call__(self, path: str, domain: Domain) -> Any:
        if isinstance(domain, Choice):
            return self.trial.suggest_categorical(path, domain.labels)
        if domain.integer:
            step = int(domain.step or 1)
            return self.trial.suggest_int(
                path, int(domain.low), int(domain.last), step=step, log=domain.log
            )
        return self.trial.suggest_float(
            path, domain.low, domain.last, step=domain.step, log=domain.log
        )


def _sampler(
    study: ResolvedStudy, number: int, *, known: Sequence[FrozenTrial] = ()
) -> optuna.samplers.BaseSampler:
    """Return the sampler for one configuration, seeded by its number.

    A sampler that lives on would draw otherwise after a restart than without one. CMA-ES starts
    from the configurations known before its first generation, if they are enough: those of a
    narrower space, for example.
    """
    seed = derive_seed(study.search.sampler_seed, number) % 2**32
    match study.search.sampler:
        case "tpe":
            return optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True)
        case "gp":
            return optuna.samplers.GPSampler(seed=seed, warn_independent_sampling=False)
        case "cmaes":
            return optuna.samplers.CmaEsSampler(
                seed=seed, warn_independent_sampling=False, source_trials=_sources(known)
            )
        case "nsga2":
            return optuna.samplers.NSGAIISampler(seed=seed)
        case "random":
            return optuna.samplers.RandomSampler(seed=seed)
    raise AssertionError(study.search.sampler)


def _pruner(study: ResolvedStudy) -> optuna.pruners.BasePruner:
    match study.search.early_stopping:
        case None:
            return optuna.pruners.NopPruner()
        case Asha() as asha:
            return optuna.pruners.SuccessiveHalvingPruner(
                min_resource=asha.grace_period, reduction_factor=asha.reduction_factor
            )
        case Median() as median:
            return optuna.pruners.MedianPruner(
                n_startup_trials=median.startup_configurations,
                n_warmup_steps=median.grace_period,
            )
        case Hyperband() as hyperband:
            return optuna.pruners.HyperbandPruner(
                min_resource=hyperband.grace_period,
                max_resource=max(c.training.epochs for c in study.extremes()),
                reduction_factor=hyperband.reduction_factor,
            )


def _sources(known: Sequence[FrozenTrial]) -> list[FrozenTrial] | None:
    """Return the complete configurations that CMA-ES knows nothing of, or None for too few.

    Nor can it start from configurations with choices (Optuna 5.0).
    """
    sources = [
        trial
        for trial in known
        if trial.state == TrialState.COMPLETE
        and not any(name.startswith("cma:") for name in trial.system_attrs)
        and not any(isinstance(d, CategoricalDistribution) for d in trial.distributions.values())
    ]
    return sources if len(sources) >= FEWEST_SOURCES else None


def _trial(
    point: Point, study: ResolvedStudy, judgement: Judgement, notes: Mapping[str, Any]
) -> FrozenTrial:
    complete = judgement.state == "complete"
    return create_trial(
        state=STATES[judgement.state],
        values=list(judgement.values) if complete else None,
        params=point,
        distributions=_distributions(point, study),
        intermediate_values=dict(judgement.intermediate),
        system_attrs=dict(notes),
    )


def _distributions(point: Point, study: ResolvedStudy) -> dict[str, BaseDistribution]:
    """Return the Optuna distribution of each path of a point that belongs to the space."""
    found: dict[str, BaseDistribution] = {}

    def note(path: str, domain: Domain) -> Any:
        found[path] = _distribution(domain)
        return point[path]

    space.walk(study.space, note)
    return found


def _rules(study: ResolvedStudy) -> dict[str, Any] | None:
    rules = study.search.early_stopping
    return None if rules is None else asdict(rules)


def _distribution(domain: Domain) -> BaseDistribution:
    if isinstance(domain, Choice):
        return CategoricalDistribution(domain.labels)
    if domain.integer:
        step = int(domain.step or 1)
        return IntDistribution(int(domain.low), int(domain.last), log=domain.log, step=step)
    return FloatDistribution(domain.low, domain.last, log=domain.log, step=domain.step)


def _judgement(trial: FrozenTrial) -> Judgement:
    states = {optuna_state: state for state, optuna_state in STATES.items()}
    return Judgement(
        states[trial.state],
        tuple(trial.values or ()),
        {step: value for step, value in trial.intermediate_values.items() if math.isfinite(value)},
    )


def _url(path: Path) -> str:
    return f"sqlite:///{path}"
