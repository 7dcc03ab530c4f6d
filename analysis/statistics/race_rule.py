"""The rule of a race over seeds, checked; what it means stands in `racing`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from analysis.statistics.pairs import RESOLUTION, Floats, resolution_of
from analysis.statistics.spending import nominal_levels, spent_level

STUDY_LEVEL = 0.05
"""The level of a study's race."""
RESTING = 0.05
"""In a study's race a configuration that is behind the leader with a one-sided p below this gets
its seeds last."""


class RaceRuleError(ValueError):
    """A rule that no race can follow."""


@dataclass(frozen=True, kw_only=True)
class RaceRule:
    """How seeds are given and what is to be decided."""

    looks: tuple[int, ...] = (3, 5, 8, 11, 15)
    """Numbers of seeds at which is looked, rising; the first is what every configuration gets, the
    last is the most that any gets."""
    margin: float = 0.0
    """Configurations no more than so many points apart count as equivalent; 0 declares none."""
    against: int | None = None
    """Row of the reference; None asks for the best."""
    level: float = 0.05
    """Probability of any wrong decision, in (0, 1)."""
    rest: float = 0.0
    """One-sided p against the leader below which a configuration's seeds come last, in [0, 1)."""
    until: Literal["proved", "named"] = "proved"
    configurations: int | None = None
    """How many configurations the study plans, where not all are there yet; None: those given."""

    resolution: float = RESOLUTION
    """Points of percent that one test image is worth (see `pairs`)."""

    def __post_init__(self) -> None:
        """Check the rule.

        Raises:
            RaceRuleError: it names the setting and its value.
        """
        rising = all(a < b for a, b in zip(self.looks, self.looks[1:], strict=False))
        if not self.looks or not rising or self.looks[0] < 2:
            raise RaceRuleError(f"looks must rise from 2 seeds or more, but are {self.looks}")
        if not self.margin >= 0:
            raise RaceRuleError(f"margin must be at least 0 points, but is {self.margin}")
        if not 0 < self.level < 1:
            raise RaceRuleError(f"level must lie between 0 and 1, but is {self.level}")
        if not 0 <= self.rest < 1:
            raise RaceRuleError(f"rest must lie in [0, 1), but is {self.rest}")

    @property
    def most(self) -> int:
        """The most seeds that a configuration gets."""
        return self.looks[-1]

    def levels_among(self, tests: int) -> Floats:
        """Return the level of each look's tests, of which there are so many that may err."""
        spent = spent_level(self.looks, level=self.level / tests)
        return np.asarray(nominal_levels(self.looks, tuple(map(float, spent))))


def study_rule(
    looks: Sequence[int], margin: float, errors_KS: Floats, *, against: int | None = None
) -> RaceRule:
    """Return the rule by which a study decides who gets further seeds.

    Args:
        looks: numbers of seeds.
        margin: points within which configurations count as equivalent.
        errors_KS: what is known; the errors of the first look say what one image is worth.
        against: row of the reference; None asks for the best.
    """
    return RaceRule(
        looks=tuple(looks),
        margin=margin,
        against=against,
        level=STUDY_LEVEL,
        rest=RESTING,
        resolution=resolution_of(errors_KS[:, : looks[0]]),
    )
