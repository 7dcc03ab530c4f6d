"""Which nodes of a cluster may train: each is asked before a trial runs on it."""

from collections.abc import Sequence
from typing import Any, Self

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from study.execution.cluster import ClusterError, RayCluster
from study.scheduling.nodes import ClusterNode, node_faults
from trainables.node_checks import NodeQuestion, code_versions, look_around
from trainables.storage import open_storage

LOOK_SECONDS = 300.0
"""How long a node is given to look at the data sets; it may have to fetch the code first."""


class NodeAdmission:
    """Keeps trials off nodes where they could not run, or would train on something else.

    A local Ray is like its driver, and is not asked.
    """

    def __init__(
        self,
        cluster: RayCluster,
        share: tuple[float, float],
        question: NodeQuestion,
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
        self._known: dict[str, ClusterNode] = {}
        self._asked: dict[str, ray.ObjectRef[Any]] = {}

    def __enter__(self) -> Self:
        if self.cluster.existing:
            try:
                open_storage(self.question.checkpoints).write(self.question.token, b"")
            except OSError as error:
                raise ClusterError(f"cannot write to the state directory: {error}") from error
        return self

    def __exit__(self, *exception: object) -> None:
        if self.cluster.existing:
            open_storage(self.question.checkpoints).delete(self.question.token)

    def check_nodes(self) -> list[str]:
        """Look at the nodes that are there at the start; return what speaks against which."""
        for node in self.cluster.nodes():
            self._ask_node(node)
        asked = dict(self._asked)
        if asked:
            ray.wait([*asked.values()], num_returns=len(asked), timeout=LOOK_SECONDS)
        reasons = [f"{self._known[id].name}: {why}" for id in asked if (why := self._fault_of(id))]
        self._asked.clear()
        return reasons

    def follow_nodes(self) -> tuple[list[ClusterNode], list[str]]:
        """Ask nodes that have come; return those for trials, and in words what has happened."""
        nodes = {node.id: node for node in self.cluster.nodes()}
        gone = self._known.keys() - nodes.keys()
        self.lost |= gone
        said = [f"Node {self._known[id].name} is lost." for id in gone]
        self._known = {id: node for id, node in self._known.items() if id in nodes}
        for node in nodes.values():
            if node.id not in self._known:
                self._ask_node(node)
        said += [self._admit_or_refuse(self._known[id]) for id in self._answered_ids()]
        return [n for n in nodes.values() if n.id not in self.unfit | self._asked.keys()], said

    def refuse_node(self, id: str, reason: str) -> str:
        """Keep trials off a node that an actor found unfit; return what there is to say of it."""
        self.unfit.add(id)
        return f"Node {self.node_name(id)} gets no trial: {reason}"

    def node_name(self, id: str) -> str:
        """Return what people call a node."""
        return self._known[id].name if id in self._known else id[:6]

    def _ask_node(self, node: ClusterNode) -> None:
        self._known[node.id] = node
        if self.cluster.existing and node.room(*self.share):
            where = NodeAffinitySchedulingStrategy(node.id, soft=False)
            task = ray.remote(look_around).options(
                num_cpus=0, scheduling_strategy=where, max_retries=0
            )
            self._asked[node.id] = task.remote(self.question)

    def _answered_ids(self) -> list[str]:
        """Return the ids of those newcomers that have answered; one that is lost never will."""
        self._asked = {id: ref for id, ref in self._asked.items() if id in self._known}
        refs = [*self._asked.values()]
        ready, _ = ray.wait(refs, num_returns=len(refs), timeout=0) if refs else ([], [])
        return [id for id, ref in self._asked.items() if ref in ready]

    def _admit_or_refuse(self, node: ClusterNode) -> str:
        reason = self._fault_of(node.id)
        del self._asked[node.id]
        if not reason:
            return f"Node {node.name} has joined: {node.size}."
        self.unfit.add(node.id)
        return f"Node {node.name} has joined, but no trial is begun there: {reason}"

    def _fault_of(self, id: str) -> str:
        """Return what speaks against a node, or nothing."""
        try:
            sight = ray.get(self._asked[id], timeout=0)
        except GetTimeoutError:
            return f"does not answer within {LOOK_SECONDS:g} s"
        except RayError as error:
            return f"cannot run the training code: {str(error).strip().splitlines()[-1]}"
        return "; ".join(node_faults(sight, code_versions(), self.fingerprints))
