"""Optuna's samplers and pruners, as a study file asks for them."""

from collections.abc import Sequence

import optuna
from optuna.distributions import (
    CategoricalDistribution,
)
from optuna.trial import FrozenTrial, TrialState

from study.file.resolved import ResolvedStudy
from study.file.settings import Asha, Hyperband, Median
from trainables.randomness import derive_seed

FEWEST_SOURCES = 10
"""Configurations that CMA-ES needs to start from what is known: it takes the best tenth."""
GENERATION_ATTRIBUTE = getattr(
    optuna.samplers.NSGAIISampler, "_get_generation_key", lambda: "NSGAIISampler:generation"
)()
"""Where NSGA-II notes a configuration's generation."""


def build_sampler(
    study: ResolvedStudy, number: int, *, attempt: int = 0, known: Sequence[FrozenTrial] = ()
) -> optuna.samplers.BaseSampler:
    """Return the sampler for one configuration, seeded by its number.

    One sampler for all configurations would draw otherwise after a restart. CMA-ES starts from the
    configurations that are known before its first generation, those of a narrower space for
    example, if there are enough of them.

    Args:
        study: says which sampler.
        number: of the configuration, counted from 0.
        attempt: counted from 0; another one draws otherwise.
        known: all configurations so far, for CMA-ES.
    """
    again = (attempt,) if attempt else ()
    seed = derive_seed(study.search.sampler_seed, number, *again) % 2**32
    match study.search.sampler:
        case "tpe":
            return optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True)
        case "gp":
            return optuna.samplers.GPSampler(seed=seed, warn_independent_sampling=False)
        case "cmaes":
            return optuna.samplers.CmaEsSampler(
                seed=seed, warn_independent_sampling=False, source_trials=_warm_start_trials(known)
            )
        case "nsga2":
            return optuna.samplers.NSGAIISampler(seed=seed)
        case "random":
            return optuna.samplers.RandomSampler(seed=seed)
    raise AssertionError(study.search.sampler)


def build_pruner(study: ResolvedStudy) -> optuna.pruners.BasePruner:
    """Return the rule by which configurations are stopped early."""
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


def _warm_start_trials(known: Sequence[FrozenTrial]) -> list[FrozenTrial] | None:
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
