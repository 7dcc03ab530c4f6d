"""What to run next, and what becomes of it: the decisions of a study, with neither Ray nor MLflow.

The scheduler holds every configuration and every trial of the study. Whoever executes trials asks
the scheduler for the next one and reports what happened; the scheduler tells the search and the
record. Over 300 lines, since the state of a trial changes here alone.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from analysis.record.names import (
    CODE,
    COMPLETED,
    DIVERGED,
    FAILED,
    SEED,
    STOPPED_EARLY,
)
from study.file.evidence import SearchUntil
from study.file.resolved import ResolvedStudy
from study.scheduling.adoption import AdoptionRule
from study.scheduling.budget import BudgetMeter
from study.scheduling.early_stopping import (
    in_rung_order,
    is_to_stop,
    laggards_of,
    note_course,
    rungs_of,
)
from study.scheduling.gpu_shares import GpuShares
from study.scheduling.protocols import RecordLike, SearchLike
from study.scheduling.seed_race import SeedRaceState
from study.scheduling.study_trials import StudyTrials
from study.trials import (
    ConfigurationResult,
    ConfigurationTrials,
    RecordedTrial,
    SettledSearch,
    Trial,
)
from trainables.configuration import Configuration, as_dict, flatten_settings
from trainables.metrics import (
    EpochMetrics,
    TrialSummary,
    course_metric,
    has_diverged,
    summarise_trial,
)

if TYPE_CHECKING:
    from study.search.settling import SettlingRule

RETRIES = 2
"""How often a trial that failed is begun again, from its checkpoint."""


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
        meter: BudgetMeter | None = None,
    ) -> None:
        """Start with nothing known.

        Args:
            study: what is to become true.
            search: chooses configurations and hears how they did.
            record: takes everything that happens.
            data_of: returns the fingerprint of a configuration's data set.
            provenance: tags of every trial that this launch begins.
            shares: of GPUs, looked up when a trial is handed out; by default the study file's.
            meter: of what the launch may spend; by default it sets no bound.
        """
        self.study = study
        self.search = search
        self.record = record
        self.provenance = provenance
        self.shares = shares or GpuShares(study.resources)
        self.meter = meter or BudgetMeter()
        self.known = StudyTrials(study, data_of)
        self.adoption = AdoptionRule(self.known.is_measured)
        self.configurations, self.trials = self.known.configurations, self.known.trials
        self.todo: OrderedDict[Trial, None] = OrderedDict()
        """The trials to run, in order; a set, since every trial is looked up in it."""
        self.active: set[Trial] = set()
        """The trials that are handed out for execution, or under way."""
        self.stopping = False
        """Whether no further trial may begin."""
        self.race = SeedRaceState(study) if study.search.race else None
        self._is_race_over = self.race is None
        self._settling = _settling_rule(study)
        self.settled: SettledSearch | None = None
        """Why the search has ended before its last configuration, if it has."""
        self._unjudged = 0
        """How many configurations are not judged; to count them anew would take time per event."""

    @property
    def running(self) -> list[Trial]:
        """The trials under way."""
        return [trial for trial in self.active if trial.state == "running"]

    @property
    def failures(self) -> list[Trial]:
        """The trials that failed for good in this launch."""
        return [trial for trial in self.trials.values() if trial.outcome == FAILED]

    @property
    def is_complete(self) -> bool:
        """Whether every configuration has been chosen, or the search has settled before."""
        return self.unasked == 0

    @property
    def unasked(self) -> int:
        """How many configurations are still to be chosen, at most."""
        if self.settled is not None:
            return 0
        return max(0, self.study.configurations - len(self.configurations))

    @property
    def is_finished(self) -> bool:
        """Whether every configuration is chosen and judged, and the race over seeds is over."""
        return self.is_complete and self._unjudged == 0 and self._is_race_over

    # Configurations

    def queue_trials(self, configuration: ConfigurationTrials) -> None:
        """Put the trials that an unjudged configuration still lacks on the list of what to do."""
        self._unjudged += 1
        rule = self.study.search.early_stopping
        for trial in in_rung_order(configuration.wanted_trials, rule):
            if trial.state == "todo":
                self.todo.setdefault(trial)

    def take_look(self) -> None:
        """See whether the search has settled, then queue the seeds that a race wants next.

        A race looks once all seeds that it wanted before are done.
        """
        if self._settling is not None:
            self.settled = self._settling.look(self.configurations)
        if self.race is None or not self.is_complete or self._unjudged:
            return
        if not self.todo and not self.active:
            wanted = self.race.take_look(self.configurations)
            self.todo.update(dict.fromkeys(wanted))
            self._is_race_over = not wanted

    def _judge_by_trials(self, configuration: ConfigurationTrials) -> None:
        result = configuration.result
        if not configuration.is_judged and result.state != "running":
            self._judge(configuration, result)

    def _judge(self, configuration: ConfigurationTrials, judgement: ConfigurationResult) -> None:
        configuration.judgement = judgement
        self._unjudged -= 1
        self.search.tell(configuration.number, judgement)

    # Trials that begin

    def hand_out_trial(self) -> Trial | None:
        """Return the next trial to run, or None if there is none now; see `is_finished`."""
        self._stop_if_spent()
        while not self.stopping:
            if not self.todo:
                if self.is_complete:
                    return None
                added = self.known.add_configuration(self.search.ask())
                self.queue_trials(added)
                self._judge_by_trials(added)  # an equal configuration may have been trained already
                self.take_look()
                continue
            if not self.meter.has_place_for(next(iter(self.todo))):
                self.stopping = not self.active  # those begun are within the budget
                return None
            trial, _ = self.todo.popitem(last=False)
            if not self._adopt_trial(trial):
                self.meter.note_handed_out(trial)
                trial.state = "assigned"
                trial.gpus = max(trial.gpus, self.shares.share_of(trial.cost_class))
                self.active.add(trial)
                return trial
        return None

    def _stop_if_spent(self) -> None:
        """Begin no further trial, and save what runs, once the budget's time is spent."""
        self.stopping = self.stopping or self.meter.is_time_spent()

    def take_back(self, trial: Trial, *, last: bool = False) -> None:
        """Take back a trial that was handed out: it is the next to be tried, or the last."""
        trial.state = "todo"
        self._note_at_rest(trial)
        self.todo[trial] = None
        self.todo.move_to_end(trial, last=last)

    def _note_at_rest(self, trial: Trial) -> None:
        self.active.discard(trial)
        self.meter.note_at_rest(trial)

    def _adopt_trial(self, trial: Trial) -> bool:
        """Take a trial over from another study that has finished it, if there is one."""
        if trial.recorded:
            return False
        source = self.adoption.find_source(trial, self.record)
        if source is None:
            return False
        tags = {**trial.tags, **self.adoption.proof_tags(trial, source)}
        diagnostics = trial.configuration.diagnostics if source.key != trial.key else None
        self.record.adopt(trial.key, source, name=trial.name, tags=tags, diagnostics=diagnostics)
        self.known.note_recorded(trial, source)
        self.recall_course(trial, source)
        for holder in self.known.holders_of(trial):
            self._judge_by_trials(holder)
        self.take_look()
        return True

    def recall_course(self, trial: Trial, recorded: RecordedTrial) -> None:
        """Read the epochs of a trial on record, where early stopping will go by them."""
        if self.study.search.early_stopping is not None:
            metric = course_metric(self.study.search.objectives[0])
            trial.course.update(self.record.course(recorded, metric))

    def note_begun(self, trial: Trial) -> None:
        """Note that the trial begins, or goes on."""
        params = {**flatten_settings(as_dict(trial.configuration)), SEED: trial.seed}
        tags = {**trial.tags, CODE: trial.code, **self.provenance}
        self.record.begin(trial.key, name=trial.name, params=params, tags=tags)
        trial.recorded, trial.state = True, "running"
        self.meter.note_begun(trial)

    def note_epochs(
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
                # All but the last were trained before, as a rule: this launch may have trained more
                # than one of them by the time of its first report.
                trial.found = len(epochs) - 1
            trial.history = [*trial.history[: epochs[0].epoch - 1], *epochs]
        self._stop_if_spent()
        if self.study.search.early_stopping is None:
            return False
        objective = self.study.search.objectives[0]
        note_course(trial, objective)
        if has_diverged(trial.history):
            return False
        holders = self.known.holders_of(trial)
        for holder in holders:
            if not holder.is_judged and is_to_stop(holder, self.search, objective):
                self._stop_configuration(holder)
        return self.known.is_stopped_early(trial)

    def _stop_configuration(self, configuration: ConfigurationTrials) -> None:
        """Judge a configuration as stopped early, and drop those of its trials not handed out."""
        self._judge(configuration, ConfigurationResult("pruned"))
        for trial in configuration.trials:
            if trial in self.todo and self.known.is_stopped_early(trial):
                del self.todo[trial]
                if trial.cut_off:
                    self._end_if_stopped(trial)

    def is_to_wait(self, trial: Trial) -> bool:
        """Return whether a trial that is saved at a rung gives its place to slower seeds."""
        return bool(self._laggards_of(trial))

    def note_waiting(self, trial: Trial) -> None:
        """Note that a trial is saved at a rung and waits for slower seeds, which come first."""
        laggards = [other for other in self._laggards_of(trial) if other in self.todo]
        self.note_interrupted(trial)
        self.todo[trial] = None
        for each in (trial, *reversed(laggards)):
            self.todo.move_to_end(each, last=False)

    def _laggards_of(self, trial: Trial) -> list[Trial]:
        rungs = rungs_of(self.study.search.early_stopping, trial.epochs)
        holders = self.known.holders_of(trial)
        return [other for holder in holders for other in laggards_of(trial, holder, rungs)]

    def record_diagnostics(
        self, trial: Trial, names: Sequence[str], *, location: str, missing: Sequence[str] = ()
    ) -> None:
        """Record the files of diagnostics that a trial has left, before `note_completed`.

        On record in this order, a finished trial has all its files, or says which are missing.
        """
        if names:
            self.record.add_diagnostics(trial.key, names, location=location)
        if missing:
            self.record.note_missing(trial.key, missing)

    # Trials that end

    def note_completed(self, trial: Trial) -> None:
        """Note that the trial was trained to its end, or stopped early, or has diverged."""
        if has_diverged(trial.history):
            trial.outcome = DIVERGED
        elif len(trial.history) >= trial.epochs:
            trial.outcome = COMPLETED
        else:
            trial.outcome = STOPPED_EARLY
        self._end_trial(trial, summarise_trial(trial.history) if trial.history else None)

    def note_failed(self, trial: Trial, failure: str, *, out_of_memory: bool = False) -> bool:
        """Note that an attempt at the trial failed; return whether it is tried again.

        An attempt that a larger share of the GPU may mend is none of those that are counted: the
        share doubles until the trial has a whole GPU.

        Args:
            trial: which.
            failure: the traceback, or what else is known.
            out_of_memory: whether the GPU's memory ran out, which calls for a larger share.
        """
        if self._end_if_stopped(trial):
            return False
        if out_of_memory and 0 < trial.gpus < 1:
            self.shares.note_out_of_memory(trial.cost_class, trial.gpus)
            trial.gpus = min(2 * trial.gpus, 1.0)
            self.take_back(trial)
            return True
        trial.failures.append(failure)
        for_good = len(trial.failures) > RETRIES
        self.meter.note_failure(failure, for_good=for_good)
        if for_good:
            self._fail_trial(trial)
        else:
            self.take_back(trial, last=self.meter.tries_others_first)
        if self.meter.is_hopeless:
            self._give_up()
        return trial.state != "done"

    def _fail_trial(self, trial: Trial) -> None:
        trial.outcome = FAILED
        self._end_trial(trial, None, failure=trial.failures[-1])

    def _give_up(self) -> None:
        """Begin no further trial, and try none again that has failed."""
        self.stopping = True
        for trial in [trial for trial in self.todo if trial.failures]:
            del self.todo[trial]
            self._fail_trial(trial)

    def forgive_failure(self, trial: Trial) -> None:
        """Forget the trial's last failure: its node was lost, as is known only now."""
        if trial.state != "done" and trial.failures:
            self.meter.forgive_failure(trial.failures.pop())

    def note_lost(self, trial: Trial) -> None:
        """Note that the trial's node went away: the trial goes on elsewhere and has not failed."""
        if not self._end_if_stopped(trial):
            self.take_back(trial)

    def note_interrupted(self, trial: Trial) -> None:
        """Note that the trial is cut off; a later launch goes on with it."""
        trial.state, trial.cut_off = "todo", True
        self._note_at_rest(trial)
        self.record.interrupt(trial.key)

    def _end_if_stopped(self, trial: Trial) -> bool:
        """End a trial if its configuration was stopped early meanwhile; return whether it was."""
        if not self.known.is_stopped_early(trial):
            return False
        trial.outcome = STOPPED_EARLY
        self._end_trial(trial, None)
        return True

    def _end_trial(self, trial: Trial, summary: TrialSummary | None, *, failure: str = "") -> None:
        assert trial.outcome is not None
        trial.state, trial.cut_off = "done", False
        self._note_at_rest(trial)
        if trial.outcome != FAILED:
            self.meter.note_success()
        if summary is not None:
            self.known.note_measured(trial, summary)
        self.record.end(trial.key, trial.outcome, summary, failure=failure)
        for holder in self.known.holders_of(trial):
            self._judge_by_trials(holder)
        for holder in self.known.holders_of(trial):
            if holder.is_judged:
                holder.drop_histories()
        self.take_look()


def _settling_rule(study: ResolvedStudy) -> "SettlingRule | None":
    """Return the rule by which the search ends itself, or None where it does not."""
    if not isinstance(study.search.configurations, SearchUntil):
        return None
    # Late: Optuna, which decides, takes a second, and few studies ask for it.
    from study.search.settling import SettlingRule

    return SettlingRule(study)
