"""What a finished study has left in its folder, and how it differs from what it should be."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypedDict

import optuna
from mlflow import MlflowClient
from mlflow.entities import Run

from analysis.record.names import (
    CONFIGURATION,
    CONFIGURATION_NUMBER,
    DIFF_FILE,
    OUTCOME,
    PLOTS,
    POINT,
    RETIRED,
    ROLE,
    STUDY_ROLE,
    TABLE_CSV,
    TABLE_MARKDOWN,
    TRIAL_KEY,
    TRIAL_ROLE,
)
from trainables.metrics import COSTS

KEPT_TAGS = (OUTCOME, CONFIGURATION, CONFIGURATION_NUMBER, POINT, RETIRED)
"""Tags of a trial that no crash may change."""
KINDS = ("lost", "repeated", "running", "unequal", "missing files", "left over")
"""Of faults; see `faults_of`."""
SCALE_FOLDER = "quick"


class Remains(TypedDict):
    """What is there once a study is finished; as JSON, so that processes can exchange it."""

    trials: list[tuple[str, dict[str, Any]]]
    """Trial key and content of each run of a trial."""
    studies: int
    """Runs of the study."""
    running: list[str]
    """Names of runs that are marked as running."""
    optuna: list[list[Any]]
    """Of each trial of Optuna's: number, state, params, values, intermediate values."""
    artifacts: dict[str, str]
    """By the path of each file of a run, below the trial's key or `study`, its digest where it
    shows the study's result, else nothing: others hold times and versions."""
    left: list[str]
    """Files that a finished study should not leave."""


def read_remains(folder: Path, study: dict[str, Any]) -> Remains:
    """Return what a study has left."""
    client = MlflowClient()
    experiment = client.get_experiment_by_name(study["study"])
    assert experiment is not None
    runs = list(client.search_runs([experiment.experiment_id], max_results=5000))
    trials = [run for run in runs if run.data.tags[ROLE] == TRIAL_ROLE]
    state = folder / "state" / study["study"] / SCALE_FOLDER
    return Remains(
        trials=sorted(
            ((run.data.tags[TRIAL_KEY], content_of(client, run)) for run in trials),
            key=lambda pair: pair[0],
        ),
        studies=sum(run.data.tags[ROLE] == STUDY_ROLE for run in runs),
        running=[str(run.info.run_name) for run in runs if run.info.status == "RUNNING"],
        optuna=_optuna_trials(state, study["study"]),
        artifacts={
            f"{run.data.tags.get(TRIAL_KEY, STUDY_ROLE)}/{path}": _digest_of(client, run, path)
            for run in runs
            for path in _artifacts_of(client, run.info.run_id)
            if path != DIFF_FILE  # the project may be edited, or committed, during a sweep
        },
        left=_left_in(state),
    )


def content_of(client: MlflowClient, run: Run) -> dict[str, Any]:
    """Return what a trial must have again, bit by bit."""
    metrics = {
        name: [
            [point.step, float(point.value).hex()]
            for point in client.get_metric_history(run.info.run_id, name)
        ]
        for name in sorted(run.data.metrics)
        if name not in COSTS
    }
    tags = {name: run.data.tags.get(name, "") for name in KEPT_TAGS}
    return {
        "metrics": metrics,
        "tags": tags,
        "params": run.data.params,
        "status": run.info.status,
    }


def _optuna_trials(state: Path, name: str) -> list[list[Any]]:
    """Return Optuna's trials, without costs, as JSON would bring them back."""
    storage = f"sqlite:///{state / 'optuna.db'}"
    study = optuna.load_study(study_name=f"{name}-{SCALE_FOLDER}", storage=storage)
    return [
        [
            trial.number,
            trial.state.name,
            trial.params,
            trial.values,
            {str(epoch): value for epoch, value in trial.intermediate_values.items()},
        ]
        for trial in study.get_trials(deepcopy=False)
    ]


def _artifacts_of(client: MlflowClient, run_id: str, below: str = "") -> Iterator[str]:
    for entry in client.list_artifacts(run_id, below or None):
        if entry.is_dir:
            yield from _artifacts_of(client, run_id, entry.path)
        else:
            yield entry.path


def _digest_of(client: MlflowClient, run: Run, path: str) -> str:
    """Return the digest of a plot or table of the study's; of other files nothing."""
    if not path.startswith((f"{PLOTS}/", TABLE_CSV, TABLE_MARKDOWN)):
        return ""
    file = Path(client.download_artifacts(run.info.run_id, path))
    return hashlib.blake2b(file.read_bytes(), digest_size=8).hexdigest()


def _left_in(state: Path) -> list[str]:
    """Return checkpoints, halves of files and entries that wait."""
    left = [file.name for file in (state / "checkpoints").iterdir()]
    left += [file.name for file in state.glob("*.jsonl") if file.stat().st_size]
    return sorted(left)


def faults_of(found: Remains, expected: Remains) -> dict[str, str]:
    """Return in words, by kind, how remains differ from those of an undisturbed launch."""
    counts = Counter(key for key, _ in found["trials"])
    repeated = [key for key, count in counts.items() if count > 1]
    wanted = dict(expected["trials"])
    unequal = [
        f"{key}: {' '.join(part for part in wanted[key] if content[part] != wanted[key][part])}"
        for key, content in found["trials"]
        if key in wanted and content != wanted[key]
    ]
    unequal += [
        f"{path} shows something else"
        for path, digest in expected["artifacts"].items()
        if found["artifacts"].get(path, digest) != digest
    ]
    unequal += [f"not planned: {key}" for key in counts if key not in wanted]
    if found["optuna"] != expected["optuna"]:
        unequal.append(f"Optuna's trials: {found['optuna']} for {expected['optuna']}")
    if found["studies"] != expected["studies"]:
        repeated.append(f"{found['studies']} runs of the study")
    said = (
        [key for key in wanted if key not in counts],
        repeated,
        found["running"],
        unequal,
        sorted(set(expected["artifacts"]) - set(found["artifacts"])),
        found["left"],
    )
    return {kind: ", ".join(words) for kind, words in zip(KINDS, said, strict=True) if words}
