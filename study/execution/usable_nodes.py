"""The nodes that trials run on during one run of Ray Tune: which are there, and how full they are.

What a node does to trials is noted here: which is slower than the others, and on which a trial's
process went away before the node itself did.
"""

import time
from collections.abc import Callable, Iterable, Sequence

from study.execution.admission import NodeAdmission
from study.scheduling.nodes import ClusterNode, StragglerDetector, part_taken, room_for
from study.scheduling.protocols import SchedulerLike
from study.trials import Trial
from trainables.metrics import EpochMetrics


class UsableNodes:
    """Follows the nodes for trials, and which trial was last heard of on which."""

    def __init__(
        self,
        scheduler: SchedulerLike,
        admission: NodeAdmission,
        *,
        on_notice: Callable[[str], None],
    ) -> None:
        """Start before the first look.

        Args:
            scheduler: knows the trials that take places.
            admission: knows which nodes may train.
            on_notice: called with what the user should know.
        """
        self.scheduler = scheduler
        self.admission = admission
        self.on_notice = on_notice
        self._nodes: list[ClusterNode] = []
        self._nodes_at = float("-inf")
        self._node_of: dict[Trial, str] = {}
        self._failed_on: dict[str, list[Trial]] = {}
        """Trials whose process went away, by node; whether the node is lost too shows later."""
        self._stragglers = StragglerDetector()

    @property
    def places_without_gpu(self) -> int:
        """How many trials the CPUs of the nodes have room for."""
        return room_for(self._nodes, self.scheduler.study.resources.cpus, 0)

    def has_place_for_one_more(self) -> bool:
        """Return whether all active trials fit; one more is then handed out.

        So one more than fits is active, and an actor that becomes free is reused at once.
        """
        self._follow_nodes()
        return self._part_taken(self.scheduler.active) <= 1 + 1e-9

    def _part_taken(self, trials: Iterable[Trial]) -> float:
        """Return which part of the nodes' places trials take; above 1 not all of them fit."""
        cpus = self.scheduler.study.resources.cpus
        return part_taken(self._nodes, [(cpus, trial.gpus) for trial in trials])

    def _follow_nodes(self) -> None:
        """Once a second look which nodes have come or gone."""
        if time.monotonic() - self._nodes_at <= 1:
            return
        self._nodes, said = self.admission.follow_nodes()
        self._nodes_at = time.monotonic()
        for sentence in said:
            self.on_notice(sentence)
        for id in self._failed_on.keys() & self.admission.lost:
            for trial in self._failed_on.pop(id):
                self.scheduler.forgive_failure(trial)

    def occupancy(self) -> str:
        """Return in words how far the nodes are used; nothing where there is only one."""
        if len(self._nodes) < 2:
            return ""
        cpus, shares = self.scheduler.study.resources.cpus, self.scheduler.shares.sizes
        if len(shares) > 1:
            part = self._part_taken(self.scheduler.running)
            return f"{part:.0%} of the places taken on {len(self._nodes)} nodes"
        places = room_for(self._nodes, cpus, *shares)
        return f"{len(self.scheduler.running)} of {places} places taken on {len(self._nodes)} nodes"

    def note_epochs(self, trial: Trial, epochs: Sequence[EpochMetrics], *, node: str) -> None:
        """Note on which node a trial has trained epochs, and say where the node is a slow one."""
        self._node_of[trial] = node
        name = self.admission.node_name(node)
        for epoch in epochs:
            slow = self._stragglers.note_speed(name, trial.cost_class, epoch.images_per_second)
            if slow:
                self.on_notice(slow)

    def prefix_of(self, node: str) -> str:
        """Return what begins a sentence on a node: its name, on a cluster."""
        name = self.admission.node_name(node)
        return f"Node {name}: " if self.admission.cluster.existing else ""

    def forget(self, trial: Trial) -> str:
        """Forget where a trial was heard of, and return the node's id, or nothing."""
        return self._node_of.pop(trial, "")

    def note_process_lost(self, trial: Trial, node: str) -> None:
        """Note that a trial's process went away: the failure is forgiven if the node does too."""
        self._failed_on.setdefault(node, []).append(trial)
