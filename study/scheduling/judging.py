"""The judging of configurations: by their trials, or because early stopping has ended them."""

from study.scheduling.protocols import SearchLike
from study.scheduling.study_trials import StudyTrials
from study.trials import ConfigurationResult, ConfigurationTrials, Trial


class ConfigurationJudge:
    """Judges configurations once they can be judged, and tells the search."""

    def __init__(self, known: StudyTrials, search: SearchLike) -> None:
        """Start with nothing to judge.

        Args:
            known: the configurations and which trials they hold.
            search: is told how each configuration did.
        """
        self.known = known
        self.search = search
        self.unjudged = 0
        """How many configurations are not judged; to count them anew would take time per event."""

    def expect(self) -> None:
        """Count one more configuration that is to be judged."""
        self.unjudged += 1

    def judge_by_trials(self, configuration: ConfigurationTrials) -> None:
        """Judge a configuration if its trials have decided how it did."""
        result = configuration.result
        if not configuration.is_judged and result.state != "running":
            self.judge(configuration, result)

    def judge_holders(self, trial: Trial) -> None:
        """Judge the configurations that hold a trial, as far as their trials have decided."""
        for holder in self.known.holders_of(trial):
            self.judge_by_trials(holder)

    def judge(self, configuration: ConfigurationTrials, judgement: ConfigurationResult) -> None:
        """Judge a configuration for good."""
        configuration.judgement = judgement
        self.unjudged -= 1
        self.search.tell(configuration.number, judgement)

    def drop_histories(self, trial: Trial) -> None:
        """Drop the epochs of the judged configurations that hold a trial."""
        for holder in self.known.holders_of(trial):
            if holder.is_judged:
                holder.drop_histories()
