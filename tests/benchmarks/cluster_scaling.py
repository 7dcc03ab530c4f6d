"""What the driver of a large study costs: trials that do nothing, on nodes whose CPUs are made up.

    python -m tests.benchmarks.cluster_scaling [--trials N …] [--nodes N] [--cpus N] [--out FILE]

Search, record and execution are the real ones, of a launch; only the training is left out. Each
size is a process of its own. Nodes are processes on this machine, so what is measured is an upper
bound: they share its cores with the driver and the tracking server.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml
from rich.console import Console

from tests.study.services import MlflowServer
from trainables.metrics import EpochMetrics

STUDY: dict[str, Any] = {
    "study": "scaling",
    "question": "How many trials can one driver drive?",
    "trial": {
        "dataset": {"name": "digits", "validation": 0.2},
        "network": {"name": "lenet"},
        "regularizer": {"name": "lamix"},
        "training": {"epochs": 1},
    },
    "search": {
        "sampler": "random",
        "seeds": 1,
        "space": {"regularizer.beta": {"low": 0.1, "high": 0.9}},
    },
    "scales": {"quick": {}, "paper": {}},
}


@dataclass(frozen=True)
class Cost:
    """What a study of some size took."""

    trials: int
    seconds: float
    """From the first trial to the end of the last record."""
    records: int
    memory_mb: float
    """The driver's peak."""
    before_mb: float
    """The driver's memory before the first trial."""


def main() -> None:
    """Measure each size and write a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, nargs="+", default=[100, 500, 2000])
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--cpus", type=int, default=2, help="of each node")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(asdict(measure(options.one, options.nodes, options.cpus))))
        return
    costs = [_apart(size, options) for size in options.trials]
    options.out.mkdir(exist_ok=True)
    (options.out / "cluster_scaling.md").write_text(_table(costs, options))


def _apart(size: int, options: argparse.Namespace) -> Cost:
    flags = ["--one", size, "--nodes", options.nodes, "--cpus", options.cpus]
    command = [sys.executable, "-m", "tests.benchmarks.cluster_scaling", *map(str, flags)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    cost = Cost(**json.loads(output.splitlines()[-1]))
    print(cost, flush=True)
    return cost


def measure(size: int, nodes: int, cpus: int) -> Cost:
    """Run a study of `size` trials and return what it took."""
    with tempfile.TemporaryDirectory(prefix="scaling-", dir="/tmp") as scratch:
        folder = Path(scratch)
        file = folder / "scaling.yaml"
        search = {**STUDY["search"], "configurations": size}
        file.write_text(yaml.safe_dump({**STUDY, "search": search}))
        with _cluster(nodes, cpus), _server(folder):
            return _run(file, folder, size)


@contextmanager
def _cluster(nodes: int, cpus: int) -> Iterator[None]:
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": cpus})
    for _ in range(nodes - 1):
        cluster.add_node(num_cpus=cpus)
    os.environ["RAY_ADDRESS"] = cluster.address
    try:
        yield
    finally:
        cluster.shutdown()


@contextmanager
def _server(folder: Path) -> Iterator[None]:
    server = MlflowServer(folder, f"sqlite:///{folder / 'mlflow.db'}")
    os.environ["MLFLOW_TRACKING_URI"] = server.uri
    try:
        yield
    finally:
        server.stop()


def _run(file: Path, folder: Path, size: int) -> Cost:
    os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", str(10**9))
    from study import execution
    from study.file import load
    from study.session import Session
    from study.state import State

    study = load(file)
    state = State.open(str(folder / "state"), study.name, study.scale)
    console = Console(file=sys.stderr, soft_wrap=True)
    execution.TrialTrainable = _idle()  # type: ignore[misc]
    session = Session(study, console, folder=state, data=folder, command="", planning=False)
    before, started = psutil.Process().memory_info().rss, time.monotonic()
    status = session.run(None)
    assert status == 0
    records = 3 * size  # begin, epochs, end
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Cost(size, time.monotonic() - started, records, peak, before / 2**20)


def _idle() -> type:
    from trainables.trainable import TrialTrainable

    class Idle(TrialTrainable):
        """A trial that is at its end at once."""

        def setup(self, config: dict[str, Any]) -> None:
            self.reset_config(config)

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            del new_config
            return True

        def step(self) -> dict[str, Any]:
            return {
                "epochs": [asdict(EPOCH)],
                "between_epochs": True,
                "device": "none",
                "node": "",
                "notice": "",
                "diagnostics": [],
                "finished": True,
                "done": True,
            }

    return Idle


EPOCH = EpochMetrics(
    epoch=1,
    train_loss=1.0,
    train_error=10.0,
    validation_error=10.0,
    test_error=10.0,
    learning_rate=0.1,
    epoch_seconds=0.0,
    images_per_second=1.0,
    peak_memory_mb=1.0,
)


def _table(costs: list[Cost], options: argparse.Namespace) -> str:
    rows = [
        f"| {c.trials:,} | {c.seconds:,.0f} | {c.trials / c.seconds:.1f} | "
        f"{c.records / c.seconds:.0f} | {c.memory_mb:,.0f} | "
        f"{(c.memory_mb - c.before_mb) * 1024 / c.trials:,.0f} |"
        for c in costs
    ]
    return "\n".join(
        [
            "# What the driver of a large study costs",
            "",
            f"`python -m tests.benchmarks.cluster_scaling`, {time.strftime('%Y-%m-%d')}: trials "
            f"that do nothing on {options.nodes} nodes of {options.cpus} made-up CPUs, all on one "
            f"machine of {os.cpu_count()} cores (load {os.getloadavg()[2]:.1f}) with the tracking "
            "server (SQLite). The time is a whole launch, its table and records included.",
            "",
            "| trials | seconds | trials/s | records/s | driver's peak, MB | growth, kB a trial |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    main()
