"""Configurations as Optuna's trials, and back."""

import math
import warnings
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState, create_trial

from study.file import points
from study.file.resolved import ResolvedStudy
from study.file.space import Choice, Domain, Point
from study.trials import ConfigurationResult, ResultState

optuna.logging.set_verbosity(optuna.logging.WARNING)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
# The loss of a trial that diverged is infinite, which the Gaussian process takes for the largest.
warnings.filterwarnings("ignore", message="Clip non-finite values")

OPTUNA_STATES: dict[ResultState, TrialState] = {
    "running": TrialState.RUNNING,
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}
CONSTRAINTS_PREFIX = "constraints"
"""Begins the names under which Optuna keeps by how much a trial violates each constraint."""


class TrialChooser:
    """Lets an Optuna trial choose the values of a walk."""

    def __init__(self, trial: optuna.trial.Trial) -> None:
        self.trial = trial

    def __call__(self, path: str, domain: Domain) -> Any:
        """Return the value that the trial chooses."""
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


def frozen_trial_of(
    point: Point, study: ResolvedStudy, judgement: ConfigurationResult, notes: Mapping[str, Any]
) -> FrozenTrial:
    """Return a configuration as a trial of Optuna's, with the notes of samplers and pruners."""
    complete = judgement.state == "complete"
    return create_trial(
        state=OPTUNA_STATES[judgement.state],
        values=list(judgement.values) if complete else None,
        params=point,
        distributions=distributions_of(point, study),
        intermediate_values=dict(judgement.intermediate),
        system_attrs={
            name: note for name, note in notes.items() if not name.startswith(CONSTRAINTS_PREFIX)
        },
        constraints=dict(judgement.constraints),
        user_attrs=known_attributes(judgement),
    )


def known_attributes(judgement: ConfigurationResult) -> dict[str, Any]:
    """Return the user attributes of a configuration's trial: those that have a value."""
    return {name: value for name, value in judgement.attributes.items() if value is not None}


def distributions_of(point: Point, study: ResolvedStudy) -> dict[str, BaseDistribution]:
    """Return the Optuna distribution of each path of a point that belongs to the space."""
    found: dict[str, BaseDistribution] = {}

    def note(path: str, domain: Domain) -> Any:
        found[path] = distribution_of(domain)
        return point[path]

    points.walk_space(study.space, note)
    return found


def distribution_of(domain: Domain) -> BaseDistribution:
    """Return a domain as Optuna writes it."""
    if isinstance(domain, Choice):
        return CategoricalDistribution(domain.labels)
    if domain.integer:
        step = int(domain.step or 1)
        return IntDistribution(int(domain.low), int(domain.last), log=domain.log, step=step)
    return FloatDistribution(domain.low, domain.last, log=domain.log, step=domain.step)


def result_of_trial(trial: FrozenTrial) -> ConfigurationResult:
    """Return how a configuration did by its Optuna trial."""
    states = {optuna_state: state for state, optuna_state in OPTUNA_STATES.items()}
    return ConfigurationResult(
        states[trial.state],
        tuple(trial.values or ()),
        {step: value for step, value in trial.intermediate_values.items() if math.isfinite(value)},
        dict(trial.constraints),
        dict(trial.user_attrs),
    )
