"""What to run next, and what becomes of it: the decisions of a study, with neither Ray nor MLflow.

The scheduler holds every configuration and every trial of the study. Whoever executes trials asks
the scheduler for the next one and reports what happened; the scheduler tells the search and the
record. Each kind of decision is a part of its own: the queue, the judging of configurations, the
looks at what is done, the watch over rungs, the ends of trials and their failed attempts.
"""

from collections.abc import Callable, Mapping, Sequence

from analysis.record.names import CODE, FAILED
from study.file.resolved import ResolvedStudy
from study.scheduling.adoption import AdoptionRule
from study.scheduling.asking import Asker, DirectAsker
from study.scheduling.budget import BudgetMeter
from study.scheduling.early_stopping import RungWatch, in_rung_order
from study.scheduling.failed_attempts import FailedAttempts
from study.scheduling.gpu_shares import GpuShares
from study.scheduling.judging import ConfigurationJudge
from study.scheduling.protocols import RecordLike, SearchLike
from study.scheduling.study_looks import StudyLooks
from study.scheduling.study_trials import StudyTrials
from study.scheduling.trial_ends import TrialEnds
from study.scheduling.trial_queue import TrialQueue
from study.trials import ConfigurationResult, ConfigurationTrials, Suggestion, Trial
from trainables.configuration import Configuration
from trainables.metrics import EpochMetrics


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
        self.asker: Asker = DirectAsker(search)
        """How the next configuration is come by."""
        self.record = record
        self.provenance = provenance
        self.shares = shares or GpuShares(study.resources)
        self.meter = meter or BudgetMeter()
        self.known = StudyTrials(study, data_of)
        self.adoption = AdoptionRule(self.known.is_measured)
        self.configurations, self.trials = self.known.configurations, self.known.trials
        self.stopping = False
        """Whether no further trial may begin."""
        self.queue = TrialQueue()
        self.active = self.queue.active
        self.judge = ConfigurationJudge(self.known, search)
        self.looks = StudyLooks(study, self.configurations, self.judge, self.queue)
        self.rungs = RungWatch(study, self.known, search, record)
        self._ends = TrialEnds(
            record, self.meter, queue=self.queue, judge=self.judge, looks=self.looks
        )
        self._attempts = FailedAttempts(self._ends, self.shares)

    @property
    def running(self) -> list[Trial]:
        """The trials under way."""
        return [trial for trial in self.active if trial.state == "running"]

    @property
    def failures(self) -> list[Trial]:
        """The trials that failed for good in this launch."""
        return [trial for trial in self.trials.values() if trial.outcome == FAILED]

    @property
    def unasked(self) -> int:
        """How many configurations are still to be chosen, at most."""
        return self.looks.unasked

    @property
    def is_finished(self) -> bool:
        """Whether every configuration is chosen and judged, and the race over seeds is over."""
        return self.looks.is_finished and not self.asker.is_choosing

    def queue_trials(self, configuration: ConfigurationTrials) -> None:
        """Put the trials that an unjudged configuration still lacks on the list of what to do."""
        self.judge.expect()
        ordered = in_rung_order(configuration.wanted_trials, self.study.search.early_stopping)
        self.queue.append(trial for trial in ordered if trial.state == "todo")

    # Trials that begin

    def hand_out_trial(self) -> Trial | None:
        """Return the next trial to run, or None if there is none now; see `is_finished`."""
        self._stop_if_spent()
        while not self.stopping:
            if not self.queue.waiting:
                if self.looks.is_complete and not self.asker.is_choosing:
                    return None
                suggestion = self.asker.next_suggestion(patient=not self.active)
                if suggestion is None:
                    return None
                self._take_up_configuration(suggestion)
                continue
            if not self.meter.has_place_for(self.queue.next_trial):
                self.stopping = not self.active  # those begun are within the budget
                return None
            trial = self.queue.take_next()
            if not self._adopt_trial(trial):
                self.meter.note_handed_out(trial)
                trial.state = "assigned"
                trial.gpus = max(trial.gpus, self.shares.share_of(trial.cost_class))
                self.active.add(trial)
                return trial
        return None

    def _take_up_configuration(self, suggestion: Suggestion) -> None:
        added = self.known.add_configuration(suggestion)
        self.queue_trials(added)
        self.judge.judge_by_trials(added)  # an equal configuration may have been trained already
        self.looks.take_look()

    def _stop_if_spent(self) -> None:
        """Begin no further trial, and save what runs, once the budget's time is spent."""
        self.stopping = self.stopping or self.meter.is_time_spent()

    def take_back(self, trial: Trial) -> None:
        """Take back a trial that was handed out: it is the next to be tried."""
        self._ends.take_back(trial)

    def _adopt_trial(self, trial: Trial) -> bool:
        """Take a trial over from another study that has finished it, if there is one."""
        if trial.recorded:
            return False
        source = self.adoption.find_source(trial, self.record)
        if source is None:
            return False
        tags = {**trial.tags, **self.adoption.proof_tags(trial, source)}
        diagnostics = trial.configuration.diagnostics if source.key != trial.key else None
        self.record.adopt(
            trial.key,
            source,
            name=trial.name,
            settings=trial.settings(),
            tags=tags,
            diagnostics=diagnostics,
        )
        self.known.note_recorded(trial, source)
        self.rungs.recall_course(trial, source)
        self.judge.judge_holders(trial)
        self.looks.take_look()
        return True

    def note_begun(self, trial: Trial) -> None:
        """Note that the trial begins, or goes on."""
        tags = {**trial.tags, CODE: trial.code, **self.provenance}
        self.record.begin(trial.key, name=trial.name, params=trial.settings(), tags=tags)
        trial.recorded, trial.state = True, "running"
        self.meter.note_begun(trial)

    # Trials under way

    def note_epochs(
        self,
        trial: Trial,
        epochs: Sequence[EpochMetrics],
        *,
        device: str,
        precision: str = "fp32",
        compiled: bool | None = None,
    ) -> bool:
        """Note finished epochs; return whether the trial is to be stopped early.

        After a restore the first epochs come again; they are known by their numbers.
        """
        if epochs:
            self.record.add_epochs(
                trial.key, epochs, device=device, precision=precision, compiled=compiled
            )
            if trial.cut_off and not trial.history:
                # All but the last were trained before, as a rule: this launch may have trained more
                # than one of them by the time of its first report.
                trial.found = len(epochs) - 1
            trial.history = [*trial.history[: epochs[0].epoch - 1], *epochs]
        self._stop_if_spent()
        for configuration in self.rungs.follow(trial):
            self._stop_configuration(configuration)
        return self.rungs.may_stop(trial) and self.known.is_stopped_early(trial)

    def _stop_configuration(self, configuration: ConfigurationTrials) -> None:
        """Judge a configuration as stopped early, and drop those of its trials not handed out."""
        self.judge.judge(configuration, ConfigurationResult("pruned"))
        for trial in configuration.trials:
            if trial in self.queue.waiting and self.known.is_stopped_early(trial):
                del self.queue.waiting[trial]
                if trial.cut_off:
                    self._ends.end_if_stopped(trial)

    def is_to_wait(self, trial: Trial) -> bool:
        """Return whether a trial that is saved at a rung gives its place to slower seeds."""
        return bool(self.rungs.laggards_of(trial))

    def note_waiting(self, trial: Trial) -> None:
        """Note that a trial is saved at a rung and waits for slower seeds, which come first."""
        waiting = self.queue.waiting
        laggards = [other for other in self.rungs.laggards_of(trial) if other in waiting]
        self._ends.interrupt(trial)
        self.queue.put_back(trial)
        self.queue.bring_forward(reversed(laggards))

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
        self._ends.complete(trial)

    def note_failed(self, trial: Trial, failure: str, *, out_of_memory: bool = False) -> bool:
        """Note that an attempt at the trial failed; return whether it is tried again.

        Args:
            trial: which.
            failure: the traceback, or what else is known.
            out_of_memory: whether the GPU's memory ran out, which calls for a larger share.
        """
        is_tried_again = self._attempts.note_failed(trial, failure, out_of_memory=out_of_memory)
        self.stopping = self.stopping or self.meter.is_hopeless
        return is_tried_again

    def forgive_failure(self, trial: Trial) -> None:
        """Forget the trial's last failure: its node was lost, as is known only now."""
        self._attempts.forgive_failure(trial)

    def note_lost(self, trial: Trial) -> None:
        """Note that the trial's node went away: the trial goes on elsewhere and has not failed."""
        if not self._ends.end_if_stopped(trial):
            self._ends.take_back(trial)

    def note_interrupted(self, trial: Trial) -> None:
        """Note that the trial is cut off; a later launch goes on with it."""
        self._ends.interrupt(trial)
