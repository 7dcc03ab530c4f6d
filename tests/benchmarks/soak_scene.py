"""What a soak kills and brings back: driver, trials, an MLflow server, a Ray cluster's node."""

import math
import os
import random
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil

from tests.benchmarks.no_op_studies import ROOT
from tests.study.chaos import trial_processes
from tests.study.launching import Folder
from tests.study.services import MlflowServer, RayCluster

VICTIMS = ("driver", "trial", "server", "node")
AWAY_SECONDS = (1.0, 10.0)
"""How long a server stays away that was killed."""


class Scene:
    """A study on a cluster of two nodes, or without one, whose records go to a server."""

    def __init__(self, path: Path, study: str, stack: ExitStack, *, with_nodes: bool) -> None:
        """Start what the study needs.

        Args:
            path: an empty folder.
            study: the study's file.
            stack: stops what was started.
            with_nodes: whether there is a cluster whose second node can be lost; without one each
                launch starts a Ray of its own.
        """
        self.server = MlflowServer(path, f"sqlite:///{path / 'server.db'}")
        stack.callback(self.server.stop)
        self.folder = Folder(path, study)
        self.folder.environment |= {
            "MLFLOW_TRACKING_URI": self.server.uri,
            "PYTHONPATH": str(ROOT),
            "RAY_TMPDIR": os.environ.get("RAY_TMPDIR", "/tmp"),
        }
        self.folder.uri = f"sqlite:///{path / 'server.db'}"
        self.cluster: RayCluster | None = None
        if with_nodes:
            self.cluster = RayCluster()
            stack.callback(self.cluster.stop)
            self.cluster.join()
            self.folder.environment |= self.cluster.environment
        self.process = self.folder.start()
        stack.callback(lambda: self.process.kill())
        self._back_at = math.inf

    def kill(self, victim: str, dice: random.Random) -> bool:
        """Kill one of the victims; return whether there was one."""
        killers: dict[str, Callable[[random.Random], bool]] = {
            "driver": self._kill_driver,
            "trial": self._kill_trial,
            "server": self._kill_server,
            "node": self._kill_node,
        }
        return killers[victim](dice)

    def _kill_driver(self, dice: random.Random) -> bool:
        self.process.kill()
        return True

    def _kill_trial(self, dice: random.Random) -> bool:
        of_ray = [node.pid for node in self.cluster.nodes] if self.cluster else [self.process.pid]
        trials = [child for pid in of_ray for child in trial_processes(pid)]
        if not trials:
            return False
        with suppress(psutil.NoSuchProcess):
            dice.choice(trials).kill()
        return True

    def _kill_server(self, dice: random.Random) -> bool:
        if self._back_at < math.inf:
            return False
        self.server.stop()
        self._back_at = time.monotonic() + dice.uniform(*AWAY_SECONDS)
        return True

    def _kill_node(self, dice: random.Random) -> bool:
        if self.cluster is None or len(self.cluster.nodes) < 2:
            return False
        self.cluster.lose(self.cluster.nodes[-1])
        self.cluster.join()
        return True

    def restore_server(self, *, now: bool = False) -> None:
        """Start the server again once it has been away for its time."""
        if now and self._back_at < math.inf or time.monotonic() > self._back_at:
            self._back_at = math.inf
            self.server.start()
