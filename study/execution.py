"""The execution, by Ray Tune: actors, shares of GPUs, results. It decides nothing.

Ray Tune asks a searcher for trials and a scheduler what to do with results; both are thin adapters
to the agenda here. Everything that must survive lies elsewhere: trials in MLflow, configurations in
Optuna, checkpoints in the state directory. Ray is imported here and in `trainables.trainable`.
"""

import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Before Ray is imported: it reads these once.
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", str(10**9))  # the ledger is ours
os.environ.setdefault("TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S", "0")
os.environ.setdefault("TUNE_MAX_PENDING_TRIALS_PG", "1000")  # the searcher knows when to stop
os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray  # noqa: E402
from ray import tune  # noqa: E402
from ray.tune.experiment import Trial as TuneTrial  # noqa: E402
from ray.tune.schedulers import FIFOScheduler, TrialScheduler  # noqa: E402
from ray.tune.search import Searcher  # noqa: E402
from ray.tune.stopper import Stopper  # noqa: E402

from study.agenda import Agenda  # noqa: E402
from study.model import Trial  # noqa: E402
from trainables.configuration import as_dict  # noqa: E402
from trainables.metrics import EpochMetrics  # noqa: E402
from trainables.trainable import Assignment, TrialTrainable  # noqa: E402

NOISY = (
    "ray._private.authentication.authentication_token_setup",  # the display says it better
    "ray.tune.analysis.experiment_analysis",  # looks for logs that are turned off
)
"""Loggers whose warnings are of no use."""


class ClusterError(Exception):
    """The cluster cannot run the study; nothing was started."""


@dataclass(frozen=True)
class Cluster:
    """The Ray cluster that the study runs on."""

    dashboard: str | None
    """The dashboard's address, or None where there is none."""
    token: bool
    """Whether the dashboard asks for a token, which ``ray get-auth-token`` prints."""


@contextmanager
def cluster(address: str | None, log_file: Path) -> Iterator[Cluster]:
    """Connect to the cluster at `address`, or start one on this machine, until the block ends.

    Args:
        address: of an existing cluster; None takes RAY_ADDRESS, or else starts a local one.
        log_file: where Ray's own messages go.

    Raises:
        ClusterError: if no cluster answers there.
    """
    handler = logging.FileHandler(log_file)
    for name in ("ray", "ray.tune"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
    existing = address or os.environ.get("RAY_ADDRESS")
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        context = ray.init(
            address=existing,
            include_dashboard=None if existing else True,
            log_to_driver=False,
            logging_level=logging.WARNING,
            configure_logging=False,
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        where = f"the Ray cluster at {existing}" if existing else "a local Ray"
        raise ClusterError(f"cannot use {where}: {error}") from error
    _protect_token()
    try:
        url = context.dashboard_url
        yield Cluster(dashboard=f"http://{url}" if url else None, token=_token().exists())
    finally:
        ray.shutdown()
        handler.close()


def _protect_token() -> None:
    """Ray writes its access token readable by all; it is its owner's alone."""
    if _token().exists():
        _token().chmod(0o600)


def _token() -> Path:
    return Path.home() / ".ray" / "auth_token"


def check_resources(cpus: float, gpus: float) -> None:
    """Check that some node has room for one trial.

    Raises:
        ClusterError: saying what is asked for and what there is.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if any(n.get("CPU", 0) >= cpus and n.get("GPU", 0) >= gpus for n in nodes):
        return
    have = "; ".join(f"{n.get('CPU', 0):g} CPUs and {n.get('GPU', 0):g} GPUs" for n in nodes)
    raise ClusterError(
        f"a trial asks for {cpus:g} CPUs and {gpus:g} GPUs (`resources` in the study file), "
        f"but no node of the cluster has them: {have}"
    )


def slots(cpus: float, gpus: float) -> int:
    """Return how many trials of this share run side by side on the cluster as it is now."""
    count = 0
    for node in ray.nodes():
        if node["Alive"]:
            have = node["Resources"]
            rooms = [have.get(name, 0) / n for name, n in (("CPU", cpus), ("GPU", gpus)) if n]
            count += int(min(rooms) + 1e-9)
    return count


class Execution:
    """One run of Ray Tune over an agenda."""

    def __init__(
        self,
        agenda: Agenda,
        *,
        data: Path,
        checkpoints: str,
        discard: Callable[[str], None],
        on_change: Callable[[], None],
        on_notice: Callable[[str], None],
    ) -> None:
        """Prepare.

        Args:
            agenda: says what to run and hears what happened.
            data: the folder of the data sets, absolute.
            checkpoints: where trials save themselves: an absolute path or a URI.
            discard: deletes the checkpoint of a trial by its key, once it has ended.
            on_change: called after everything that happened.
            on_notice: called with what the user should know, perhaps again and again.
        """
        self.agenda = agenda
        self.data = data
        self.checkpoints = checkpoints
        self.discard = discard
        self.on_change = on_change
        self.on_notice = on_notice
        self.by_tune_id: dict[str, Trial] = {}
        self.stop_between_epochs = True
        """Whether a trial that is to stop may finish its epoch first."""
        self._slots_known, self._slots_at = 0, float("-inf")

    def __getstate__(self) -> dict[str, Any]:
        """Pickle as nothing: Ray Tune saves what it is given, for a restore that is not its job."""
        return {}

    def __deepcopy__(self, memo: object) -> "Execution":
        """Stay the one that it is, where Ray Tune copies the specification of a trial."""
        return self

    def run(self) -> None:
        """Run until the agenda is finished, or has been told to stop and all trials are saved."""
        resources = self.agenda.study.resources
        check_resources(resources.cpus, resources.gpus)
        with tempfile.TemporaryDirectory(prefix="study-tune-") as scratch:
            tune.Tuner(
                TrialTrainable,
                tune_config=tune.TuneConfig(
                    search_alg=_Searcher(self),
                    scheduler=_Scheduler(self),
                    num_samples=-1,
                    reuse_actors=True,
                    trial_name_creator=lambda trial: str(trial.config["name"]),
                    trial_dirname_creator=lambda trial: trial.trial_id,
                ),
                run_config=tune.RunConfig(
                    name="trials",
                    storage_path=scratch,
                    stop=_Stopper(self),
                    callbacks=[_Callback(self)],
                    verbose=0,
                    failure_config=tune.FailureConfig(max_failures=0),
                    checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                ),
            ).fit()
        self.abandon()

    def abandon(self) -> None:
        """Note that what is still handed out comes to nothing in this launch."""
        for trial in self.by_tune_id.values():
            if trial.state == "running":
                self.agenda.interrupted(trial)
            else:
                self.agenda.withdraw(trial)
        self.by_tune_id.clear()

    def assignment(self, trial: Trial) -> Assignment:
        """Return what an actor needs to know of a trial."""
        return Assignment(
            name=f"{self.agenda.study.name} {trial.name}",
            configuration=as_dict(trial.configuration),
            seed=trial.seed,
            key=trial.key,
            data=str(self.data),
            checkpoints=self.checkpoints,
            checkpoint_seconds=self.agenda.study.checkpoints.at_least_every_seconds,
            cpus=self.agenda.study.resources.cpus,
            gpus=trial.gpus,
        )

    def suggest(self, tune_id: str) -> Assignment | str | None:
        """Return the next trial, None while there is none, or the word that there is no more."""
        agenda = self.agenda
        if (agenda.finished or agenda.stopping) and not agenda.active:
            return str(Searcher.FINISHED)
        # One more than fits, so that an actor that becomes free is reused at once.
        if len(agenda.active) > self._slots():
            return None
        trial = agenda.next()
        if trial is None:
            return None
        self.by_tune_id[tune_id] = trial
        return self.assignment(trial)

    def _slots(self) -> int:
        """Return the room on the cluster, asked for once a second: nodes join and leave."""
        if time.monotonic() - self._slots_at > 1:
            resources = self.agenda.study.resources
            self._slots_known = slots(resources.cpus, resources.gpus)
            self._slots_at = time.monotonic()
        return self._slots_known

    def started(self, tune_id: str) -> None:
        """Note that an actor has taken a trial up."""
        self.agenda.begin(self.by_tune_id[tune_id])
        self.on_change()

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
        if result["notice"]:
            self.on_notice(result["notice"])
        self.on_change()
        return stop

    def ended(self, tune_id: str, result: dict[str, Any]) -> None:
        """Note that a trial is trained to its end or stopped early."""
        if result["finished"]:  # Ray Tune keeps a last result from the scheduler
            self._epochs(tune_id, result)
        trial = self.by_tune_id.pop(tune_id)
        self.agenda.left(trial, result.get("diagnostics", ()), location=self.checkpoints)
        self.agenda.completed(trial)
        self.discard(trial.key)
        self.on_change()

    def paused(self, tune_id: str) -> None:
        """Note that a trial is saved and at rest."""
        self.agenda.interrupted(self.by_tune_id.pop(tune_id))
        self.on_change()

    def failed(self, tune_id: str, failure: str) -> None:
        """Note that an attempt at a trial failed, with its traceback."""
        trial = self.by_tune_id.pop(tune_id)
        if trial.state == "assigned":  # its setup failed: what failed should have a run
            self.agenda.begin(trial)
        if not self.agenda.failed(trial, failure, out_of_memory="OutOfMemoryError" in failure):
            self.discard(trial.key)
        self.on_change()


class _Searcher(Searcher):
    """Asks the agenda."""

    def __init__(self, execution: Execution) -> None:
        super().__init__(metric="done", mode="max")
        self.execution = execution

    def suggest(self, trial_id: str) -> Any:
        return self.execution.suggest(trial_id)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Leave it to the scheduler, which hears of each end with its cause."""

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: the agenda is rebuilt from the records."""

    def restore(self, checkpoint_path: str) -> None:
        raise NotImplementedError("a study is resumed by launching it again")


class _Scheduler(FIFOScheduler):
    """Tells the agenda."""

    def __init__(self, execution: Execution) -> None:
        super().__init__()
        self.execution = execution

    def choose_trial_to_run(self, tune_controller: Any, **kwargs: Any) -> TuneTrial | None:
        if self.execution.agenda.stopping:
            return None  # or a trial that was saved and paused would go on
        return super().choose_trial_to_run(tune_controller, **kwargs)

    def on_trial_result(
        self, tune_controller: Any, trial: TuneTrial, result: dict[str, Any]
    ) -> str:
        return self.execution.result(trial.trial_id, result)

    def on_trial_complete(
        self, tune_controller: Any, trial: TuneTrial, result: dict[str, Any]
    ) -> None:
        self.execution.ended(trial.trial_id, result)

    def on_trial_error(self, tune_controller: Any, trial: TuneTrial) -> None:
        # The file on this machine: where Ray Tune's own getter looks, it arrives only later.
        file = trial.error_file
        failure = Path(file).read_text() if file and Path(file).exists() else "its process died"
        self.execution.failed(trial.trial_id, failure)


class _Callback(tune.Callback):
    """Hears what a scheduler does not: that a trial has an actor, that it is saved."""

    def __init__(self, execution: Execution) -> None:
        self.execution = execution

    def on_trial_start(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any
    ) -> None:
        self.execution.started(trial.trial_id)

    def on_trial_save(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any
    ) -> None:
        self.execution.paused(trial.trial_id)


class _Stopper(Stopper):
    """Ends Ray Tune's loop once the agenda was told to stop and every trial is at rest."""

    def __init__(self, execution: Execution) -> None:
        self.execution = execution

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self.execution.agenda.stopping and not self.execution.agenda.running
