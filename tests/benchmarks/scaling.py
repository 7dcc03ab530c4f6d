"""How a study's driver scales: what a trial costs it after thousands of others, and on many nodes.

    python -m tests.benchmarks.scaling [--trials N …] [--launched N …] [--nodes N …] [--folder DIR]
        [--sampler NAME] [--out FILE]

It prints the results and writes them, dated, below `tests/benchmarks/results/`. What counts are
ratios within one run, and processor time, which is a process's own whoever else uses the machine.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psutil
from ray.cluster_utils import Cluster

from tests.benchmarks import overhead
from tests.benchmarks.__main__ import RESULTS
from tests.benchmarks.driver import BESIDE, PARTS, SIDE_BY_SIDE
from tests.benchmarks.no_op_studies import ROOT, SEEDS, Studies, cpu_seconds, resident
from tests.benchmarks.table import Figure, header, section
from tests.study.services import MlflowServer

HOSTS = 4
"""Nodes that have room for a trial: each takes half a GiB for it."""
TRIALS_A_HOST = 100
RECORDS = 4
"""Of a trial of one epoch: its beginning, its parameters, its epoch, its end."""
OBJECTS = 80 * 2**20
"""Bytes of a node's object store."""
OF_A_NODE = ("raylet", "ray::DashboardAg", "ray::RuntimeEnvA")
WORDS = {
    "all": "a trial, with all that follows",
    "ask": "a configuration asked for",
    "report": "an epoch's mean reported",
    "tell": "a configuration judged",
    "elsewhere": "looked up in other studies",
    "append": "a record put on file",
    "deliver": "a record written to MLflow, by the spool's thread",
}


def main() -> None:
    """Measure and write the results."""
    options = _options()
    out = options.out or RESULTS / f"{time.strftime('%Y-%m-%d')}-scaling.md"
    measured = [header(short=False)]
    print(measured[0])
    with tempfile.TemporaryDirectory(prefix="bench-", dir=options.folder) as folder:
        for text in _sections(options, Path(folder)):
            print(text, flush=True)
            measured.append(text)
            out.write_text("\n".join(measured))  # a run that is cut off leaves what it has
    print(f"Written to {out}")


def _sections(options: argparse.Namespace, folder: Path) -> Iterator[str]:
    for trials in options.trials:
        yield driver(trials, folder, sampler=options.sampler, rule=options.early_stopping)
    if options.launched:
        yield from overhead.measure(options.launched, [], repeats=5, sampler=options.sampler)
    for nodes in options.nodes:
        yield cluster(nodes, folder, sampler=options.sampler)


def driver(trials: int, folder: Path, *, sampler: str, rule: str | None) -> str:
    """Return what so many trials cost the driver without Ray, in a process of its own."""
    own = Path(tempfile.mkdtemp(dir=folder))
    command = [sys.executable, "-m", "tests.benchmarks.driver", str(own), str(trials)]
    command += ["--sampler", sampler, *(["--early-stopping", rule] if rule else [])]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=ROOT)
    found = json.loads(done.stdout)
    stopping = f", early stopping by {rule}" if rule else ""
    return section(
        f"The driver without Ray, {trials:,} trials",
        f"Sampler {sampler}{stopping}, {SEEDS} seeds, {SIDE_BY_SIDE} trials handed out at "
        "a time, results taken as fast as they can be; Optuna and MLflow on SQLite. Milliseconds "
        "are processor time of the part's own thread, the mean of a call; growth is of the ninth "
        "tenth of the trials against the second: the first and the last hold what is done once.",
        [*_rates(found), *_parts(found), *_launch(found)],
    )


def _rates(found: dict[str, Any]) -> Iterator[Figure]:
    trials = found["trials"]
    yield Figure(what="results taken", value=trials / found["seconds"], unit="trials/s")
    yield Figure(
        what="records written", value=found["records"] / found["recorded_seconds"], unit="records/s"
    )
    for what, end in (("last result", "taken_mb"), ("last record", "end_mb")):
        growth = 1024 * (found[end] - found["start_mb"]) / trials
        yield Figure(what=f"memory until the {what}, per trial", value=growth, unit="KB")
    yield Figure(what="memory at the end", value=found["end_mb"], unit="MB")


def _parts(found: dict[str, Any]) -> Iterator[Figure]:
    for part in PARTS:
        tenths = found["parts"][part]
        calls = sum(tenth[0] for tenth in tenths)
        if not calls:
            continue
        mean = 1000 * sum(tenth[1] for tenth in tenths) / calls
        yield Figure(what=WORDS[part], value=mean, unit="ms", note=_growth(tenths))


def _growth(tenths: list[list[float]]) -> str:
    """Return the ninth tenth of the trials against the second, in words."""
    early, late = tenths[1], tenths[-2]
    if not early[1] or not late[0]:
        return ""
    return f"grows {late[1] / late[0] / (early[1] / early[0]):.2f}x"


def _launch(found: dict[str, Any]) -> Iterator[Figure]:
    yield Figure(what="a line of the display, at the end", value=found["draw_ms"], unit="ms")
    for what, seconds in found["look_up"].items():
        yield Figure(what=f"the next launch: {what}", value=seconds, unit="s")
    tenths = found["beside"]["parts"]["elsewhere"]
    calls, _, wall = map(sum, zip(*tenths, strict=True))
    yield Figure(
        what=f"looked up by another study, of {BESIDE} trials, in these",
        value=1000 * wall / calls,
        unit="ms",
        note="with waiting: a thread of its own asks",
    )


def cluster(nodes: int, folder: Path, *, sampler: str) -> str:
    """Return what a launch takes on a cluster of so many nodes, all on this machine."""
    own = Path(tempfile.mkdtemp(dir=folder))
    trials = TRIALS_A_HOST * min(nodes, HOSTS)
    started = time.perf_counter()
    with ExitStack() as stack:
        address = stack.enter_context(_nodes(nodes))
        up = time.perf_counter() - started
        server = MlflowServer(own, f"sqlite:///{own / 'server.db'}")
        stack.callback(server.stop)
        memory = sum(_family_mb(name) for name in OF_A_NODE) / nodes
        head = next(p for p in psutil.Process().children() if p.name() == "gcs_server")
        before = cpu_seconds(head)
        studies = Studies(own, server=server.uri, RAY_ADDRESS=address)
        launch = studies.launch(trials, sampler=sampler)
        spent, held = cpu_seconds(head) - before, resident(head) / 2**20
        again = studies.launch(trials, sampler=sampler)
        of_trials = studies.seconds_of_trials(trials, sampler=sampler)
    return section(
        f"A cluster of {nodes} nodes",
        f"Real Ray nodes, all on this machine; {min(nodes, HOSTS)} of them have a CPU each for "
        f"trials, the rest none: they are there to be kept track of. {trials:,} no-op trials, an "
        "MLflow server. The trials share the machine's cores, so their rate is not the driver's "
        "limit.",
        [
            Figure(what="the nodes come up in", value=up, unit="s"),
            Figure(what="memory of a node without trials", value=memory, unit="MB"),
            Figure(what="trials ended", value=trials / of_trials, unit="trials/s"),
            Figure(what="records written", value=RECORDS * trials / of_trials, unit="records/s"),
            Figure(what="start and end of the launch", value=launch.seconds - of_trials, unit="s"),
            Figure(what="launch with nothing to do", value=again.seconds, unit="s"),
            Figure(what="driver's processor time", value=launch.driver_cpu, unit="s"),
            Figure(what="driver's memory", value=launch.driver_mb, unit="MB"),
            Figure(what="processor time of the head's store (GCS)", value=spent, unit="s"),
            Figure(what="memory of the head's store (GCS)", value=held, unit="MB"),
        ],
    )


@contextmanager
def _nodes(count: int) -> Iterator[str]:
    """Start so many Ray nodes, as light as they come, and yield the head's address."""
    with patch.dict(os.environ, RAY_enable_worker_prestart="0"):
        cluster = Cluster()
        try:
            for number in range(count):
                cluster.add_node(
                    num_cpus=int(number < HOSTS),
                    object_store_memory=OBJECTS,
                    include_dashboard=False,
                    wait=number == 0,
                )
            cluster.wait_for_nodes(timeout=600)
            yield str(cluster.address)
        finally:
            cluster.shutdown()


def _family_mb(name: str) -> float:
    """Return what the processes of a name hold, of shared pages their part; 2^20 bytes."""
    own = psutil.Process().children(recursive=True)
    return sum(p.memory_full_info().pss for p in own if p.name().startswith(name)) / 2**20


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.scaling", description=__doc__)
    sizes: dict[str, Any] = {"nargs": "*", "type": int, "metavar": "N"}
    parser.add_argument("--trials", default=[100, 1000, 10_000], help="without Ray", **sizes)
    parser.add_argument("--launched", default=[100, 1000], help="by real launches", **sizes)
    parser.add_argument("--nodes", default=[4, 100], help="real nodes on this machine", **sizes)
    parser.add_argument("--sampler", default="random")
    parser.add_argument("--early-stopping", metavar="NAME", help="a rule, without Ray")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="where the studies' files lie")
    parser.add_argument("--out", type=Path, metavar="FILE")
    return parser.parse_args()


if __name__ == "__main__":
    main()
