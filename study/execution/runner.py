"""One run of Ray Tune over a study's trials: what Ray Tune says of a trial is taken here alone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Concatenate, cast

from ray.tune import Tuner
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from study.execution.admission import NodeAdmission
from study.execution.assignments import assignment_of
from study.execution.cluster import Answer, Arguments, RayCluster, log
from study.execution.failure_signs import NODE_LOST, PROCESS_LOST, change_in, other_versions_in
from study.execution.tune_adapters import new_tuner
from study.execution.usable_nodes import UsableNodes
from study.scheduling.granted import granted_megabytes
from study.scheduling.protocols import SchedulerLike
from study.scheduling.trial_watch import TrialWatch
from study.scratch import lend_scratch
from study.trials import Trial
from trainables.assignment import TrialAssignment
from trainables.failures import failure_cause
from trainables.metrics import EpochMetrics
from trainables.storage import open_storage


def _ends_the_run(
    method: Callable[Concatenate["TrialRunner", Arguments], Answer],
) -> Callable[Concatenate["TrialRunner", Arguments], Answer]:
    """Let an error of the driver end the run: Ray Tune would count it as the trial's and go on."""

    @wraps(method)
    def hear(self: "TrialRunner", /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Answer:
        if self.broken is not None:
            raise self.broken
        try:
            return method(self, *args, **kwargs)
        except Exception as error:
            self.broken = error
            raise

    return hear


def machine_megabytes(cluster: RayCluster) -> float | None:
    """Return the memory of this machine that the launch is granted; None of an existing cluster."""
    return None if cluster.existing else granted_megabytes()


class TrialRunner:
    """One run of Ray Tune over a scheduler's trials."""

    def __init__(
        self,
        scheduler: SchedulerLike,
        admission: NodeAdmission,
        *,
        scratch: str,
        granted_mb: float | None,
        discard: Callable[[str], None],
        on_change: Callable[[], None],
        on_notice: Callable[[str], None],
        profiles_of: Callable[[Trial], str] | None = None,
    ) -> None:
        """Prepare.

        Args:
            scheduler: says what to run and hears what happened.
            admission: knows the nodes, the data and where trials save themselves.
            scratch: for Ray Tune's own files, seen by all nodes: an absolute path or a URI.
            granted_mb: the memory of this machine that the launch is granted; None of a cluster.
            discard: deletes the checkpoint of a trial by its key, once it has ended.
            on_change: called after everything that happened.
            on_notice: called with what the user should know, perhaps again and again.
            profiles_of: returns the folder where a trial leaves a profile of its process, or
                nothing if it leaves none; None where no trial leaves one.
        """
        self.scheduler = scheduler
        self.admission = admission
        self.scratch = scratch
        self.discard = discard
        self.on_change = on_change
        self.on_notice = on_notice
        self.profiles_of = profiles_of
        self.by_tune_id: dict[str, Trial] = {}
        self.broken: Exception | None = None
        """The first error of the study's own, which ends the run."""
        self.stop_between_epochs = True
        """Whether a trial that is to stop may finish its epoch first."""
        self.nodes = UsableNodes(scheduler, admission, on_notice=on_notice)
        self._watch = TrialWatch(scheduler, on_notice, granted_mb=granted_mb)

    @property
    def is_stopping(self) -> bool:
        """Whether no further trial may begin."""
        return self.scheduler.stopping

    @property
    def is_full(self) -> bool:
        """Whether memory has no room for another trial."""
        return not self._watch.has_room(len(self.scheduler.running))

    @property
    def is_at_rest(self) -> bool:
        """Whether no trial is under way."""
        return not self.scheduler.running

    def __getstate__(self) -> dict[str, Any]:
        """Pickle as nothing: Ray Tune saves its objects for a restore of its own."""
        return {}

    def __deepcopy__(self, memo: object) -> "TrialRunner":
        """Return the same runner where Ray Tune copies the specification of a trial."""
        return self

    def run(self) -> None:
        """Run until the study is finished, or until it is told to stop and all trials are saved."""
        with self._scratch() as scratch:
            try:
                self._new_tuner(scratch).fit()
            except Exception:
                if self.broken is None:
                    raise
        if self.broken is not None:
            raise self.broken
        self.abandon()

    def _new_tuner(self, scratch: str) -> Tuner:
        if self.profiles_of is None:
            return new_tuner(self, scratch)
        # Late: few launches are profiled.
        from trainables.profiled_trial import ProfiledTrainable

        return new_tuner(self, scratch, trainable=ProfiledTrainable)

    @contextmanager
    def _scratch(self) -> Iterator[str]:
        """Lend Ray Tune a folder that its actors find on every node."""
        if not self.admission.cluster.existing:
            with lend_scratch("tune") as folder:
                yield folder
            return
        shared = open_storage(self.scratch)
        try:
            yield self.scratch
        finally:
            shared.destroy()

    def abandon(self) -> None:
        """Give the trials up that are still handed out; a later launch goes on with them."""
        for trial in self.by_tune_id.values():
            if trial.state == "running":
                self.scheduler.note_interrupted(trial)
            else:
                self.scheduler.take_back(trial)
        self.by_tune_id.clear()

    @_ends_the_run
    def hand_out_config(self, tune_id: str) -> TrialAssignment | str | None:
        """Hand out the next trial, None while there is none, or the word that there is no more."""
        scheduler = self.scheduler
        if (scheduler.is_finished or scheduler.stopping) and not scheduler.active:
            return str(Searcher.FINISHED)
        if not self._watch.has_room(len(scheduler.active)):
            return None
        if not self.nodes.has_place_for_one_more():
            return None
        trial = scheduler.hand_out_trial()
        if trial is None:
            return None
        self.by_tune_id[tune_id] = trial
        assignment = assignment_of(trial, self.scheduler.study, self.admission)
        if self.profiles_of is not None:
            # One key more than the actors of other launches are told: `ProfiledAssignment`.
            return cast(TrialAssignment, {**assignment, "profiles": self.profiles_of(trial)})
        return assignment

    @_ends_the_run
    def note_started(self, tune_id: str) -> None:
        """Note that an actor has taken a trial up."""
        self.scheduler.note_begun(self.by_tune_id[tune_id])
        self._watch.note_begun(self.by_tune_id[tune_id])
        self.on_change()

    @_ends_the_run
    def note_result(self, tune_id: str, result: dict[str, Any]) -> str:
        """Note a result and return Ray Tune's word for what is to happen with the trial."""
        stop = self._note_epochs(tune_id, result)
        if stop:
            return str(TrialScheduler.STOP)
        if self.scheduler.stopping and (result["between_epochs"] or not self.stop_between_epochs):
            return str(TrialScheduler.PAUSE)
        if result["at_rung"] and self.scheduler.is_to_wait(self.by_tune_id[tune_id]):
            # For Ray Tune it ends: a paused trial would never leave its list.
            self.scheduler.note_waiting(self.by_tune_id.pop(tune_id))
            return str(TrialScheduler.STOP)
        return str(TrialScheduler.CONTINUE)

    def _note_epochs(self, tune_id: str, result: dict[str, Any]) -> bool:
        trial = self.by_tune_id[tune_id]
        epochs = [EpochMetrics(**metrics) for metrics in result["epochs"]]
        stop = self.scheduler.note_epochs(
            trial,
            epochs,
            device=result["device"],
            precision=result["precision"],
            compiled=result["compiled"],
        )
        self._watch.note_epochs(trial, epochs, places=self.nodes.places_without_gpu)
        self.nodes.note_epochs(trial, epochs, node=result["node"])
        if result["notice"]:
            self.on_notice(f"{self.nodes.prefix_of(result['node'])}{result['notice']}")
        self.on_change()
        return stop

    @_ends_the_run
    def note_ended(self, tune_id: str, result: dict[str, Any]) -> None:
        """Note that a trial is trained to its end or stopped early."""
        if tune_id not in self.by_tune_id:  # it waits at a rung, for a later assignment
            return
        if result["finished"]:  # Ray Tune keeps a last result from the scheduler
            self._note_epochs(tune_id, result)
        trial = self.by_tune_id.pop(tune_id)
        self.nodes.forget(trial)
        self._watch.forget(trial)
        self.scheduler.record_diagnostics(
            trial,
            result.get("diagnostics", ()),
            location=self.admission.question.checkpoints,
            missing=result.get("missing", ()),
        )
        self.scheduler.note_completed(trial)
        self.discard(trial.key)
        self.on_change()

    @_ends_the_run
    def note_paused(self, tune_id: str) -> None:
        """Note that a trial is saved and at rest."""
        trial = self.by_tune_id.pop(tune_id)
        self._watch.forget(trial)
        self.scheduler.note_interrupted(trial)
        self.on_change()

    @_ends_the_run
    def note_failed(self, tune_id: str, failure: str) -> None:
        """Note that an attempt at a trial failed, with its traceback."""
        trial = self.by_tune_id.pop(tune_id)
        node = self.nodes.forget(trial)
        failure = self._watch.describe_end(trial, failure)
        self._watch.forget(trial)
        if changed := change_in(failure):
            self._refuse_changed(trial, changed)
            return
        unfit, different = other_versions_in(failure)
        if different:
            self.on_notice(self.admission.refuse_node(unfit, different))
        is_lost = bool(different) or any(sign in failure for sign in NODE_LOST)
        cause = failure_cause(failure)
        if is_lost or (cause == "host_memory" and self._watch.make_room(trial)):
            log.warning("%s has not failed, and is tried again: %s", trial.name, failure)
            self.scheduler.note_lost(trial)
            self.on_change()
            return
        if any(sign in failure for sign in PROCESS_LOST):
            self.nodes.note_process_lost(trial, node)
        if trial.state == "assigned":  # its setup failed: what failed should have a run
            self.scheduler.note_begun(trial)
        share = trial.gpus
        if not self.scheduler.note_failed(trial, failure, out_of_memory=cause == "gpu_memory"):
            self.discard(trial.key)
        if trial.gpus > share:
            self.on_notice(
                f"{trial.name}: {share:g} of a GPU's memory does not suffice; it is tried again "
                f"with {trial.gpus:g}."
            )
        self.on_change()

    def look_for_news(self) -> list[str]:
        """Say of which trials nothing is heard; return the ids of those to be ended by force."""
        given_up = set(self._watch.look())
        return [tune_id for tune_id, trial in self.by_tune_id.items() if trial in given_up]

    def _refuse_changed(self, trial: Trial, reason: str) -> None:
        """Begin no further trial: all would be of other data or code than is planned."""
        self.scheduler.stopping = True
        if trial.state == "running":
            self.scheduler.note_interrupted(trial)
        else:
            self.scheduler.take_back(trial)
        self.on_notice(f"No further trial begins. {reason}")
        self.on_change()
