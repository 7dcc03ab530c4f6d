"""The race over seeds, as a study runs it: which configurations get further seeds.

The decisions are `analysis.statistics.racing`'s and a function of the trials that are done, so they
are the same after any crash. All configurations get their first seeds before the first look: the
search is told means over equally many seeds, and what it chooses next depends on no race.

A diverged trial counts with the worst value of its objective. A configuration that was stopped
early, or of which a trial failed for good, is out of the race.
"""

import math
from collections.abc import Sequence

import numpy as np

from analysis.counted import agreeing, count_text
from analysis.statistics.race_rule import study_rule
from analysis.statistics.racing import RaceDecision, decide_race
from study.file.resolved import ResolvedStudy
from study.trials import ConfigurationTrials, Trial


class SeedRaceState:
    """Where a study's race over seeds stands."""

    def __init__(self, study: ResolvedStudy) -> None:
        """Begin with no look taken.

        Args:
            study: one whose seeds are given by evidence.
        """
        assert study.search.race is not None
        self.settings = study.search.race
        self.reference = study.reference
        self.decision: RaceDecision | None = None
        """The latest; None before the first look, and where nothing can be compared."""
        self.racing: list[ConfigurationTrials] = []
        """The rows of the decision."""

    def take_look(self, configurations: Sequence[ConfigurationTrials]) -> list[Trial]:
        """Decide by the trials that are done; return those that are wanted next, in order.

        Args:
            configurations: all of the study, each judged by its first seeds.
        """
        self.racing = _distinct([each for each in configurations if _is_racing(each)])
        against = self._reference_row(configurations)
        if not self.racing or (self.reference is not None and against is None):
            self.decision = None
            return []
        errors = np.array([_errors_of(each) for each in self.racing])
        settings = self.settings
        rule = study_rule(settings.schedule, settings.margin, errors, against=against)
        self.decision = decide_race(errors, rule)
        wanted = dict(zip(_keys(self.racing), self.decision.seeds_wanted, strict=True))
        for each in configurations:
            each.wanted = max(each.judging, wanted.get(each.trials[0].key, 0))
        return self._next_trials()

    @property
    def leader(self) -> ConfigurationTrials | None:
        """The best by the latest look."""
        return self.racing[self.decision.leader] if self.decision else None

    def describe_state(self) -> str:
        """Return in words where the race stands, or nothing before its first look."""
        if self.decision is None:
            return ""
        if self.decision.next_look is None:
            return f"race over: {self.decision.verdict}"
        still = len(self.decision.going_on)
        return (
            f"race: {still} of {len(self.racing)} {agreeing(still, 'goes', 'go')} on to "
            f"{count_text(self.decision.next_look, 'seed')}"
        )

    def _reference_row(self, configurations: Sequence[ConfigurationTrials]) -> int | None:
        if self.reference is None:
            return None
        items, rows = self.reference.items(), _keys(self.racing)
        named = _keys([each for each in configurations if items <= each.point.items()])
        return next((rows.index(key) for key in named if key in rows), None)

    def _next_trials(self) -> list[Trial]:
        """Return the wanted trials that are to do, seed by seed: seeds are compared in pairs."""
        wanted = [
            (position, row, trial)
            for row, configuration in enumerate(self.racing)
            for position, trial in enumerate(configuration.wanted_trials)
            if trial.state == "todo"
        ]
        return [trial for _, _, trial in sorted(wanted, key=lambda entry: entry[:2])]


def _is_racing(configuration: ConfigurationTrials) -> bool:
    failed = any(t.state == "done" and not t.is_finished for t in configuration.wanted_trials)
    return configuration.judgement.state == "complete" and not failed


def _errors_of(configuration: ConfigurationTrials) -> list[float]:
    return [trial.values[0] if trial.values else math.nan for trial in configuration.trials]


def _keys(configurations: Sequence[ConfigurationTrials]) -> list[str]:
    """Return what tells configurations apart: equal ones share their trials."""
    return [configuration.trials[0].key for configuration in configurations]


def _distinct(configurations: Sequence[ConfigurationTrials]) -> list[ConfigurationTrials]:
    first: dict[str, ConfigurationTrials] = {}
    for key, configuration in zip(_keys(configurations), configurations, strict=True):
        first.setdefault(key, configuration)
    return list(first.values())
