"""How far a study has come: what is still to be chosen, and what its looks at results decide.

A look may find that the search has settled, so that no further configuration is chosen, and which
further seeds a race wants.
"""

from typing import TYPE_CHECKING

from study.file.evidence import SearchUntil
from study.file.resolved import ResolvedStudy
from study.scheduling.judging import ConfigurationJudge
from study.scheduling.seed_race import SeedRaceState
from study.scheduling.trial_queue import TrialQueue
from study.trials import ConfigurationTrials, SettledSearch

if TYPE_CHECKING:
    from study.search.settling import SettlingRule


class StudyLooks:
    """Looks at what is done, and says whether the study is."""

    def __init__(
        self,
        study: ResolvedStudy,
        configurations: list[ConfigurationTrials],
        judge: ConfigurationJudge,
        queue: TrialQueue,
    ) -> None:
        """Start with no look taken.

        Args:
            study: what is to become true.
            configurations: those chosen so far; the list grows.
            judge: counts the configurations that are not judged.
            queue: gets the trials that a race wants next.
        """
        self.study = study
        self.configurations = configurations
        self.judge = judge
        self.queue = queue
        self.race = SeedRaceState(study) if study.search.race else None
        self._is_race_over = self.race is None
        self._settling = _settling_rule(study)
        self.settled: SettledSearch | None = None
        """Why the search has ended before its last configuration, if it has."""

    @property
    def unasked(self) -> int:
        """How many configurations are still to be chosen, at most."""
        if self.settled is not None:
            return 0
        return max(0, self.study.configurations - len(self.configurations))

    @property
    def is_complete(self) -> bool:
        """Whether every configuration has been chosen, or the search has settled before."""
        return self.unasked == 0

    @property
    def is_finished(self) -> bool:
        """Whether every configuration is chosen and judged, and the race over seeds is over."""
        return self.is_complete and self.judge.unjudged == 0 and self._is_race_over

    def take_look(self) -> None:
        """See whether the search has settled, then queue the seeds that a race wants next.

        A race looks once all seeds that it wanted before are done.
        """
        if self._settling is not None:
            self.settled = self._settling.look(self.configurations)
        if self.race is None or not self.is_complete or self.judge.unjudged:
            return
        if self.queue.is_empty:
            wanted = self.race.take_look(self.configurations)
            self.queue.append(wanted)
            self._is_race_over = not wanted


def _settling_rule(study: ResolvedStudy) -> "SettlingRule | None":
    """Return the rule by which the search ends itself, or None where it does not."""
    if not isinstance(study.search.configurations, SearchUntil):
        return None
    # Late: Optuna, which decides, takes a second, and few studies ask for it.
    from study.search.settling import SettlingRule

    return SettlingRule(study)
