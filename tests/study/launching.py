"""Real launches of a small study, in a folder of their own, and what they left on record."""

import os
import subprocess
import sys
from pathlib import Path

import optuna
from mlflow import MlflowClient
from mlflow.entities import Run

from trainables.metrics import COSTS

ROOT = Path(__file__).resolve().parents[2]

STUDY = """
study: small
question: Does a launch do what it says?
trial:
  dataset: {name: digits, validation: 0.2, train_images: 400, test_images: 100}
  network: {name: lenet}
  regularizer: {name: lamix}
  training: {epochs: 3, batch_size: 50, learning_rate: 0.05, milestones: []}
search:
  sampler: grid
  seeds: 2
  space: {regularizer.beta: [0.3, 0.9]}
scales: {quick: {}, paper: {}}
"""

SHORT_STUDY = """
study: small
question: Does a study stand what is done to it?
trial:
  dataset: {name: digits, validation: 0.2, train_images: 60, test_images: 30}
  network: {name: lenet}
  regularizer: {name: lamix}
  training: {epochs: 1, batch_size: 20, learning_rate: 0.05, milestones: []}
search:
  sampler: grid
  seeds: 1
  space: {regularizer.beta: [0.3, 0.9]}
"""
"""Two trials of an epoch, for stories in which little is trained."""


def environment() -> dict[str, str]:
    """The environment without what Ray, Ray Tune and the address of the records are told in it.

    A test's own process may have told them: importing `study.execution` does.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("RAY_", "TUNE_")) and name != "MLFLOW_TRACKING_URI"
    }


class Folder:
    """Where a study is launched."""

    def __init__(self, path: Path, study: str = STUDY, *, ray: bool = True) -> None:
        """Write the study file.

        Args:
            path: the folder.
            study: the file's text.
            ray: whether trials run under Ray; without it they run one by one in the launch's own
                process, in half the time.
        """
        self.path = path
        self.program = "study.launch" if ray else "tests.benchmarks.in_process"
        (path / "small.yaml").write_text(study)
        self.uri = f"sqlite:///{path / 'mlflow.db'}"
        self.environment = environment()
        if not ray:
            self.environment["PYTHONPATH"] = str(ROOT)

    def start(self, *flags: str) -> subprocess.Popen[bytes]:
        """Start a launch and return its process; what it prints goes to `output`."""
        # A file and no pipe: what a killed launch leaves running for a while would hold it open.
        with self.output.open("w") as output:
            return subprocess.Popen(
                [sys.executable, "-m", self.program, "small.yaml", *flags],
                cwd=self.path,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def run(self, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another of the commands here, to its end."""
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=self.path,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
        )

    @property
    def output(self) -> Path:
        """What the last launch printed."""
        return self.path / "output.txt"

    def launch(self, *flags: str, status: int = 0) -> str:
        """Launch, wait for the end, check the exit status and return what was printed."""
        process = self.start(*flags)
        process.wait(timeout=500)
        assert process.returncode == status, self.output.read_text()
        return self.output.read_text()

    def state(self, scale: str = "quick") -> Path:
        """The folder of the study's own files."""
        return self.path / "state" / "small" / scale

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(self.uri)

    def runs(self, role: str = "trial", study: str = "small") -> list[Run]:
        """Return the study's runs of a role."""
        experiment = self.client.get_experiment_by_name(study)
        if experiment is None:
            return []
        return list(
            self.client.search_runs(
                [experiment.experiment_id], f"tags.role = '{role}'", max_results=50_000
            )
        )

    def metrics(self) -> dict[str, dict[str, list[tuple[int, float]]]]:
        """Return trial key → metric → (epoch, value) of all that must be reproducible."""
        return {
            run.data.tags["trial_key"]: {
                name: [
                    (point.step, point.value)
                    for point in self.client.get_metric_history(run.info.run_id, name)
                ]
                for name in run.data.metrics
                if name not in COSTS
            }
            for run in self.runs()
        }

    def optuna(self, scale: str = "quick") -> optuna.Study:
        """Return the study that Optuna's dashboard would show."""
        storage = f"sqlite:///{self.state(scale) / 'optuna.db'}"
        return optuna.load_study(study_name=f"small-{scale}", storage=storage)
