"""When a search has settled: it may gain no more than the noise over seeds.

The rule is Optuna's terminator: Makarova et al. 2022, Automatic Termination for Hyperparameter
Optimization (https://proceedings.mlr.press/v188/makarova22a.html). A Gaussian process bounds from
above what the objective of the best configuration lacks to the best of the space. The search ends
once that bound is below the standard error of a configuration's mean over its seeds.

The decision is a function of the record. It looks at the first n configurations, all of them
judged, at rising n, and the first n that has settled ends the search: what was begun beyond is
done, and a relaunch comes to the same end.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace

from optuna.study import StudyDirection
from optuna.terminator import RegretBoundEvaluator

from study.file.evidence import SearchUntil
from study.file.resolved import ResolvedStudy
from study.search.optuna_trials import frozen_trial_of
from study.trials import ConfigurationResult, ConfigurationTrials, SettledSearch
from trainables.randomness import derive_seed

FEWEST = 20
"""Complete configurations before the first look: Optuna's own least."""


class SettlingRule:
    """Looks at a search as its configurations are judged."""

    def __init__(self, study: ResolvedStudy) -> None:
        """Begin with no look taken.

        Args:
            study: one whose number of configurations says `until: settled`.
        """
        assert isinstance(study.search.configurations, SearchUntil)
        self.study = study
        self.next_look = FEWEST
        self.settled: SettledSearch | None = None

    def look(self, configurations: Sequence[ConfigurationTrials]) -> SettledSearch | None:
        """Return why the search has settled, or None while it has not.

        Args:
            configurations: all of the study, by number.
        """
        while self.settled is None and self._is_due(configurations):
            self.settled = self._decide(configurations[: self.next_look])
            self.next_look += max(1, self.next_look // 20)  # a look's cost grows with what it sees
        return self.settled

    def _is_due(self, configurations: Sequence[ConfigurationTrials]) -> bool:
        first = configurations[: self.next_look]
        return len(first) == self.next_look and all(each.is_judged for each in first)

    def _decide(self, first: Sequence[ConfigurationTrials]) -> SettledSearch | None:
        known = [each for each in first if _has_finite_value(each)]
        if len(known) < FEWEST:
            return None
        trials = [frozen_trial_of(each.point, self.study, _bare(each), {}) for each in known]
        seed = derive_seed(self.study.search.sampler_seed, len(first)) % 2**32
        bound = RegretBoundEvaluator(seed=seed).evaluate(trials, StudyDirection.MINIMIZE)
        gain, noise = max(float(bound), 0.0), _noise_of(known)
        return SettledSearch(len(first), gain, noise) if gain < noise else None


def _has_finite_value(configuration: ConfigurationTrials) -> bool:
    judgement = configuration.judgement
    return judgement.state == "complete" and math.isfinite(judgement.values[0])


def _bare(configuration: ConfigurationTrials) -> ConfigurationResult:
    return replace(configuration.judgement, intermediate={}, attributes={})


def _noise_of(known: Sequence[ConfigurationTrials]) -> float:
    """Return the standard error of a mean over seeds, pooled over the better half.

    The best configuration's own spread over its few seeds may be small by luck, and bad ones spread
    more.
    """
    ranked = sorted(known, key=lambda each: each.judgement.values[0])
    spreads = [
        statistics.variance([trial.values[0] for trial in each.judging_trials])
        for each in ranked[: max(FEWEST, len(ranked) // 2)]
    ]
    return math.sqrt(statistics.fmean(spreads) / ranked[0].judging)
