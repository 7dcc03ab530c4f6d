"""What to run next, and what becomes of it: the decisions of a study, with neither Ray nor MLflow.

The agenda holds every configuration and every trial of the study. Whoever executes asks it for the
next trial and tells it what happened; it tells the search and the record.
"""

import json
import statistics
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from analysis.record.names import (
    CONFIGURATION,
    CONFIGURATION_NUMBER,
    DATA_FINGERPRINT,
    POINT,
    SEED,
    Outcome,
)
from study.file.resolved import ResolvedStudy
from study.scheduling.gpu_shares import GpuShares
from study.trials import (
    ConfigurationResult,
    ConfigurationTrials,
    RecordedTrial,
    Suggestion,
    Trial,
    cost_class,
)
from trainables.configuration import Configuration, as_dict, flatten_settings, hash_configuration
from trainables.metrics import (
    EpochMetrics,
    TrialSummary,
    course_metric,
    has_diverged,
    judged_value,
    summarise_trial,
)

RETRIES = 2
"""How often a trial that failed is begun again, from its checkpoint."""


class SearchLike(Protocol):
    """The search, as the agenda sees it."""

    def ask(self) -> Suggestion:
        """Choose the next configuration."""
        ...

    def report(self, number: int, epoch: int, value: float) -> bool:
        """Take an intermediate mean; return whether to stop the configuration early."""
        ...

    def tell(self, number: int, judgement: ConfigurationResult) -> None:
        """Take how a configuration ended."""
        ...


class RecordLike(Protocol):
    """The record, as the agenda sees it."""

    def begin(
        self, key: str, *, name: str, params: Mapping[str, Any], tags: Mapping[str, str]
    ) -> None:
        """Take the beginning of a trial."""
        ...

    def add_epochs(
        self, key: str, epochs: Sequence[EpochMetrics], *, device: str, precision: str
    ) -> None:
        """Take the metrics of epochs."""
        ...

    def add_diagnostics(self, key: str, names: Sequence[str], *, location: str) -> None:
        """Take the files that a trial has left."""
        ...

    def end(
        self, key: str, outcome: Outcome, summary: TrialSummary | None, *, failure: str
    ) -> None:
        """Take the end of a trial."""
        ...

    def interrupt(self, key: str) -> None:
        """Take that a trial is cut off."""
        ...

    def finished_elsewhere(self, key: str) -> RecordedTrial | None:
        """Find the trial in another study."""
        ...

    def adopt(self, key: str, source: RecordedTrial, *, name: str, tags: Mapping[str, str]) -> None:
        """Take a trial over from another study."""
        ...


class StudyScheduler:
    """The study's configurations and trials, and the decisions about them."""

    def __init__(
        self,
        study: ResolvedStudy,
        search: SearchLike,
        record: RecordLike,
        *,
        data_of: Callable[[Configuration], str],
        provenance: Mapping[str, str],
        shares: GpuShares | None = None,
    ) -> None:
        """Start with nothing known.

        Args:
            study: what is to become true.
            search: chooses configurations and hears how they did.
            record: takes everything that happens.
            data_of: returns the fingerprint of a configuration's data set.
            provenance: tags that every trial begun here gets.
            shares: of GPUs, asked when a trial is handed out; by default the study file's.
        """
        self.study = study
        self.search = search
        self.record = record
        self.data_of = data_of
        self.provenance = provenance
        self.shares = shares or GpuShares(study.resources)
        self.plans: list[ConfigurationTrials] = []
        self.trials: dict[str, Trial] = {}
        self.todo: OrderedDict[Trial, None] = OrderedDict()
        """What to run, in order; a set, since every trial is looked up in it."""
        self.active: set[Trial] = set()
        """The trials that are handed out for execution, or under way."""
        self._plans_of: dict[str, list[ConfigurationTrials]] = {}
        self._course = course_metric(study.search.objectives[0])
        """What early stopping goes by."""
        self._open = 0  # configurations not judged; counting them anew would take time per event
        self.stopping = False
        """Whether no further trial may begin."""

    def plan(
        self, asked: Suggestion, recorded: Mapping[str, RecordedTrial] = {}
    ) -> ConfigurationTrials:  # noqa: B006
        """Take up a configuration: its trials, and what the record knows of each."""
        configuration = self.study.configuration(asked.point)
        data = self.data_of(configuration)
        configuration_key = self.configuration_key(configuration)
        trials = []
        for seed in self.study.search.seed_list:
            trial_key = hash_configuration(configuration, data=data, seed=seed)
            trial = self.trials.get(trial_key)  # another configuration may say the same
            if trial is None:
                trial = Trial(
                    key=trial_key,
                    configuration=configuration,
                    configuration_key=configuration_key,
                    seed=seed,
                    number=asked.number,
                    point=asked.point,
                    data=data,
                )
                self._recall(trial, recorded.get(trial_key))
                self.trials[trial_key] = trial
            trials.append(trial)
        reported = max(asked.judgement.intermediate, default=0)
        plan = ConfigurationTrials(asked.number, asked.point, trials, asked.judgement, reported)
        self.plans.append(plan)
        for trial in trials:
            self._plans_of.setdefault(trial.key, []).append(plan)
        return plan

    def configuration_key(self, configuration: Configuration) -> str:
        """Return the configuration's key, which holds its data but no seed."""
        return hash_configuration(configuration, data=self.data_of(configuration))

    def _recall(self, trial: Trial, recorded: RecordedTrial | None) -> None:
        if recorded is None:
            return
        trial.recorded = True
        trial.cut_off = not recorded.finished and recorded.outcome is None
        if recorded.finished and self._is_measured(recorded):
            trial.state = "done"
            trial.outcome = "diverged" if recorded.outcome == "diverged" else "completed"
            trial.values = self._values(recorded.metrics, trial.outcome)
            trial.found = trial.epochs

    def _is_measured(self, recorded: RecordedTrial) -> bool:
        """Return whether a trial on record has what it is judged by; an older one may not."""
        return all(name in recorded.metrics for name in self.study.search.objectives)

    def settle(self, plan: ConfigurationTrials) -> None:
        """End on record what a dead process left of a configuration that it had stopped early."""
        for trial in plan.trials:
            if trial.cut_off and all(p.judged for p in self._plans_of[trial.key]):
                trial.cut_off = False
                self.record.end(trial.key, "stopped_early", None, failure="")

    def judgement_of(self, plan: ConfigurationTrials) -> ConfigurationResult:
        """Return how the configuration stands by its trials alone, early stopping apart."""
        if all(trial.finished for trial in plan.trials):
            means = [
                statistics.fmean(v) for v in zip(*(t.values for t in plan.trials), strict=True)
            ]
            return ConfigurationResult("complete", tuple(means), plan.judgement.intermediate)
        if all(trial.state == "done" for trial in plan.trials):
            return ConfigurationResult("failed")
        return ConfigurationResult("running", (), plan.judgement.intermediate)

    def schedule(self, plan: ConfigurationTrials) -> None:
        """Put the trials that an unjudged configuration still lacks on the list of what to do."""
        self._open += 1
        for trial in plan.trials:
            if trial.state == "todo":
                self.todo.setdefault(trial)

    def next(self) -> Trial | None:
        """Return the next trial to run, or None if there is none now; see `finished`."""
        while not self.stopping:
            if not self.todo:
                if len(self.plans) >= self.study.configurations:
                    return None
                plan = self.plan(self.search.ask())
                self.schedule(plan)
                self._judge(plan)  # an equal configuration may have been trained already
                continue
            trial, _ = self.todo.popitem(last=False)
            if not self._adopt(trial):
                trial.state = "assigned"
                trial.gpus = max(trial.gpus, self.shares.of(trial.configuration))
                self.active.add(trial)
                return trial
        return None

    @property
    def running(self) -> list[Trial]:
        """The trials under way."""
        return [trial for trial in self.active if trial.state == "running"]

    @property
    def finished(self) -> bool:
        """Whether every configuration is there and judged."""
        return len(self.plans) >= self.study.configurations and self._open == 0

    @property
    def failures(self) -> list[Trial]:
        """The trials that failed for good in this launch."""
        return [trial for trial in self.trials.values() if trial.outcome == "failed"]

    def _adopt(self, trial: Trial) -> bool:
        """Take the trial over from another study that has finished it."""
        source = None if trial.recorded else self.record.finished_elsewhere(trial.key)
        if source is None or not self._is_measured(source):
            return False
        self.record.adopt(trial.key, source, name=trial.name, tags=self._tags(trial))
        self._recall(trial, source)
        self._judge_all(trial)
        return True

    def begin(self, trial: Trial) -> None:
        """Note that the trial begins, or goes on."""
        params = {**flatten_settings(as_dict(trial.configuration)), SEED: trial.seed}
        tags = {**self._tags(trial), **self.provenance}
        self.record.begin(trial.key, name=trial.name, params=params, tags=tags)
        trial.recorded, trial.state = True, "running"

    def _tags(self, trial: Trial) -> dict[str, str]:
        return {
            CONFIGURATION: trial.configuration_key,
            CONFIGURATION_NUMBER: str(trial.number),
            POINT: json.dumps(trial.point),
            DATA_FINGERPRINT: trial.data,
        }

    def epochs(
        self,
        trial: Trial,
        epochs: Sequence[EpochMetrics],
        *,
        device: str,
        precision: str = "fp32",
    ) -> bool:
        """Note finished epochs; return whether the trial is to be stopped early.

        After a restore the first epochs come again; they are known by their numbers.
        """
        if epochs:
            self.record.add_epochs(trial.key, epochs, device=device, precision=precision)
            if trial.cut_off and not trial.history:
                trial.found = len(epochs) - 1  # the last is of this launch, or a little more
            trial.history = [*trial.history[: epochs[0].epoch - 1], *epochs]
        stop = False
        if self.study.search.early_stopping is not None and not has_diverged(trial.history):
            for plan in self._plans_of[trial.key]:
                self._consider_stopping(plan)
            stop = all(plan.judgement.state == "pruned" for plan in self._plans_of[trial.key])
        return stop

    def _consider_stopping(self, plan: ConfigurationTrials) -> None:
        """Tell the search the mean of each epoch that all seeds begun so far have reached."""
        begun = [trial for trial in plan.trials if trial.history]
        reached = min(len(trial.history) for trial in begun)
        last = max(trial.epochs for trial in begun)
        while not plan.judged and plan.reported < min(reached, last - 1):
            plan.reported += 1
            values = [getattr(trial.history[plan.reported - 1], self._course) for trial in begun]
            if None in values:  # an older version trained this epoch
                continue
            mean = statistics.fmean(values)
            if self.search.report(plan.number, plan.reported, mean):
                self._tell(plan, ConfigurationResult("pruned"))
                for trial in plan.trials:
                    if all(p.judged for p in self._plans_of[trial.key]):
                        self.todo.pop(trial, None)

    def withdraw(self, trial: Trial) -> None:
        """Take back a trial that was handed out: it is the next to be tried."""
        trial.state = "todo"
        self.active.discard(trial)
        self.todo[trial] = None
        self.todo.move_to_end(trial, last=False)

    def left(self, trial: Trial, names: Sequence[str], *, location: str) -> None:
        """Note the files of diagnostics that a trial has left, before noting that it completed.

        On record in this order, a finished trial has all its files.
        """
        if names:
            self.record.add_diagnostics(trial.key, names, location=location)

    def completed(self, trial: Trial) -> None:
        """Note that the trial was trained to its end, or stopped early, or has diverged."""
        finished = len(trial.history) >= trial.epochs
        trial.outcome = (
            "diverged"
            if has_diverged(trial.history)
            else "completed"
            if finished
            else "stopped_early"
        )
        self._end(trial, summarise_trial(trial.history) if trial.history else None)

    def failed(self, trial: Trial, failure: str, *, out_of_memory: bool = False) -> bool:
        """Note that an attempt at the trial failed; return whether it is tried again.

        Args:
            trial: which.
            failure: the traceback, or what else is known.
            out_of_memory: whether the GPU's memory ran out, which calls for a larger share.
        """
        trial.failures.append(failure)
        if self._fell(trial):
            return False
        if len(trial.failures) <= RETRIES:
            if out_of_memory and trial.gpus:
                self.shares.ran_out(cost_class(trial.configuration), trial.gpus)
                trial.gpus = min(2 * trial.gpus, max(1.0, trial.gpus))
            self.withdraw(trial)
            return True
        trial.outcome = "failed"
        self._end(trial, None, failure=failure)
        return False

    def forgive(self, trial: Trial) -> None:
        """Take back the trial's last failure: its node was lost, as is known only now."""
        if trial.state != "done":
            trial.failures.pop()

    def _fell(self, trial: Trial) -> bool:
        """End a trial whose configuration was stopped early meanwhile."""
        if not all(plan.judged for plan in self._plans_of[trial.key]):
            return False
        trial.outcome = "stopped_early"
        self._end(trial, None)
        return True

    def lost(self, trial: Trial) -> None:
        """Note that the trial's node went away: it goes on elsewhere, and this is no failure."""
        if not self._fell(trial):
            self.withdraw(trial)

    def interrupted(self, trial: Trial) -> None:
        """Note that the trial is cut off; a later launch goes on with it."""
        trial.state, trial.cut_off = "todo", True
        self.active.discard(trial)
        self.record.interrupt(trial.key)

    def _end(self, trial: Trial, summary: TrialSummary | None, *, failure: str = "") -> None:
        assert trial.outcome is not None
        trial.state, trial.cut_off = "done", False
        self.active.discard(trial)
        if trial.finished and summary is not None:
            metrics = {**vars(trial.history[-1]), **vars(summary)}
            trial.values = self._values(metrics, trial.outcome)
        self.record.end(trial.key, trial.outcome, summary, failure=failure)
        self._judge_all(trial)
        for plan in self._plans_of[trial.key]:
            if plan.judged:
                self._forget(plan)

    def _forget(self, plan: ConfigurationTrials) -> None:
        """Let go of epochs that nobody asks for again; thousands of trials fill a memory."""
        for trial in plan.trials:
            if trial.state == "done":
                trial.history = []

    def _judge_all(self, trial: Trial) -> None:
        for plan in self._plans_of[trial.key]:
            self._judge(plan)

    def _judge(self, plan: ConfigurationTrials) -> None:
        judgement = self.judgement_of(plan)
        if not plan.judged and judgement.state != "running":
            self._tell(plan, judgement)

    def _tell(self, plan: ConfigurationTrials, judgement: ConfigurationResult) -> None:
        plan.judgement = judgement
        self._open -= 1
        self.search.tell(plan.number, judgement)

    def _values(self, metrics: Mapping[str, float | None], outcome: Outcome) -> tuple[float, ...]:
        """Return what a finished trial is judged by, one number per objective."""
        values = []
        for objective in self.study.search.objectives:
            value = metrics[objective]
            assert value is not None, f"{objective} is not measured"
            values.append(judged_value(objective, value, diverged=outcome == "diverged"))
        return tuple(values)
