"""All configurations and trials of a study, and what the record knows of each."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from analysis.record.names import COMPLETED, DIVERGED, Outcome
from study.file.resolved import ResolvedStudy
from study.file.space import Point
from study.trials import (
    ConfigurationResult,
    ConfigurationTrials,
    RecordedTrial,
    Suggestion,
    Trial,
)
from trainables.code_digest import trial_code
from trainables.configuration import Configuration
from trainables.metrics import TEST_ERROR_LAST, TrialSummary, judged_value
from trainables.trial_key import hash_configuration


class StudyTrials:
    """The configurations that are known so far, and their trials; equal ones share them."""

    def __init__(self, study: ResolvedStudy, data_of: Callable[[Configuration], str]) -> None:
        """Start with nothing known.

        Args:
            study: whose configurations.
            data_of: returns the fingerprint of a configuration's data set.
        """
        self.study = study
        self.data_of = data_of
        self.configurations: list[ConfigurationTrials] = []
        """In the order of their numbers."""
        self.trials: dict[str, Trial] = {}
        """All trials by their keys."""
        self._holders: dict[str, list[ConfigurationTrials]] = {}
        """The configurations that hold a trial, by its key."""

    def configuration_key(self, configuration: Configuration) -> str:
        """Return the configuration's key, which holds its data but no seed."""
        return hash_configuration(configuration, data=self.data_of(configuration))

    def holders_of(self, trial: Trial) -> list[ConfigurationTrials]:
        """Return the configurations that hold the trial."""
        return self._holders[trial.key]

    def is_stopped_early(self, trial: Trial) -> bool:
        """Return whether every configuration that holds the trial was stopped early."""
        return all(holder.judgement.state == "pruned" for holder in self._holders[trial.key])

    def planned_trials(self, points: Iterable[Point]) -> list[Trial]:
        """Return the trials that configurations would have, without taking them up."""
        apart = StudyTrials(self.study, self.data_of)
        for point in points:
            apart.add_configuration(Suggestion(0, point, ConfigurationResult("running")))
        return list(apart.trials.values())

    def add_configuration(
        self, suggestion: Suggestion, recorded: Mapping[str, RecordedTrial] | None = None
    ) -> ConfigurationTrials:
        """Take a configuration up: its trials, and what the record knows of each."""
        seeds = self.study.search.seed_list
        configuration = self.study.configuration(suggestion.point)
        key = self.configuration_key(configuration)
        trials = [
            self._trial_of(suggestion, configuration, key, seed, recorded or {}) for seed in seeds
        ]
        judgement = suggestion.judgement
        reported = max(judgement.intermediate, default=0)
        judging = self.study.search.judging_seeds
        added = ConfigurationTrials(
            number=suggestion.number,
            point=suggestion.point,
            trials=trials,
            judgement=judgement,
            judging=judging,
            wanted=judging,
            bounds=self.study.search.constraints,
            reported=reported,
        )
        self.configurations.append(added)
        for trial in trials:
            self._holders.setdefault(trial.key, []).append(added)
        return added

    def _trial_of(
        self,
        suggestion: Suggestion,
        configuration: Configuration,
        configuration_key: str,
        seed: int,
        recorded: Mapping[str, RecordedTrial],
    ) -> Trial:
        """Return a configuration's trial with a seed, which an equal configuration may hold."""
        data = self.data_of(configuration)
        key = hash_configuration(configuration, data=data, seed=seed)
        if key not in self.trials:
            self.trials[key] = Trial(
                key=key,
                configuration=configuration,
                configuration_key=configuration_key,
                seed=seed,
                number=suggestion.number,
                point=suggestion.point,
                data=data,
                code=trial_code(configuration).digest,
            )
            if key in recorded:
                self.note_recorded(self.trials[key], recorded[key])
        return self.trials[key]

    def note_recorded(self, trial: Trial, recorded: RecordedTrial) -> None:
        """Note what the record knows of a trial; a finished one without an objective is trained."""
        trial.recorded = True
        trial.proved = (
            recorded.codes - {trial.code} if trial.code in recorded.codes else frozenset()
        )
        trial.cut_off = not recorded.is_finished and recorded.outcome is None
        if recorded.is_finished and self.is_measured(recorded):
            trial.state = "done"
            trial.outcome = DIVERGED if recorded.outcome == DIVERGED else COMPLETED
            self._note_values(trial, recorded.metrics, trial.outcome)
            trial.test_error = recorded.metrics.get(TEST_ERROR_LAST)
            trial.found = trial.epochs

    def note_measured(self, trial: Trial, summary: TrialSummary) -> None:
        """Note what a trial is judged by, if this launch has trained it to its end."""
        if trial.outcome is not None and trial.is_finished:
            metrics = {**vars(trial.history[-1]), **vars(summary)}
            self._note_values(trial, metrics, trial.outcome)
            trial.test_error = summary.test_error_last

    def _note_values(
        self, trial: Trial, metrics: Mapping[str, float | None], outcome: Outcome
    ) -> None:
        search = self.study.search
        trial.values = objective_values(metrics, outcome, search.objectives)
        trial.bounded = objective_values(metrics, outcome, search.bounded)

    def is_measured(self, recorded: RecordedTrial) -> bool:
        """Return whether a trial on record has what it is judged by; an older one may not."""
        search = self.study.search
        return all(name in recorded.metrics for name in (*search.objectives, *search.bounded))


def objective_values(
    metrics: Mapping[str, float | None], outcome: Outcome, objectives: Sequence[str]
) -> tuple[float, ...]:
    """Return what a finished trial is judged by, one number per objective."""
    values = []
    for objective in objectives:
        value = metrics[objective]
        assert value is not None, f"{objective} is not measured"
        values.append(judged_value(objective, value, diverged=outcome == DIVERGED))
    return tuple(values)
