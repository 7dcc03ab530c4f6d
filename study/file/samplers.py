"""The samplers of Optuna's that a study file may name, and what each can do.

A sampler is one name with its description: what a study file may ask of it and how the search goes
about it follow from the description. How Optuna builds a sampler stands in `study.search.samplers`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, kw_only=True)
class SamplerDescription:
    """What a sampler can do. As long as nothing is said, the least is taken for granted."""

    learns: bool = True
    """Whether its next configuration depends on the results so far."""
    heeds_constraints: bool = False
    """Whether its choice heeds `search.constraints`; of no meaning where it does not learn."""
    takes_several_objectives: bool = False
    """Whether it can minimise several objectives."""
    repeats_points: bool = True
    """Whether it repeats points of ranges too: at their ends, or as copies of parents."""


SAMPLERS: Mapping[str, SamplerDescription] = MappingProxyType(
    {
        "tpe": SamplerDescription(
            heeds_constraints=True, takes_several_objectives=True, repeats_points=False
        ),
        "gp": SamplerDescription(heeds_constraints=True, takes_several_objectives=True),
        "cmaes": SamplerDescription(repeats_points=False),
        "random": SamplerDescription(
            learns=False, takes_several_objectives=True, repeats_points=False
        ),
        "qmc": SamplerDescription(
            learns=False, takes_several_objectives=True, repeats_points=False
        ),
        "grid": SamplerDescription(
            learns=False, takes_several_objectives=True, repeats_points=False
        ),
        "nsga2": SamplerDescription(heeds_constraints=True, takes_several_objectives=True),
    }
)
"""Each sampler's name, as a study file writes it → what it can do."""
SAMPLER_NAMES = tuple(SAMPLERS)
LEARNING_SAMPLERS = tuple(name for name, each in SAMPLERS.items() if each.learns)
NOT_LEARNING_SAMPLERS = tuple(name for name, each in SAMPLERS.items() if not each.learns)
CONSTRAINED_SAMPLERS = tuple(name for name in LEARNING_SAMPLERS if SAMPLERS[name].heeds_constraints)
"""Learning samplers that heed constraints."""
