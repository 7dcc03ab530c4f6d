"""Samplers that do not learn: configuration number n is a function of n."""

from collections.abc import Sequence
from typing import Protocol

import optuna

from study.file import points
from study.file.resolved import ResolvedStudy
from study.file.samplers import SAMPLERS
from study.file.space import NumberRange, Point, domains_by_path
from study.search.new_points import find_untried_point
from study.search.optuna_trials import TrialChooser
from study.search.samplers import build_sampler
from trainables.randomness import derive_seed

MOST_REPEATS = 100
"""Draws in a row that bring nothing new, after which an untried point is taken without a draw."""
DrawnValue = tuple[str, float]
"""A path and a value from its range of fractions, where two draws never meet."""


class SequenceCursor:
    """Goes along a sequence past the points that are taken: an extension begins with new ones.

    Where a range was changed the draws begin anew, and in ranges that stayed they choose what
    points of the former sequence have already: these draws are passed over too.
    """

    def __init__(self, sequence: "PointSequence", taken: Sequence[Point]) -> None:
        self.sequence = sequence
        self.taken = set(map(points.point_word, taken))
        self.foreign = sequence.foreign_values(taken)
        self.asked = len(taken)
        self.position = 0
        self.passes = len(taken)
        """How many draws may yet be passed over: a point has its values from one draw."""

    def next(self) -> tuple[int, Point]:
        """Return the number of the next configuration and the first point not taken."""
        while True:
            is_given = self.position < self.sequence.given
            point = self.sequence.point(self.position)
            self.position += 1
            if points.point_word(point) in self.taken:
                continue
            repeats = not self.foreign.isdisjoint(self.sequence.drawn_values(point))
            if repeats and not is_given and self.passes:
                self.passes -= 1
                continue
            self.asked += 1
            return self.asked - 1, point


class PointSequence(Protocol):
    """A sampler that does not learn: configuration number n is a function of n, and none recurs."""

    @property
    def given(self) -> int:
        """How many of the first points the study file gives."""
        ...

    def drawn_values(self, point: Point) -> set[DrawnValue]:
        """Return what a point has that two draws never have in common."""
        ...

    def foreign_values(self, taken: Sequence[Point]) -> set[DrawnValue]:
        """Return such values of the points that are taken and not the sequence's own."""
        ...

    def point(self, number: int) -> Point:
        """Return configuration `number`, counted from 0."""
        ...


class ListedSequence:
    """Points of which none is drawn."""

    given = 0

    def drawn_values(self, point: Point) -> set[DrawnValue]:
        """Return nothing."""
        del point
        return set()

    def foreign_values(self, taken: Sequence[Point]) -> set[DrawnValue]:
        """Return nothing."""
        del taken
        return set()


class GridSequence(ListedSequence):
    """All points of a space, in the order of the file."""

    def __init__(self, study: ResolvedStudy) -> None:
        self.space = study.space

    def point(self, number: int) -> Point:
        """Return configuration `number`, counted from 0."""
        return points.grid_point(self.space, number)


class DesignSequence(ListedSequence):
    """The points of an ablation, in the order of its design."""

    def __init__(self, study: ResolvedStudy) -> None:
        self.points = study.design

    def point(self, number: int) -> Point:
        """Return configuration `number`, counted from 0."""
        return dict(self.points[number])


class SampledSequence:
    """Draws of an Optuna sampler from an empty study: what happened elsewhere cannot matter.

    A draw that repeats an earlier one is passed over.
    """

    def __init__(self, study: ResolvedStudy, memory: optuna.Study) -> None:
        """Begin with no point drawn.

        Args:
            study: says which sampler, and with which seed.
            memory: an Optuna study in memory with no trials.
        """
        self.study = study
        self.enqueued = study.enqueued()
        self.points: list[Point] = []
        self.words: set[str] = set()
        self.draws = 0
        self.size = points.space_size(study.space)
        self.of_fractions = {
            path
            for path, domains in domains_by_path(study.space).items()
            if all(isinstance(d, NumberRange) and d.is_continuous for d in domains)
        }
        self.memory = memory
        if study.search.sampler == "qmc":
            self.memory.sampler = optuna.samplers.QMCSampler(
                scramble=True,
                seed=derive_seed(study.search.sampler_seed) % 2**32,
                warn_independent_sampling=False,
                warn_asynchronous_seeding=False,
            )

    @property
    def given(self) -> int:
        """How many of the first points the study file gives."""
        return len(self.enqueued)

    def drawn_values(self, point: Point) -> set[DrawnValue]:
        """Return what a point has that two draws never have in common."""
        return {(path, point[path]) for path in self.of_fractions & point.keys()}

    def foreign_values(self, taken: Sequence[Point]) -> set[DrawnValue]:
        """Return such values of the points that are taken and not the sequence's own."""
        if not self.of_fractions:  # and the space may be finite
            return set()
        own = {points.point_word(self.point(n)) for n in range(self.given + len(taken))}
        foreign = (point for point in taken if points.point_word(point) not in own)
        return set[DrawnValue]().union(*map(self.drawn_values, foreign))

    def point(self, number: int) -> Point:
        """Return configuration `number`, counted from 0."""
        while len(self.points) <= number:
            point = self._new_point()
            self.points.append(point)
            self.words.add(points.point_word(point))
        return self.points[number]

    def _new_point(self) -> Point:
        assert self.size is None or len(self.points) < self.size, "the space is used up"
        repeats = 0
        while self.size is None or repeats < MOST_REPEATS:
            point = self._draw(self.draws)
            self.draws += 1
            if points.point_word(point) not in self.words:
                return point
            repeats += 1
        seed = derive_seed(self.study.search.sampler_seed, len(self.points))
        return find_untried_point(self.study.space, self.words, seed)

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
    if SAMPLERS[study.search.sampler].learns:
        return None
    if study.design:
        return DesignSequence(study)
    if study.search.sampler == "grid":
        return GridSequence(study)
    return SampledSequence(study, optuna.create_study())
