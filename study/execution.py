"""The execution, by Ray Tune: actors, shares of GPUs, results. It decides nothing.

Ray Tune asks a searcher for trials and a scheduler what to do with results; both are thin adapters
to the agenda here. Everything that must survive lies elsewhere: trials in MLflow, configurations in
Optuna, checkpoints in the state directory. Ray is imported here and in `trainables.trainable`.
"""

import logging
import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

# Before Ray is imported: it reads these once.
if os.environ.get("RAY_ADDRESS", "local") in ("", "local"):
    # A Ray of our own listens on the loopback address alone, as it does on other systems.
    os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
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
from ray.exceptions import GetTimeoutError, RayError  # noqa: E402
from ray.tune.experiment import Trial as TuneTrial  # noqa: E402
from ray.tune.schedulers import FIFOScheduler, TrialScheduler  # noqa: E402
from ray.tune.search import Searcher  # noqa: E402
from ray.tune.stopper import Stopper  # noqa: E402
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # noqa: E402

import trainables  # noqa: E402
from analysis import credentials  # noqa: E402
from study.agenda import Agenda  # noqa: E402
from study.model import Trial, describe, kind  # noqa: E402
from study.nodes import Node, Pace, faults, room, taken  # noqa: E402
from study.shares import Bench  # noqa: E402
from trainables.configuration import Configuration, as_dict  # noqa: E402
from trainables.devices import gpu  # noqa: E402
from trainables.metrics import EpochMetrics  # noqa: E402
from trainables.probe import Probe, side_by_side  # noqa: E402
from trainables.sight import Question, look, versions  # noqa: E402
from trainables.storage import Folder  # noqa: E402
from trainables.trainable import Assignment, TrialTrainable  # noqa: E402

log = logging.getLogger(__name__)

ANSWER_SECONDS = 10.0
"""How long an existing cluster is given to answer at all."""
JOIN_SECONDS = 60.0
"""How long an existing cluster is given until a node has room for a trial."""
HEAD_SECONDS = 40.0
"""How long the head may fail to answer; after 60 s Ray ends the process itself, without a word."""
LOOK_SECONDS = 300.0
"""How long a node is given to look at the data sets; it may have to fetch the code first."""
MEASURE_SECONDS = 900.0
"""How long a measurement on a GPU may take, until one is free included."""
NODE_LOST = ("node has died", "node died", "NodeDiedError")
"""Ray's words for a trial whose node is known to be lost."""
PROCESS_LOST = ("ActorUnavailableError", "ActorDiedError")
"""Ray's words where it cannot tell yet what became of the trial's process, or of its node."""

NOISY = (
    "ray._private.authentication.authentication_token_setup",  # the display says it better
    "ray.tune.analysis.experiment_analysis",  # looks for logs that are turned off
)
"""Loggers whose warnings are of no use."""


Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")


class ClusterError(Exception):
    """The cluster cannot run the study; nothing was started."""


@contextmanager
def cluster(log_file: Path) -> Iterator["Cluster"]:
    """Connect to the cluster at RAY_ADDRESS, or start one on this machine, until the block ends.

    Args:
        log_file: where Ray's own messages go.

    Raises:
        ClusterError: if no cluster answers there.
    """
    handler = logging.FileHandler(log_file)
    handler.setFormatter(credentials.Formatter(logging.BASIC_FORMAT))
    for name in ("ray", "ray.tune"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)
    # Ray prints some of its messages; the console of a launch has its own hold of the terminal.
    stream = handler.stream
    try:
        with redirect_stdout(stream), redirect_stderr(stream), _connected() as found:
            yield found
    finally:
        with suppress(OSError):  # what a full disk has no room for is lost
            handler.close()


@contextmanager
def _connected() -> Iterator["Cluster"]:
    address = os.environ.get("RAY_ADDRESS", "")
    existing = address not in ("", "local")
    try:
        _refuse_addresses(address)
        context = ray.init(
            # Not None: that would be whatever Ray was started last on this machine.
            address=address if existing else "local",
            include_dashboard=None if existing else True,
            runtime_env=_code() if existing else None,
            log_to_driver=False,
            logging_level=logging.WARNING,
            configure_logging=False,
        )
    except (OSError, ValueError, RuntimeError) as error:
        where = f"the Ray cluster at {address}" if existing else "a local Ray"
        raise ClusterError(f"cannot use {where}: {error}") from error
    protect_token()
    try:
        url = context.dashboard_url
        yield Cluster(
            existing=existing,
            head=ray.get_runtime_context().gcs_address,
            dashboard=f"http://{url}" if url else None,
            token=os.environ.get("RAY_AUTH_MODE") == "token",
        )
    finally:
        ray.shutdown()


def _refuse_addresses(address: str) -> None:
    """Refuse addresses where nothing listens, and those that a process that drives cannot use."""
    if address.startswith(("ray://", "http://", "https://")):
        raise ValueError(
            "a launch drives the trials from a node of the cluster; from elsewhere, "
            "`ray job submit --working-dir . -- python -m study.launch …` takes it there"
        )
    if address.rpartition(":")[2].isdecimal():  # Ray itself would try again for minutes
        _call(address)


def _call(address: str) -> None:
    """Open a connection and close it.

    Raises:
        OSError: if nothing answers there.
    """
    host, _, port = address.rpartition(":")
    with socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_SECONDS):
        pass


def _code() -> dict[str, Any]:
    """Return the runtime environment that takes the training code to every node."""
    return {"py_modules": [str(Path(trainables.__file__).parent)], "excludes": ["__pycache__"]}


def protect_token() -> None:
    """Ray writes its access token readable by all; it is its owner's alone."""
    token = Path.home() / ".ray" / "auth_token"
    if token.exists():
        token.chmod(0o600)


@dataclass(frozen=True)
class Cluster:
    """The Ray cluster that the study runs on."""

    existing: bool
    """Whether it was there before; a local one is of this launch alone."""
    head: str
    """Where the head answers, as host:port."""
    dashboard: str | None
    """The dashboard's address, or None where there is none."""
    token: bool
    """Whether the dashboard asks for a token, which ``ray get-auth-token`` prints."""

    def nodes(self) -> list[Node]:
        """Return the nodes that are there now."""
        return [
            Node(
                id=node["NodeID"],
                host=node["NodeName"],
                cpus=node["Resources"].get("CPU", 0),
                gpus=node["Resources"].get("GPU", 0),
            )
            for node in ray.nodes()
            if node["Alive"]
        ]

    @contextmanager
    def watched(self, on_loss: Callable[[], None]) -> Iterator[None]:
        """Call `on_loss`, from another thread, if the head is lost before the block ends.

        The thread that drives Ray cannot hear of it: each call of Ray's waits for the head.
        """
        over = threading.Event()
        threading.Thread(target=self._watch, args=(over, on_loss), daemon=True).start()
        try:
            yield
        finally:
            over.set()

    def _watch(self, over: threading.Event, on_loss: Callable[[], None]) -> None:
        heard = time.monotonic()
        while not over.wait(1):
            try:
                _call(self.head)
                heard = time.monotonic()
            except OSError as error:
                if time.monotonic() - heard > HEAD_SECONDS:
                    log.warning("the head at %s does not answer: %s", self.head, error)
                    on_loss()
                    return

    def wait_for_room(self, cpus: float, gpus: float) -> list[Node]:
        """Return the nodes once one has room for a trial; those of a young cluster may yet join.

        Raises:
            ClusterError: saying what is asked for and what there is.
        """
        deadline = time.monotonic() + (JOIN_SECONDS if self.existing else 0)
        while not room(nodes := self.nodes(), cpus, gpus):
            if time.monotonic() >= deadline:
                have = "; ".join(f"{n.cpus:g} CPUs and {n.gpus:g} GPUs" for n in nodes)
                raise ClusterError(
                    f"a trial asks for {cpus:g} CPUs and {gpus:g} GPUs (`resources` in the study "
                    f"file), but no node of the cluster has them: {have}"
                )
            time.sleep(1)
        return nodes

    def bench(self, data: Path, *, cpus: float) -> Bench | None:
        """Return a GPU of the nodes that are there now, to measure trials on, or None.

        Args:
            data: the folder of the data sets.
            cpus: of a trial.

        Raises:
            ClusterError: if Ray has a GPU that PyTorch does not find.
        """
        node = max(self.nodes(), key=lambda node: node.gpus)
        if node.gpus < 1:
            return None
        found = self._on_gpu(node, gpu)
        if found is None:
            raise ClusterError(f"node {node.name} has {node.size}, but PyTorch finds no GPU there")

        def probe(configuration: Configuration, count: int) -> list[Probe]:
            threads = max(1, int(cpus))
            return self._on_gpu(
                node, side_by_side, configuration, count, data=data, device="cuda", threads=threads
            )

        return Bench(found, node.beside_gpu(cpus), probe)

    def _on_gpu(
        self,
        node: Node,
        function: Callable[Arguments, Answer],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Answer:
        """Return what a function returns where it has a GPU of the node to itself."""
        where = NodeAffinitySchedulingStrategy(node.id, soft=False)
        # Its process ends with it (`max_calls`): it would keep some of the memory for itself.
        task = ray.remote(num_cpus=0, num_gpus=1, max_calls=1, max_retries=0)(function)
        reference = task.options(scheduling_strategy=where).remote(*args, **kwargs)
        try:
            answer: Answer = ray.get(reference, timeout=MEASURE_SECONDS)
        except GetTimeoutError as error:
            ray.cancel(reference, force=True)
            raise ClusterError(
                f"no GPU of node {node.name} was free to measure within {MEASURE_SECONDS:g} s"
            ) from error
        return answer


class Guard:
    """Keeps trials off nodes where they could not run, or would train on something else.

    A local Ray is like its driver, and is not asked.
    """

    def __init__(
        self,
        cluster: Cluster,
        share: tuple[float, float],
        question: Question,
        fingerprints: Sequence[str],
    ) -> None:
        """Prepare.

        Args:
            cluster: where.
            share: CPUs and GPUs of a trial; nodes without room for one are not asked.
            question: what each node is asked.
            fingerprints: of its data sets, as the driver reads them.
        """
        self.cluster = cluster
        self.share = share
        self.question = question
        self.fingerprints = fingerprints
        self.unfit: set[str] = set()
        """Ids of the nodes that joined and cannot be used."""
        self.lost: set[str] = set()
        """Ids of the nodes that have left."""
        self._known: dict[str, Node] = {}
        self._asked: dict[str, ray.ObjectRef] = {}

    def __enter__(self) -> Self:
        if self.cluster.existing:
            try:
                Folder(self.question.checkpoints).write(self.question.token, b"")
            except OSError as error:
                raise ClusterError(f"cannot write to the state directory: {error}") from error
        return self

    def __exit__(self, *exception: object) -> None:
        if self.cluster.existing:
            Folder(self.question.checkpoints).delete(self.question.token)

    def check(self) -> list[str]:
        """Look at the nodes that are there at the start; return what speaks against which."""
        for node in self.cluster.nodes():
            self._meet(node)
        asked = dict(self._asked)
        if asked:
            ray.wait([*asked.values()], num_returns=len(asked), timeout=LOOK_SECONDS)
        reasons = [f"{self._known[id].name}: {why}" for id in asked if (why := self._reason(id))]
        self._asked.clear()
        return reasons

    def usable(self) -> tuple[list[Node], list[str]]:
        """Return the nodes that trials may run on now, and what happened to nodes, in words."""
        nodes = {node.id: node for node in self.cluster.nodes()}
        gone = self._known.keys() - nodes.keys()
        self.lost |= gone
        said = [f"Node {self._known[id].name} is lost." for id in gone]
        self._known = {id: node for id, node in self._known.items() if id in nodes}
        for node in nodes.values():
            if node.id not in self._known:
                self._meet(node)
        said += [self._welcome(self._known[id]) for id in self._answered()]
        return [n for n in nodes.values() if n.id not in self.unfit | self._asked.keys()], said

    def name(self, id: str) -> str:
        """Return what people call a node."""
        return self._known[id].name if id in self._known else id[:6]

    def _meet(self, node: Node) -> None:
        self._known[node.id] = node
        if self.cluster.existing and node.room(*self.share):
            where = NodeAffinitySchedulingStrategy(node.id, soft=False)
            task = ray.remote(look).options(num_cpus=0, scheduling_strategy=where, max_retries=0)
            self._asked[node.id] = task.remote(self.question)

    def _answered(self) -> list[str]:
        """Return the ids of those newcomers that have answered; one that is lost never will."""
        self._asked = {id: ref for id, ref in self._asked.items() if id in self._known}
        refs = [*self._asked.values()]
        ready, _ = ray.wait(refs, num_returns=len(refs), timeout=0) if refs else ([], [])
        return [id for id, ref in self._asked.items() if ref in ready]

    def _welcome(self, node: Node) -> str:
        reason = self._reason(node.id)
        del self._asked[node.id]
        if not reason:
            return f"Node {node.name} has joined: {node.size}."
        self.unfit.add(node.id)
        return f"Node {node.name} has joined, but no trial is begun there: {reason}"

    def _reason(self, id: str) -> str:
        """Return what speaks against a node, or nothing."""
        try:
            sight = ray.get(self._asked[id], timeout=0)
        except GetTimeoutError:
            return f"does not answer within {LOOK_SECONDS:g} s"
        except RayError as error:
            return f"cannot run the training code: {str(error).strip().splitlines()[-1]}"
        return "; ".join(faults(sight, versions(), self.fingerprints))


def _heard(
    method: Callable[Concatenate["Execution", Arguments], Answer],
) -> Callable[Concatenate["Execution", Arguments], Answer]:
    """Let an error of ours end the run: Ray Tune would take it for one of the trial and go on."""

    @wraps(method)
    def hear(self: "Execution", *args: Arguments.args, **kwargs: Arguments.kwargs) -> Answer:
        if self.broken is not None:
            raise self.broken
        try:
            return method(self, *args, **kwargs)
        except Exception as error:
            self.broken = error
            raise

    return hear


class Execution:
    """One run of Ray Tune over an agenda."""

    def __init__(
        self,
        agenda: Agenda,
        guard: Guard,
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
        self._pace = Pace()
        self._nodes: list[Node] = []
        self._nodes_at = float("-inf")

    def __getstate__(self) -> dict[str, Any]:
        """Pickle as nothing: Ray Tune saves what it is given, for a restore that is not its job."""
        return {}

    def __deepcopy__(self, memo: object) -> "Execution":
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
        )

    @contextmanager
    def _scratch(self) -> Iterator[str]:
        """Lend Ray Tune a folder: its actors look for it on whichever node they run."""
        if not self.guard.cluster.existing:
            with tempfile.TemporaryDirectory(prefix="study-tune-") as folder:
                yield folder
            return
        shared = Folder(self.scratch)
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

    def assignment(self, trial: Trial) -> Assignment:
        """Return what an actor needs to know of a trial."""
        return Assignment(
            name=f"{self.agenda.study.name} {trial.name}",
            study=self.agenda.study.name,
            point=describe(trial.point),
            configuration=as_dict(trial.configuration),
            seed=trial.seed,
            key=trial.key,
            data=str(self.guard.question.data),
            checkpoints=self.guard.question.checkpoints,
            checkpoint_seconds=self.agenda.study.checkpoints.at_least_every_seconds,
            cpus=self.agenda.study.resources.cpus,
            gpus=trial.gpus,
            avoid=sorted(self.guard.unfit),
        )

    @_heard
    def suggest(self, tune_id: str) -> Assignment | str | None:
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

    def _taken(self, nodes: Sequence[Node], trials: Iterable[Trial]) -> float:
        """Return which part of the nodes' places trials take; above 1 not all of them fit."""
        cpus = self.agenda.study.resources.cpus
        return taken(nodes, [(cpus, trial.gpus) for trial in trials])

    def _usable(self) -> list[Node]:
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
        places = room(self._nodes, cpus, *shares)
        return f"{len(self.agenda.running)} of {places} places taken on {len(self._nodes)} nodes"

    @_heard
    def started(self, tune_id: str) -> None:
        """Note that an actor has taken a trial up."""
        self.agenda.begin(self.by_tune_id[tune_id])
        self.on_change()

    @_heard
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
            slow = self._pace.slow(name, kind(trial.configuration), epoch.images_per_second)
            if slow:
                self.on_notice(slow)
        if result["notice"]:
            where = f"Node {name}: " if self.guard.cluster.existing else ""
            self.on_notice(f"{where}{result['notice']}")
        self.on_change()
        return stop

    @_heard
    def ended(self, tune_id: str, result: dict[str, Any]) -> None:
        """Note that a trial is trained to its end or stopped early."""
        if result["finished"]:  # Ray Tune keeps a last result from the scheduler
            self._epochs(tune_id, result)
        trial = self.by_tune_id.pop(tune_id)
        self._node_of.pop(trial, None)
        self.agenda.left(
            trial, result.get("diagnostics", ()), location=self.guard.question.checkpoints
        )
        self.agenda.completed(trial)
        self.discard(trial.key)
        self.on_change()

    @_heard
    def paused(self, tune_id: str) -> None:
        """Note that a trial is saved and at rest."""
        self.agenda.interrupted(self.by_tune_id.pop(tune_id))
        self.on_change()

    @_heard
    def failed(self, tune_id: str, failure: str) -> None:
        """Note that an attempt at a trial failed, with its traceback."""
        trial = self.by_tune_id.pop(tune_id)
        node = self._node_of.pop(trial, "")
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
        self._live: list[TuneTrial] = []

    def on_trial_add(self, tune_controller: Any, trial: TuneTrial) -> None:
        self._live.append(trial)

    def choose_trial_to_run(self, tune_controller: Any, **kwargs: Any) -> TuneTrial | None:
        """Choose the first that waits; Ray Tune's own would look at all that have ended as well."""
        self._live = [trial for trial in self._live if not trial.is_finished()]
        if self.execution.agenda.stopping:
            return None  # or a trial that was saved and paused would go on
        return next((t for t in self._live if t.status == TuneTrial.PENDING), None)

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
