"""Launches without Ray: `study.launch` as it is, whose trials run one by one in its own process.

    python -m tests.benchmarks.in_process FILE [FLAG …]

Three names are replaced: the connection to a cluster, Ray Tune's run and the actor's question on
which node it is. All else is what a launch runs: the record, the search, the scheduler, the runner
that hears of trials, the actor with its checkpoints, the end.
"""

import importlib
import io
import itertools
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from matplotlib.figure import Figure
from PIL import Image
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from study import launch
from study.execution import runner
from study.execution.cluster import RayCluster
from study.execution.tune_adapters import TuneListener
from study.file.resolved import load_study
from study.launching import supervision
from study.scheduling.nodes import ClusterNode
from trainables import trainable
from trainables.code_digest import trial_code
from trainables.trainable import TrialTrainable

NODE = "here"
LATE = (
    "alembic.command",
    "analysis.figures.draw_matplotlib",
    "analysis.figures.errors",
    "mlflow.store.artifact.local_artifact_repo",
    "mlflow.store.tracking.sqlalchemy_store",
    "optuna.storages",
    "sklearn.datasets",
    "study.launching.code_review",
    "study.launching.planning",
    "study.launching.result_note",
    "study.launching.running",
    "torch._inductor",
)
"""What a launch imports when it comes to it."""


def get_ready(study: Path) -> None:
    """Import and compute what launches of a study would, so that forked ones need not.

    Args:
        study: the file.
    """
    for name in LATE:
        importlib.import_module(name)
    Image.init()
    for configuration in load_study(study).extremes():
        trial_code(configuration)
    for form in ("pdf", "png"):  # finds fonts
        sheet = Figure()
        sheet.add_subplot().set_xlabel("x")
        sheet.savefig(io.BytesIO(), format=form)


def launch_in_process(arguments: Sequence[str]) -> int:
    """Launch a study and return the exit status."""
    with (
        patch.object(supervision, "connect_cluster", _lend_cluster),
        patch.object(runner, "new_tuner", InProcessTuner),
        patch.object(trainable, "get_runtime_context", _this_node),
        patch.object(trainable, "REPORT_SECONDS", 0.0),  # each epoch is told, however short
    ):
        return launch.main(arguments)


class InProcessCluster(RayCluster):
    """One node with room for one trial."""

    def nodes(self) -> list[ClusterNode]:
        """Return the node."""
        return [ClusterNode(id=NODE, host=NODE, cpus=1, gpus=0)]

    @contextmanager
    def watched(self, on_loss: Any) -> Iterator[None]:
        """Watch nothing: there is no head to be lost."""
        yield


class InProcessTuner:
    """Runs trials as Ray Tune does, one after the other on one actor."""

    def __init__(self, listener: TuneListener, scratch: str) -> None:
        self.listener = listener
        self.actor: TrialTrainable | None = None

    def fit(self) -> None:
        """Run until no trial is handed out."""
        for number in itertools.count():
            tune_id = str(number)
            config = self.listener.hand_out_config(tune_id)
            if config in (None, Searcher.FINISHED):
                return
            self._prepare(config)
            self.listener.note_started(tune_id)
            self._train(tune_id)

    def _prepare(self, config: Any) -> None:
        if self.actor is None:
            self.actor = TrialTrainable(config)
        else:
            self.actor.reset_config(config)

    def _train(self, tune_id: str) -> None:
        assert self.actor is not None
        while True:
            result = self.actor.step()
            word = "" if result["done"] else self.listener.note_result(tune_id, result)
            if result["done"] or word == TrialScheduler.STOP:
                self.listener.note_ended(tune_id, result)
                return
            if word == TrialScheduler.PAUSE:
                self.actor.save_checkpoint("")
                self.listener.note_paused(tune_id)
                return


@contextmanager
def _lend_cluster(log_file: Path) -> Iterator[InProcessCluster]:
    yield InProcessCluster(existing=False, head="", dashboard=None, token=False)


def _this_node() -> SimpleNamespace:
    return SimpleNamespace(get_node_id=lambda: NODE)


if __name__ == "__main__":
    sys.exit(launch_in_process(sys.argv[1:]))
