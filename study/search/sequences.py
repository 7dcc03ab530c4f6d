"""Samplers that do not learn: configuration number n is a function of n."""

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

import optuna

from study.file import points
from study.file.resolved import ResolvedStudy
from study.file.settings import LEARNING_SAMPLERS
from study.file.space import Point
from study.search.optuna_trials import TrialChooser
from study.search.samplers import build_sampler
from trainables.randomness import derive_seed


class SequenceCursor:
    """Goes along a sequence past the points that are taken.

    Without an extension of the study the points taken are the first ones, and it simply counts.
    """

    def __init__(self, sequence: "PointSequence", taken: Sequence[Point]) -> None:
        self.sequence = sequence
        self.left = Counter(map(points.point_word, taken))
        self.asked = len(taken)
        self.position = 0

    def next(self) -> tuple[int, Point]:
        """Return the number of the next configuration and the first point not taken."""
        while True:
            point = self.sequence.point(self.position)
            self.position += 1
            if not self.left[points.point_word(point)]:
                self.asked += 1
                return self.asked - 1, point
            self.left[points.point_word(point)] -= 1


class PointSequence(Protocol):
    """A sampler that does not learn: configuration number n is a function of n."""

    def point(self, number: int) -> Point:
        """Return configuration `number`, counted from 0."""
        ...


class GridSequence:
    """All points of a space, in the order of the file."""

    def __init__(self, study: ResolvedStudy) -> None:
        self.space = study.space

    def point(self, number: int) -> Point:
        """Return configuration `number`, counted from 0."""
        return points.grid_point(self.space, number)


class SampledSequence:
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
        """Return configuration `number`, counted from 0."""
        while len(self.points) <= number:
            self.points.append(self._draw(len(self.points)))
        return self.points[number]

    def _draw(self, number: int) -> Point:
        if self.study.search.sampler == "random":
            self.memory.sampler = build_sampler(self.study, number)
        if number < len(self.enqueued):
            self.memory.enqueue_trial(self.enqueued[number])
        trial = self.memory.ask()
        point = points.walk_space(self.study.space, TrialChooser(trial))
        self.memory.tell(trial, 0.0)
        return point


def build_sequence(study: ResolvedStudy) -> PointSequence | None:
    """Return the sequence of a sampler that does not learn, or None of one that does."""
    if study.search.sampler in LEARNING_SAMPLERS:
        return None
    return GridSequence(study) if study.search.sampler == "grid" else SampledSequence(study)
