"""The keys by which a study says how much evidence it needs, and what that may cost."""

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from annotated_types import Gt, Le, MinLen
from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from trainables import metrics
from trainables.settings import Count, NonNegative, settings

if TYPE_CHECKING:
    BoundedMetric = str
else:
    BoundedMetric = Literal[tuple(dict.fromkeys((*metrics.OBJECTIVES, *metrics.COSTS)))]

DURATION = r"^[0-9]+(\.[0-9]+)?(min|h|d)$"
HOURS_PER_UNIT = {"min": 1 / 60, "h": 1.0, "d": 24.0}
LONGEST_HOURS = 1_000_000.0


def parse_hours(value: Any) -> Any:
    """Return hours for `8h`, `90min` or `2d`; a number is hours already.

    Raises:
        ValueError: for another text.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"must be hours, as in 8, 8h, 90min or 2d, but got `{value}`")
    if isinstance(value, int | float):
        return value
    if not re.match(DURATION, value):
        raise ValueError(f"must be hours, as in 8, 8h, 90min or 2d, but got `{value}`")
    number, unit = re.split(r"(?=[a-z])", value, maxsplit=1)
    return float(number) * HOURS_PER_UNIT[unit]


Hours = Annotated[
    float,
    BeforeValidator(parse_hours),
    Gt(0),
    Le(LONGEST_HOURS),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0},
                {"type": "string", "pattern": DURATION},
            ]
        }
    ),
]
"""A number above 0, or a text such as ``8h``, ``90min`` or ``2d``."""


@settings
class RaceReference:
    """The configuration that all others are compared with."""

    against: Annotated[dict[str, Any], MinLen(1)]
    """Searched path from `trial` → value."""


@settings
class SeedRace:
    """Seeds by evidence: configurations that are decided get no more."""

    first: Annotated[int, Field(strict=True, ge=2, le=1000)] | None = None
    """Seeds that every configuration gets, from 2; null means the first look, or 3."""
    most: Annotated[int, Field(strict=True, ge=2, le=1000)] | None = None
    """Seeds at which the race ends undecided, at most 1,000; null means the last look, or 15."""
    looks: Annotated[tuple[Count, ...], MinLen(1)] | None = None
    """Numbers of seeds at which it is decided who goes on, rising from `first` to `most`; null
    means half as many seeds again at each look."""
    decide: Literal["best"] | RaceReference = "best"
    """`best` finds the best configuration; {against: {path: value}} compares all with one."""
    margin: NonNegative = 0.0
    """Points of the objective within which two configurations count as equivalent, at least 0."""

    @model_validator(mode="after")
    def _check_looks(self) -> Self:
        looks, schedule = self.looks, self.schedule
        if looks is not None:
            if list(looks) != sorted(set(looks)):
                raise ValueError(f"`looks` must rise, but got {list(looks)}")
            if self.first not in (None, looks[0]):
                raise ValueError(
                    f"`first` must be the first look, {looks[0]}, but got {self.first}"
                )
            if self.most not in (None, looks[-1]):
                raise ValueError(f"`most` must be the last look, {looks[-1]}, but got {self.most}")
        if schedule[0] < 2 or schedule[-1] > 1000:
            raise ValueError(f"`looks` must be from 2 to 1,000 seeds, but got {list(schedule)}")
        if looks is None and self._first > self._most:
            raise ValueError(f"`first` must be at most `most`, {self._most}, but got {self._first}")
        return self

    @property
    def _first(self) -> int:
        return 3 if self.first is None else self.first

    @property
    def _most(self) -> int:
        return 15 if self.most is None else self.most

    @property
    def schedule(self) -> tuple[int, ...]:
        """The numbers of seeds at which it is decided who goes on."""
        if self.looks is not None:
            return self.looks
        looks = [self._first]
        while looks[-1] < self._most:
            looks.append(min(self._most, looks[-1] + (looks[-1] + 1) // 2))
        return tuple(looks)


@settings
class MetricBound:
    """A bound on what a configuration measures, in the mean over its seeds."""

    metric: BoundedMetric
    """An objective or a cost, in the last epoch (or the best, where it says so)."""
    at_most: Annotated[float, Field(strict=True)] | None = None
    """The largest mean that is feasible."""
    at_least: Annotated[float, Field(strict=True)] | None = None
    """The smallest mean that is feasible."""

    @model_validator(mode="after")
    def _check_single(self) -> Self:
        if (self.at_most is None) == (self.at_least is None):
            raise ValueError("needs one of at_most and at_least")
        return self

    @property
    def label(self) -> str:
        """What tells the bound from others: the metric and the side."""
        return f"{self.metric} {'at least' if self.at_most is None else 'at most'}"

    def __str__(self) -> str:
        """Return the bound as people say it: ``epoch_seconds at most 2``."""
        bound = self.at_least if self.at_most is None else self.at_most
        return f"{self.label} {bound:g}"

    def excess(self, mean: float) -> float:
        """Return by how much a mean violates the bound; at most 0 where the mean is feasible."""
        return mean - self.at_most if self.at_most is not None else (self.at_least or 0.0) - mean


@settings
class SearchUntil:
    """A search that may end before its last configuration."""

    most: Annotated[int, Field(strict=True, ge=1, le=2000)]
    """Configurations that are tried at most, up to 2,000."""
    until: Literal["settled"] = "settled"
    """`settled`: the search ends, from 20 configurations on, once an upper bound on what the
    objective may still gain is below the standard error of a mean over seeds."""


@settings
class LaunchBudget:
    """What a launch may spend; it ends cleanly within that, and the same command goes on."""

    hours: Hours | None = None
    """Hours from the start of the launch, above 0; also as `8h`, `90min` or `2d`."""
    gpu_hours: Hours | None = None
    """Hours of whole GPUs, summed over trials by their shares, above 0."""
    trials: Count | None = None
    """Trials that are begun."""
    failures: Count | None = None
    """Trials that fail for good before the launch gives up; until one has succeeded, each failed
    attempt counts."""

    @model_validator(mode="after")
    def _refuse_a_budget_of_nothing(self) -> Self:
        if (self.hours, self.gpu_hours, self.trials, self.failures) == (None,) * 4:
            raise ValueError("needs one of hours, gpu_hours, trials or failures")
        return self


@settings
class AblationPlan:
    """Which parts of a method matter: configurations between two, by the parts they share."""

    start: dict[str, Any] = Field(alias="from")
    """What every part is at first: path from `trial` → value; with `one_out` also a list of
    alternatives, each of which is compared with the part."""
    to: Annotated[dict[str, Any], MinLen(1)]
    """What the parts become: path from `trial` → value."""
    parts: Annotated[tuple[str, ...], MinLen(1)]
    """Paths that are changed each on its own."""
    design: Literal["one_out", "one_in", "path", "factorial", "fraction"] = "one_out"
    """Which combinations are trained: each part left out of `to`, each put into `from`, one after
    the other, all, or a balanced fraction of all."""

    @model_validator(mode="after")
    def _check_parts(self) -> Self:
        if len(set(self.parts)) < len(self.parts):
            raise ValueError(f"`parts` must be distinct, but got {list(self.parts)}")
        return self
