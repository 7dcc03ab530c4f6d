"""Where a user waits beside the training: start, end, nothing to do, report; and plain Ray Tune.

The quick scale of `search_spaces/beta.yaml` is launched in an empty folder, in turn with the same
study as Ray Tune alone would run it (`tests.benchmarks.plain_tune`). A launch with nothing to do
and a report follow, of a study of trials that do next to nothing.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient

from tests.benchmarks.no_op_studies import LAUNCH, ROOT, Studies
from tests.benchmarks.table import Figure, section
from tests.benchmarks.timing import ratios, spread

SAMPLER = "random"
STUDY = "beta"


@dataclass(frozen=True)
class Wait:
    """What one command took."""

    began: float
    """When it was given, in seconds since 1970."""
    seconds: float
    cpu_seconds: float
    """Of the command and of those of its processes that it has waited for."""


def measure(*, short: bool) -> Iterator[str]:
    """Yield the waits of a quick study, and those after one of 2,000 trials (100 in short)."""
    yield quick_study(repeats=1 if short else 5, epochs=2 if short else 20, seeds=1 if short else 3)
    yield finished_study(100 if short else 2000, repeats=1 if short else 5)


def quick_study(*, repeats: int, epochs: int, seeds: int) -> str:
    """Return the waits of the quick study, beside the same by Ray Tune alone."""
    ours, plain, starts, ends = [], [], [], []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            options = (f"trial.training.epochs={epochs}", f"search.seeds={seeds}")
            sets = [word for option in options for word in ("--set", option)]
            ours.append(run_command([*LAUNCH, str(_study_file()), *sets], Path(folder)))
            first, last = _times_of_trials(Path(folder), trials=9 * seeds)
            starts.append(first - ours[-1].began)
            ends.append(ours[-1].began + ours[-1].seconds - last)
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            command = [sys.executable, "-m", "tests.benchmarks.plain_tune", folder]
            counts = ["--epochs", str(epochs), "--seeds", str(seeds)]
            plain.append(run_command([*command, *counts], Path(folder)))
    faster = ratios([one.seconds for one in plain], [one.seconds for one in ours])
    return section(
        "A quick study, from the command to the prompt",
        f"`{STUDY}`, 9 configurations x {seeds} seeds of {epochs} epochs, in an empty folder, in "
        "turn with a Ray Tune grid of as many trials (plain PyTorch loop, stock MLflow callback).",
        [
            wait_row("from the command to the first trial's begin", starts, bar=8, stretch=6),
            wait_row("from the last trial's end to the prompt", ends, bar=1.5, stretch=1),
            wait_row("the study", [one.seconds for one in ours], bar=45, stretch=38),
            wait_row("of a processor", [o.cpu_seconds for o in ours]),
            wait_row("Ray Tune alone", [p.seconds for p in plain]),
            Figure(
                what="Ray Tune alone, against the study", value=spread(faster), bar=3, stretch=4
            ),
        ],
    )


def finished_study(trials: int, *, repeats: int) -> str:
    """Return what a launch with nothing to do and a report take after so many trials."""
    with tempfile.TemporaryDirectory(prefix="bench-") as home:
        folder = Path(home)
        studies = Studies(folder)
        studies.launch(trials, sampler=SAMPLER, with_ray=False)
        name = f"no_op_{SAMPLER}_{trials}"
        uri = studies.uri(name)
        launch = [*LAUNCH, str(folder / f"{name}.yaml")]
        report = [sys.executable, "-m", "analysis.report", name]
        again = [run_command(launch, folder, uri=uri) for _ in range(repeats)]
        reports = [run_command(report, folder, uri=uri) for _ in range(repeats)]
        written = sum(f.stat().st_size for f in (folder / "reports").rglob("*.html")) / 2**20
    return section(
        f"A finished study of {trials:,} trials",
        "Trials of one step each, on record in a SQLite file.",
        [
            wait_row("launch with nothing to do", [one.seconds for one in again], bar=3, stretch=2),
            wait_row("of a processor", [o.cpu_seconds for o in again]),
            wait_row("report", [one.seconds for one in reports], bar=10, stretch=5),
            wait_row("of a processor", [o.cpu_seconds for o in reports]),
            Figure(what="size of the report", value=written, unit="MB", bar=1.5, better="less"),
        ],
    )


def wait_row(
    what: str, seconds: Sequence[float], *, bar: float | None = None, stretch: float | None = None
) -> Figure:
    """Return the row of a wait: the shorter the better."""
    return Figure(
        what=what, value=spread(seconds), unit="s", bar=bar, stretch=stretch, better="less"
    )


def run_command(command: Sequence[str], folder: Path, *, uri: str = "") -> Wait:
    """Run a command in a folder to its end.

    Args:
        command: with its arguments.
        folder: where; it holds the records.
        uri: of the records, where they are not in the folder's own file.

    Raises:
        RuntimeError: with what the command printed, if it fails.
    """
    environment = {k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"}
    environment["MLFLOW_TRACKING_URI"] = uri or _record_in(folder)
    environment["PYTHONPATH"] = str(ROOT)
    before, began, started = _children_seconds(), time.time(), time.perf_counter()
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - started
    if done.returncode:
        raise RuntimeError(done.stdout)
    return Wait(began, seconds, _children_seconds() - before)


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _record_in(folder: Path) -> str:
    return f"sqlite:///{folder / 'mlflow.db'}"


def _study_file() -> Path:
    return ROOT / "search_spaces" / f"{STUDY}.yaml"


def _times_of_trials(folder: Path, *, trials: int) -> tuple[float, float]:
    """Return when the first trial began and the last one ended, in seconds since 1970."""
    client = MlflowClient(_record_in(folder))
    experiment = client.get_experiment_by_name(STUDY)
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], "tags.role = 'trial'")
    assert len(runs) == trials
    first = min(run.info.start_time for run in runs)
    return first / 1000, max(run.info.end_time for run in runs) / 1000
