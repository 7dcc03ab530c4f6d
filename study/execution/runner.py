"""One run of Ray Tune over a study's trials."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any, Concatenate

from ray import tune
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from study.execution.admission import NodeAdmission
from study.execution.cluster import Answer, Arguments, log
from study.execution.tune_adapters import TuneCallback, TuneScheduler, TuneSearcher, TuneStopper
from study.scheduling.nodes import ClusterNode, StragglerDetector, part_taken, room_for
from study.scheduling.scheduler import StudyScheduler
from study.scratch import lend_scratch
from study.trials import Trial, cost_class, describe_point
from trainables.configuration import as_dict
from trainables.datasets import DataChangedError
from trainables.metrics import EpochMetrics
from trainables.storage import StorageFolder
from trainables.trainable import TrialAssignment, TrialTrainable

NODE_LOST = ("node has died", "node died", "NodeDiedError")
"""Ray's words for a trial whose node is known to be lost."""
PROCESS_LOST = ("ActorUnavailableError", "ActorDiedError")
"""Ray's words where it cannot tell yet what became of the trial's process, or of its node."""


def _ends_the_run(
    method: Callable[Concatenate["TrialRunner", Arguments], Answer],
) -> Callable[Concatenate["TrialRunner", Arguments], Answer]:
    """Let an error of ours end the run: Ray Tune would take it for one of the trial and go on."""

    @wraps(method)
    def hear(self: "TrialRunner", *args: Arguments.args, **kwargs: Arguments.kwargs) -> Answer:
        if self.broken is not None:
            raise self.broken
        try:
            return method(self, *args, **kwargs)
        except Exception as error:
            self.broken = error
            raise

    return hear


class TrialRunner:
    """One run of Ray Tune over an agenda."""

    def __init__(
        self,
        agenda: StudyScheduler,
        guard: NodeAdmission,
        *,
        scratch: str,
        discard: Callable[[str], None],
        on_change: Callable[[], None],
        on_notice: Callable[[str], None],
    ) -> None:
        """Prepare.

        Args:
            agenda: says what to run and hears what happened.
            guard: knows the nodes, the data and where trials save themselves.
            scratch: for Ray Tune's own files, seen by all nodes: an absolute path or a URI.
            discard: deletes the checkpoint of a trial by its key, once it has ended.
            on_change: called after everything that happened.
            on_notice: called with what the user should know, perhaps again and again.
        """
        self.agenda = agenda
        self.guard = guard
        self.scratch = scratch
        self.discard = discard
        self.on_change = on_change
        self.on_notice = on_notice
        self.by_tune_id: dict[str, Trial] = {}
        self.broken: Exception | None = None
        """The first error of the study's own, which ends the run."""
        self.stop_between_epochs = True
        """Whether a trial that is to stop may finish its epoch first."""
        self._node_of: dict[Trial, str] = {}
        self._failed_on: dict[str, list[Trial]] = {}
        """Trials whose process went away, by their node; whether it is lost too shows later."""
        self._pace = StragglerDetector()
        self._nodes: list[ClusterNode] = []
        self._nodes_at = float("-inf")

    @property
    def stopping(self) -> bool:
        """Whether no further trial may begin."""
        return self.agenda.stopping

    @property
    def at_rest(self) -> bool:
        """Whether no trial is under way."""
        return not self.agenda.running

    def __getstate__(self) -> dict[str, Any]:
        """Pickle as nothing: Ray Tune saves what it is given, for a restore that is not its job."""
        return {}

    def __deepcopy__(self, memo: object) -> "TrialRunner":
        """Stay the one that it is, where Ray Tune copies the specification of a trial."""
        return self

    def run(self) -> None:
        """Run until the agenda is finished, or has been told to stop and all trials are saved."""
        with self._scratch() as scratch:
            try:
                self._tuner(scratch).fit()
            except Exception:
                if self.broken is None:
                    raise
        if self.broken is not None:
            raise self.broken
        self.abandon()

    def _tuner(self, scratch: str) -> tune.Tuner:
        return tune.Tuner(
            TrialTrainable,
            tune_config=tune.TuneConfig(
                search_alg=TuneSearcher(self),
                scheduler=TuneScheduler(self),
                num_samples=-1,
                reuse_actors=True,
                trial_name_creator=lambda trial: str(trial.config["name"]),
                trial_dirname_creator=lambda trial: trial.trial_id,
            ),
            run_config=tune.RunConfig(
                name="trials",
                storage_path=scratch,
                stop=TuneStopper(self),
                callbacks=[TuneCallback(self)],
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=0),
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            ),
        )

    @contextmanager
    def _scratch(self) -> Iterator[str]:
        """Lend Ray Tune a folder: its actors look for it on whichever node they run."""
        if not self.guard.cluster.existing:
            with lend_scratch("tune") as folder:
                yield folder
            return
        shared = StorageFolder(self.scratch)
        try:
            yield self.scratch
        finally:
            shared.destroy()

    def abandon(self) -> None:
        """Note that what is still handed out comes to nothing in this launch."""
        for trial in self.by_tune_id.values():
            if trial.state == "running":
                self.agenda.interrupted(trial)
            else:
                self.agenda.withdraw(trial)
        self.by_tune_id.clear()

    def assignment(self, trial: Trial) -> TrialAssignment:
        """Return what an actor needs to know of a trial."""
        return TrialAssignment(
            name=f"{self.agenda.study.name} {trial.name}",
            study=self.agenda.study.name,
            point=describe_point(trial.point),
            configuration=as_dict(trial.configuration),
            seed=trial.seed,
            key=trial.key,
            data=str(self.guard.question.data),
            checkpoints=self.guard.question.checkpoints,
            checkpoint_seconds=self.agenda.study.checkpoints.at_least_every_seconds,
            cpus=self.agenda.study.resources.cpus,
            gpus=trial.gpus,
            avoid=sorted(self.guard.unfit),
            fingerprint=trial.data,
        )

    @_ends_the_run
    def suggest(self, tune_id: str) -> TrialAssignment | str | None:
        """Return the next trial, None while there is none, or the word that there is no more."""
        agenda = self.agenda
        if (agenda.finished or agenda.stopping) and not agenda.active:
            return str(Searcher.FINISHED)
        # One more than fits, so that an actor that becomes free is reused at once.
        if self._taken(self._usable(), agenda.active) > 1 + 1e-9:
            return None
        trial = agenda.next()
        if trial is None:
            return None
        self.by_tune_id[tune_id] = trial
        return self.assignment(trial)

    def _taken(self, nodes: Sequence[ClusterNode], trials: Iterable[Trial]) -> float:
        """Return which part of the nodes' places trials take; above 1 not all of them fit."""
        cpus = self.agenda.study.resources.cpus
        return part_taken(nodes, [(cpus, trial.gpus) for trial in trials])

    def _usable(self) -> list[ClusterNode]:
        """Return the nodes for trials; once a second those that come and go count."""
        if time.monotonic() - self._nodes_at > 1:
            self._nodes, said = self.guard.usable()
            self._nodes_at = time.monotonic()
            for sentence in said:
                self.on_notice(sentence)
            for id in self._failed_on.keys() & self.guard.lost:
                for trial in self._failed_on.pop(id):
                    self.agenda.forgive(trial)
        return self._nodes

    def place(self) -> str:
        """Return how far the nodes are used, in words; nothing of a single one."""
        if len(self._nodes) < 2:
            return ""
        cpus, shares = self.agenda.study.resources.cpus, self.agenda.shares.distinct
        if len(shares) > 1:
            part = self._taken(self._nodes, self.agenda.running)
            return f"{part:.0%} of the places taken on {len(self._nodes)} nodes"
        places = room_for(self._nodes, cpus, *shares)
        return f"{len(self.agenda.running)} of {places} places taken on {len(self._nodes)} nodes"

    @_ends_the_run
    def started(self, tune_id: str) -> None:
        """Note that an actor has taken a trial up."""
        self.agenda.begin(self.by_tune_id[tune_id])
        self.on_change()

    @_ends_the_run
    def result(self, tune_id: str, result: dict[str, Any]) -> str:
        """Note a result and return Ray Tune's word for what is to happen with the trial."""
        stop = self._epochs(tune_id, result)
        if stop:
            return str(TrialScheduler.STOP)
        if self.agenda.stopping and (result["between_epochs"] or not self.stop_between_epochs):
            return str(TrialScheduler.PAUSE)
        return str(TrialScheduler.CONTINUE)

    def _epochs(self, tune_id: str, result: dict[str, Any]) -> bool:
        trial = self.by_tune_id[tune_id]
        epochs = [EpochMetrics(**metrics) for metrics in result["epochs"]]
        stop = self.agenda.epochs(
            trial, epochs, device=result["device"], precision=result["precision"]
        )
        self._node_of[trial] = result["node"]
        name = self.guard.name(result["node"])
        for epoch in epochs:
            slow = self._pace.slow(name, cost_class(trial.configuration), epoch.images_per_second)
            if slow:
                self.on_notice(slow)
        if result["notice"]:
            where = f"Node {name}: " if self.guard.cluster.existing else ""
            self.on_notice(f"{where}{result['notice']}")
        self.on_change()
        return stop

    @_ends_the_run
    def ended(self, tune_id: str, result: dict[str, Any]) -> None:
        """Note that a trial is trained to its end or stopped early."""
        if result["finished"]:  # Ray Tune keeps a last result from the scheduler
            self._epochs(tune_id, result)
        trial = self.by_tune_id.pop(tune_id)
        self._node_of.pop(trial, None)
        self.agenda.left(
            trial,
            result.get("diagnostics", ()),
            location=self.guard.question.checkpoints,
            missing=result.get("missing", ()),
        )
        self.agenda.completed(trial)
        self.discard(trial.key)
        self.on_change()

    @_ends_the_run
    def paused(self, tune_id: str) -> None:
        """Note that a trial is saved and at rest."""
        self.agenda.interrupted(self.by_tune_id.pop(tune_id))
        self.on_change()

    @_ends_the_run
    def failed(self, tune_id: str, failure: str) -> None:
        """Note that an attempt at a trial failed, with its traceback."""
        trial = self.by_tune_id.pop(tune_id)
        node = self._node_of.pop(trial, "")
        if changed := data_change_in(failure):
            self._refuse_data(trial, changed)
            return
        if any(sign in failure for sign in NODE_LOST):
            log.warning("%s lost its node: %s", trial.name, failure)
            self.agenda.lost(trial)
            self.on_change()
            return
        if any(sign in failure for sign in PROCESS_LOST):
            self._failed_on.setdefault(node, []).append(trial)
        if trial.state == "assigned":  # its setup failed: what failed should have a run
            self.agenda.begin(trial)
        if not self.agenda.failed(trial, failure, out_of_memory="OutOfMemoryError" in failure):
            self.discard(trial.key)
        self.on_change()

    def _refuse_data(self, trial: Trial, reason: str) -> None:
        """Begin no further trial: under the keys that are planned all would be of other data."""
        self.agenda.stopping = True
        if trial.state == "running":
            self.agenda.interrupted(trial)
        else:
            self.agenda.withdraw(trial)
        self.on_notice(f"No further trial begins. {reason}")
        self.on_change()


def data_change_in(failure: str) -> str:
    """Return what has changed of the data, if a failed attempt says that it has, or nothing."""
    sign = f"{DataChangedError.__name__}: "
    said = [line.rpartition(sign)[2] for line in failure.splitlines() if sign in line]
    return said[-1] if said else ""
