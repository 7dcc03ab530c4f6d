"""The Ray cluster that a study runs on: connecting, nodes, GPUs to measure on."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import ray
from ray.exceptions import GetTimeoutError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

import trainables
from analysis.counted import count_text
from analysis.record import credentials
from study.execution.addresses import check_port, refuse_address
from study.execution.local_ray import (
    RayStartError,
    check_ray_folder,
    kept_handlers,
    likely_cause,
    provide_token,
    shielded_processes,
    shut_ray_down,
)
from study.scheduling.gpu_shares import GpuBench
from study.scheduling.nodes import ClusterNode, room_for, this_machine
from trainables.configuration import Configuration
from trainables.devices import first_gpu
from trainables.probe import ProbedTrial, TrialProbe, side_by_side

log = logging.getLogger(__name__)

JOIN_SECONDS = 60.0
"""How long an existing cluster is given until a node has room for a trial."""
START_ATTEMPTS = 3
"""How often a local Ray is started that takes too long."""
TOO_SLOW = "timed out during startup"
"""Ray's words for that."""
HEAD_SECONDS = 40.0
"""How long the head may fail to answer. After 60 s Ray itself ends the process, without a word."""
MEASURE_SECONDS = 900.0
"""How long a measurement on a GPU may take, the wait for a free GPU included."""

QUIETLY: dict[str, Any] = {
    "log_to_driver": False,
    "logging_level": logging.WARNING,
    "configure_logging": False,
}
"""How Ray is told to leave the terminal to the launch."""
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
def connect_cluster(log_file: Path) -> Iterator["RayCluster"]:
    """Connect to the cluster at RAY_ADDRESS, or start one on this machine, until the block ends.

    Args:
        log_file: where Ray's own messages go.

    Raises:
        ClusterError: if no cluster answers there.
    """
    handler = logging.FileHandler(log_file)
    handler.setFormatter(credentials.HidingFormatter(logging.BASIC_FORMAT))
    for name in ("ray", "ray.tune"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)
    # Ray prints some of its messages; the console of a launch has its own hold of the terminal.
    stream = handler.stream
    try:
        with redirect_stdout(stream), redirect_stderr(stream), _connect_ray(log_file) as found:
            yield found
    finally:
        with suppress(OSError):  # what a full disk has no room for is lost
            handler.close()


@contextmanager
def _connect_ray(log_file: Path) -> Iterator["RayCluster"]:
    address = os.environ.get("RAY_ADDRESS", "")
    existing = address not in ("", "local")
    try:
        with kept_handlers():
            context = _join_ray(address) if existing else _start_ray(log_file.parent)
        url = context.dashboard_url
        yield RayCluster(
            existing=existing,
            head=ray.get_runtime_context().gcs_address,
            dashboard=f"http://{url}" if url else None,
            token=os.environ.get("RAY_AUTH_MODE") == "token",
        )
    finally:
        shut_ray_down()


def _join_ray(address: str) -> Any:
    """Connect to an existing Ray.

    Raises:
        ClusterError: if no Ray answers there.
    """
    try:
        refuse_address(address)
        return ray.init(address=address, runtime_env=_code_environment(), **QUIETLY)
    except (OSError, ValueError, RuntimeError) as error:
        raise ClusterError(f"cannot use the Ray cluster at {address}: {error}") from error


def _start_ray(folder: Path) -> Any:
    """Start a Ray on this machine.

    Args:
        folder: the launch's own, for an access token where the home folder cannot be written.

    Raises:
        ClusterError: if Ray does not start; the message says what mends it, as far as is known.
    """
    try:
        check_ray_folder()
        provide_token(folder / "ray_token")
        return _try_to_start_ray()
    except RayStartError as error:
        raise ClusterError(f"cannot start a local Ray: {error}") from error
    except Exception as error:  # Ray raises bare ones too
        log.exception("a local Ray does not start")
        raise ClusterError(f"cannot start a local Ray: {likely_cause(error)}") from error


def _try_to_start_ray() -> Any:
    """Start a Ray on this machine, and again if it takes too long: a busy machine may be less so.

    Ray gives its processes 30 s and no more.
    """
    here = this_machine()
    for attempt in range(1, START_ATTEMPTS + 1):
        try:
            with shielded_processes():
                return ray.init(
                    # Not None: that would be whatever Ray was started last on this machine.
                    address="local",
                    num_cpus=int(here.cpus),
                    # As trials find them, also where Ray finds none; without any, Ray looks.
                    num_gpus=int(here.gpus) or None,
                    include_dashboard=True,
                    **QUIETLY,
                )
        except Exception as error:  # a bare one
            if TOO_SLOW not in str(error) or attempt == START_ATTEMPTS:
                raise
            log.warning("Ray takes too long to start, attempt %d: %s", attempt, error)
            ray.shutdown()
    raise AssertionError


def _code_environment() -> dict[str, Any]:
    """Return the runtime environment that takes the training code to every node."""
    return {"py_modules": [str(Path(trainables.__file__).parent)], "excludes": ["__pycache__"]}


@dataclass(frozen=True)
class RayCluster:
    """The Ray cluster that the study runs on."""

    existing: bool
    """Whether it was there before; a local one is of this launch alone."""
    head: str
    """Where the head answers, as host:port."""
    dashboard: str | None
    """The dashboard's address, or None where there is none."""
    token: bool
    """Whether the dashboard asks for a token, which ``ray get-auth-token`` prints."""

    def nodes(self) -> list[ClusterNode]:
        """Return the nodes that are there now."""
        return [
            ClusterNode(
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

        The thread that drives Ray cannot notice the loss: each call of Ray's waits for the head.
        """
        over = threading.Event()
        threading.Thread(target=self._watch_head, args=(over, on_loss), daemon=True).start()
        try:
            yield
        finally:
            over.set()

    def _watch_head(self, over: threading.Event, on_loss: Callable[[], None]) -> None:
        heard = time.monotonic()
        while not over.wait(1):
            try:
                check_port(self.head)
                heard = time.monotonic()
            except OSError as error:
                if time.monotonic() - heard > HEAD_SECONDS:
                    log.warning("the head at %s does not answer: %s", self.head, error)
                    on_loss()
                    return

    def wait_for_room(self, cpus: float, gpus: float) -> list[ClusterNode]:
        """Return the nodes once one has room for a trial; nodes of a young cluster may join yet.

        Raises:
            ClusterError: saying what is asked for and what there is.
        """
        deadline = time.monotonic() + (JOIN_SECONDS if self.existing else 0)
        while not room_for(nodes := self.nodes(), cpus, gpus):
            if time.monotonic() >= deadline:
                have = "; ".join(
                    f"{count_text(n.cpus, 'CPU')} and {count_text(n.gpus, 'GPU')}" for n in nodes
                )
                raise ClusterError(
                    f"a trial asks for {count_text(cpus, 'CPU')} and {count_text(gpus, 'GPU')} "
                    f"(`resources` in the study file), but no node of the cluster has them: {have}"
                )
            time.sleep(1)
        return nodes

    def bench(self, data: Path, *, cpus: float) -> GpuBench | None:
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
        found = self._on_gpu(node, first_gpu)
        if found is None:
            raise ClusterError(f"node {node.name} has {node.size}, but PyTorch finds no GPU there")

        def probe(configuration: Configuration, count: int) -> list[TrialProbe]:
            threads = max(1, int(cpus))
            return self._on_gpu(
                node,
                side_by_side,
                ProbedTrial.of(configuration),
                count,
                data=data,
                device="cuda",
                threads=threads,
            )

        return GpuBench(found, node.beside_gpu(cpus), probe)

    def _on_gpu(
        self,
        node: ClusterNode,
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
        except RayTaskError as error:  # what the function raised, and not its traceback as a text
            raise error.cause from error
        return answer
