"""Where a study would run: an existing cluster or this machine, with a GPU to measure on."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from study.launching.study_launch import LaunchRefusedError, StudyLaunch
from study.scheduling.gpu_shares import GpuBench
from study.scheduling.nodes import StudyPlace, this_machine
from trainables.devices import first_gpu
from trainables.probe import side_by_side


def choose_cluster(address: str | None) -> None:
    """Name the cluster in RAY_ADDRESS; Ray reads it when it is imported, so this comes before."""
    if address is not None:
        os.environ["RAY_ADDRESS"] = address


def is_cluster_chosen() -> bool:
    """Return whether the environment names an existing cluster."""
    return os.environ.get("RAY_ADDRESS", "local") not in ("", "local")


@contextmanager
def lend_place(launch: StudyLaunch) -> Iterator[StudyPlace]:
    """Lend what the study would run on: an existing cluster, or this machine.

    Raises:
        LaunchRefusedError: if the cluster cannot be used.
    """
    if not is_cluster_chosen():
        yield StudyPlace([this_machine()], _own_bench(launch))
        return
    # Late: Ray takes 2 to 3 s, which a plan for this machine need not wait for.
    from study.execution.cluster import ClusterError, connect_cluster

    try:
        with connect_cluster(launch.folder.log) as cluster:
            cpus = launch.study.resources.cpus
            measured = launch.shares.is_measured
            bench = cluster.bench(launch.data, cpus=cpus) if measured else None
            yield StudyPlace(cluster.nodes(), bench, cluster.dashboard)
    except ClusterError as error:
        raise LaunchRefusedError(str(error)) from error


def _own_bench(launch: StudyLaunch) -> GpuBench | None:
    """Return this machine's first GPU to measure trials on, if shares are to be measured."""
    gpu = first_gpu() if launch.shares.is_measured else None
    if gpu is None:
        return None
    cpus = launch.study.resources.cpus
    threads = max(1, int(cpus))
    probe = partial(side_by_side, data=launch.data, device="cuda", threads=threads)
    return GpuBench(gpu, this_machine().beside_gpu(cpus), probe)
