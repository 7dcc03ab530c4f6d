"""Points that a study has not chosen before."""

import random
from collections.abc import Container, Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from study.file import points
from study.file.resolved import ResolvedStudy
from study.file.space import Point, Space
from study.search.optuna_trials import TrialChooser
from study.search.samplers import build_sampler
from trainables.randomness import derive_seed

MOST_ATTEMPTS = 5
"""Draws that bring nothing new, after which an untried point is taken without the sampler."""


def draw_new_point(
    study: ResolvedStudy, search: optuna.Study, *, first: Point | None
) -> tuple[Point, dict[str, Any]]:
    """Return a point that was not chosen before, and what the sampler has noted of it.

    It is drawn in memory, where a draw that brings nothing new leaves no trace.

    Args:
        study: whose space and sampler it is.
        search: holds the configurations so far, none of them waiting.
        first: a point to try first, perhaps incomplete.
    """
    asked = search.get_trials(deepcopy=False)
    tried = {points.point_word(trial.params) for trial in asked}
    for attempt in range(MOST_ATTEMPTS):
        sampler = build_sampler(study, len(asked), attempt=attempt, known=asked)
        trial = _draw_in_memory(study, search, sampler, asked, first)
        if points.point_word(trial.params) not in tried:
            return dict(trial.params), dict(trial.system_attrs)
    seed = derive_seed(study.search.sampler_seed, len(asked), MOST_ATTEMPTS)
    if points.space_size(study.space) is not None:
        return find_untried_point(study.space, tried, seed), {}
    sampler = optuna.samplers.RandomSampler(seed=seed % 2**32)
    while points.point_word(trial.params) in tried:
        trial = _draw_in_memory(study, search, sampler, (), None)
    return dict(trial.params), {}


def _draw_in_memory(
    study: ResolvedStudy,
    search: optuna.Study,
    sampler: optuna.samplers.BaseSampler,
    asked: Sequence[FrozenTrial],
    first: Point | None,
) -> FrozenTrial:
    memory = optuna.create_study(
        study_name=search.study_name,  # HyperBand's brackets follow from it
        directions=search.directions,
        sampler=sampler,
        pruner=search.pruner,
    )
    memory.add_trials(asked)
    if first is not None:
        memory.enqueue_trial(first)
    point = points.walk_space(study.space, TrialChooser(memory.ask()))
    trial = memory.get_trials(deepcopy=False)[-1]
    trial.params = point
    return trial


def find_untried_point(space: Space, tried: Container[str], seed: int) -> Point:
    """Return the first untried point of a finite space from one on that the seed chooses.

    Args:
        space: a space without ranges of fractions, not yet used up.
        tried: the words of the points that are tried (`points.point_word`).
        seed: decides where to begin.
    """
    size = points.grid_size(space)
    begin = random.Random(seed).randrange(size)
    for offset in range(size):
        point = points.grid_point(space, (begin + offset) % size)
        if points.point_word(point) not in tried:
            return point
    raise AssertionError("the space is used up")
