"""The machines that a study runs on, as plain data: their room for trials and their faults."""

import math
import platform
import statistics
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch

from analysis.counted import count_text
from study.scheduling.gpu_shares import GpuBench
from study.scheduling.granted import granted_cpus
from trainables.node_checks import NodeSight, different_versions


@dataclass(frozen=True)
class ClusterNode:
    """One node."""

    id: str
    """The cluster's, or nothing of a machine that is no cluster's node."""
    host: str
    cpus: float
    gpus: float

    @property
    def name(self) -> str:
        """What people call it; several nodes may share a host."""
        return f"{self.host} ({self.id[:6]})" if self.id else self.host

    @property
    def size(self) -> str:
        """Its CPUs and GPUs in words."""
        gpus = f", {count_text(self.gpus, 'GPU')}" if self.gpus else ""
        return f"{count_text(self.cpus, 'CPU')}{gpus}"

    def room(self, cpus: float, gpus: float) -> int:
        """Return how many trials of this share run side by side here; each has one GPU at most."""
        rooms = [_times(self.cpus, cpus)] if cpus else []
        if gpus:
            rooms.append(int(self.gpus) * _times(1, gpus))
        return min(rooms)

    def beside_gpu(self, cpus: float) -> int:
        """Return how many trials the CPUs have room for beside each GPU, at least one."""
        return max(1, int(self.cpus / self.gpus / cpus))


@dataclass(frozen=True)
class StudyPlace:
    """What a study runs on, or would."""

    nodes: Sequence[ClusterNode]
    bench: GpuBench | None = None
    """A GPU to measure trials on, if there is one."""
    dashboard: str | None = None
    """The address of Ray's dashboard, where there is one already."""


def this_machine() -> ClusterNode:
    """Return this machine, as far as it is granted: a local Ray is told as much."""
    return ClusterNode("", platform.node(), granted_cpus(), torch.cuda.device_count())


def _times(have: float, share: float) -> int:
    """Return how often a share is held; thirds of one are three."""
    return int(have / share + 1e-9)


class StragglerDetector:
    """Finds nodes that train much slower than the others do."""

    REPORTS = 5
    """How many reports of the node and how many of all others are needed to compare them."""
    SLOW = 0.5
    """The share of the others' speed below which a node is slow."""

    def __init__(self) -> None:
        self._speeds: dict[Hashable, dict[str, list[float]]] = {}
        self._named: set[str] = set()

    def note_speed(self, node: str, kind: Hashable, images_per_second: float) -> str:
        """Note an epoch's speed; return a sentence if it shows that the node is slow, once a node.

        Args:
            node: its name.
            kind: the trial's cost class; only equal ones are compared.
            images_per_second: the epoch's.
        """
        by_node = self._speeds.setdefault(kind, {})
        by_node.setdefault(node, []).append(images_per_second)
        own = by_node[node] = by_node[node][-20:]
        others = [speed for name, speeds in by_node.items() if name != node for speed in speeds]
        if node in self._named or min(len(own), len(others)) < self.REPORTS:
            return ""
        here, there = statistics.median(own), statistics.median(others)
        if here >= self.SLOW * there:
            return ""
        self._named.add(node)
        return f"Node {node} is slow: {here:,.0f} images per second, the others {there:,.0f}."


def room_for(nodes: Iterable[ClusterNode], cpus: float, gpus: float) -> int:
    """Return how many trials of this share run side by side on all of them."""
    return sum(node.room(cpus, gpus) for node in nodes)


def part_taken(nodes: Sequence[ClusterNode], shares: Iterable[tuple[float, float]]) -> float:
    """Return which part of the nodes' room these trials take; above 1 not all of them fit.

    Where there is room for n trials of a share, each of them takes 1/n.
    """
    counts = Counter(shares)
    rooms = {share: room_for(nodes, *share) for share in counts}
    return sum(n / rooms[share] if rooms[share] else math.inf for share, n in counts.items())


def describe_nodes(nodes: Sequence[ClusterNode], cpus: float, *gpus: float) -> str:
    """Return how many nodes of which size there are and their room for trials of each share."""
    sizes = Counter(node.size for node in nodes)
    listed = ", ".join(f"{count} x {size}" for size, count in sizes.items())
    sized = f"{len(nodes)}: {listed}" if len(nodes) > 1 else "".join(sizes)
    rooms = [
        f"{count_text(room_for(nodes, cpus, share), 'trial')} of "
        f"{ClusterNode('', '', cpus, share).size} each"
        for share in gpus
    ]
    return f"{sized}; room for {' or '.join(rooms)}"


def node_faults(sight: NodeSight, own: Mapping[str, str], fingerprints: Sequence[str]) -> list[str]:
    """Return what speaks against a node, in words.

    Args:
        sight: what the node sees.
        own: the driver's versions.
        fingerprints: of the data sets that the node was asked for, as the driver reads them.
    """
    found = different_versions(sight.versions, own)
    found += [f"a data set is missing: {text}" for text in sight.missing]
    if sight.own_modules:  # its data sets were not asked for then
        found.append(f"an own component is not there: {sight.own_modules}")
    elif not sight.missing and list(sight.fingerprints) != list(fingerprints):
        found.append("its data sets are not those of this machine (--data is another folder there)")
    if sight.checkpoints:
        found.append(
            f"the state directory {sight.checkpoints}; give one on a file system that all nodes "
            "share, or an object store: --state DIR_OR_URI"
        )
    return found
