"""The record as data: what MLflow holds of a study, read into data frames.

The only module here that talks to MLflow. It expects the record that `study` writes: one experiment
per study, one parent run per scale (tag ``role: study``), one child run per trial
(``role: trial``). Nothing is computed here.

Columns of a trial, one row each:

- `study`, `scale`, `run_id`, `experiment_id`, `status` (MLflow's), `start_time`, `end_time`;
- its tags under their names (`outcome`, `trial_key`, `configuration`, `git_commit`, …), as text
  except `git_dirty` and `retired`, which are bools;
- its params under their dotted names (`dataset.name`, `regularizer.beta`, …) and `seed`, as the
  numbers, bools, lists and None that they were: every column with a dot in its name is a setting;
- its metrics under their names; those measured by epoch hold the last epoch's value.
"""

import json
import math
import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import quote

import mlflow
import pandas as pd
import yaml
from mlflow import MlflowClient
from mlflow.entities import Experiment, Run, ViewType
from mlflow.exceptions import MlflowException

from analysis.record import collector, credentials
from trainables.metrics import (
    TEST_ERROR,
    TRAIN_ERROR,
    TRAIN_LOSS,
    VALIDATION_ERROR,
    is_selecting,
    ordering_metrics,
)

PAGE = 1000
"""Runs per request."""
FLAGS = ("git_dirty", "retired")
"""Tags that are bools."""
IDENTITY = ["study", "scale", "run_id", "experiment_id", "status", "start_time", "end_time"]
# MLflow's SQL store writes an infinite metric as the largest float.
LARGEST = 1.79769e308
LOCAL_UI = "http://127.0.0.1:5000"
"""Where a plain `mlflow ui` listens, for records that no server holds."""


# A report downloads many small files: a progress bar for each is noise.
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")


class UnknownStudyError(LookupError):
    """No such study, or no such scale of it, is on record."""


@dataclass(frozen=True)
class StudyInfo:
    """What the parent run of a study at one scale says."""

    study: str
    scale: str
    run_id: str
    """The parent run."""
    experiment_id: str
    tracking_uri: str
    state: str
    """The tag `state`, or MLflow's status in lower case where the tag is missing."""
    question: str = ""
    resolved: dict[str, Any] = field(default_factory=dict)
    """The study file as resolved for this scale; empty where it is not on record."""
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def search(self) -> dict[str, Any]:
        """The section `search` of the resolved file."""
        return dict(self.resolved.get("search") or {})

    @property
    def space(self) -> dict[str, Any]:
        """The searched paths and their ranges or choices, as the file gives them."""
        return dict(self.search.get("space") or {})

    @property
    def seeds(self) -> list[int] | None:
        """The seeds that each configuration is to have, or None where that is not on record."""
        seeds = self.search.get("seeds")
        if isinstance(seeds, int) and not isinstance(seeds, bool):
            return list(range(seeds))
        return list(seeds) if isinstance(seeds, Sequence) else None

    @property
    def objectives(self) -> list[str]:
        """The metrics that the search minimises; where it selects nothing, the test error."""
        return shown_objectives(self._objectives)

    @property
    def selects(self) -> bool:
        """Whether the study chooses a best configuration."""
        return is_selecting(self._objectives)

    @property
    def _objectives(self) -> list[str]:
        objective = self.search.get("objective") or VALIDATION_ERROR
        return [objective] if isinstance(objective, str) else list(objective)

    def url(self, run_id: str) -> str:
        """Return the address of a run in the MLflow UI."""
        return f"{self._ui}/#/experiments/{self.experiment_id}/runs/{run_id}"

    def comparison_url(self, run_ids: Iterable[str]) -> str:
        """Return the address where the MLflow UI shows these runs side by side."""
        ids = list(run_ids)
        if len(ids) == 1:
            return self.url(ids[0])
        runs, experiments = quote(json.dumps(ids)), quote(json.dumps([self.experiment_id]))
        return f"{self._ui}/#/compare-runs?runs={runs}&experiments={experiments}"

    @property
    def shown_uri(self) -> str:
        """Where the record is, without a password."""
        return credentials.hide_logins(self.tracking_uri)

    @property
    def _ui(self) -> str:
        remote = self.tracking_uri.startswith(("http://", "https://"))
        return self.tracking_uri.rstrip("/") if remote else LOCAL_UI


def shown_objectives(objectives: Sequence[str]) -> list[str]:
    """Return the metrics to order configurations by; see `trainables.metrics`."""
    return ordering_metrics(objectives)


def load(
    study: str,
    scale: str | None = None,
    tracking_uri: str | None = None,
    *,
    retired: bool = False,
) -> pd.DataFrame:
    """Return the trials of a study, one row each, in the order in which they started.

    Args:
        study: its name, which is the MLflow experiment's.
        scale: `quick`, `paper`, …; None takes the trials of all scales.
        tracking_uri: where the record is; None means what MLflow means by it:
            `MLFLOW_TRACKING_URI`, else `sqlite:///mlflow.db` in the working directory.
        retired: whether to keep the trials that no longer belong to the study.

    Raises:
        UnknownStudyError: if the study or the scale is not on record.
    """
    client = _open_client(tracking_uri)
    experiment = _find_experiment(client, study)
    wanted = "tags.role = 'trial'" + (f" and tags.scale = {_quote_text(scale)}" if scale else "")
    runs = _search_runs(client, experiment, wanted)
    if scale and not runs and scale not in (known := _scales_of(client, experiment)):
        raise UnknownStudyError(_unknown_message("scale", scale, known, f"of the study `{study}`"))
    frame = pd.DataFrame([_trial_row(study, run) for run in runs])
    if frame.empty:
        return pd.DataFrame(columns=[*IDENTITY, "outcome", "configuration", "trial_key", "seed"])
    for name in ("start_time", "end_time"):
        frame[name] = pd.to_datetime(frame[name], unit="ms", utc=True)
    frame = frame.sort_values("start_time", kind="stable", ignore_index=True)
    if not retired:
        frame = frame[~frame["retired"]].reset_index(drop=True)
    return frame[_ordered_columns(runs, frame)]


def history(
    runs: pd.DataFrame | Iterable[str],
    metrics: Sequence[str] = (TRAIN_LOSS, TRAIN_ERROR, VALIDATION_ERROR, TEST_ERROR),
    tracking_uri: str | None = None,
) -> pd.DataFrame:
    """Return metrics by epoch in a long frame: `run_id`, `metric`, `epoch` (from 1), `value`.

    Args:
        runs: rows of `load`, or run ids. Each run and metric is one request, so choose.
        metrics: names of metrics measured by epoch; a run without one has no rows for it.
        tracking_uri: as for `load`.
    """
    client = _open_client(tracking_uri)
    ids = list(runs["run_id"]) if isinstance(runs, pd.DataFrame) else list(runs)
    rows = [
        (run_id, metric, point.step, _metric_value(point.value))
        for run_id in ids
        for metric in metrics
        for point in client.get_metric_history(run_id, metric)
    ]
    frame = pd.DataFrame(rows, columns=["run_id", "metric", "epoch", "value"])
    # A trial that went back to its last checkpoint has logged some epochs twice.
    frame = frame.drop_duplicates(["run_id", "metric", "epoch"], keep="last")
    return frame.sort_values(["run_id", "metric", "epoch"], ignore_index=True)


def study_info(study: str, scale: str | None = None, tracking_uri: str | None = None) -> StudyInfo:
    """Return what is on record about a study at one scale.

    Args:
        study: its name.
        scale: may be None if there is only one on record.
        tracking_uri: as for `load`.

    Raises:
        UnknownStudyError: if the study or the scale is not on record, or `scale` is None and the
            record has several.
    """
    client = _open_client(tracking_uri)
    experiment = _find_experiment(client, study)
    parents = {
        run.data.tags.get("scale", ""): run
        for run in _search_runs(client, experiment, "tags.role = 'study'")
    }
    if not parents:
        raise UnknownStudyError(f"the study `{study}` has no run with the tag `role: study`")
    if scale is None and len(parents) > 1:
        raise UnknownStudyError(f"name one of the scales of `{study}`: {_list_names(parents)}")
    if scale is None:
        scale = next(iter(parents))
    if scale not in parents:
        raise UnknownStudyError(
            _unknown_message("scale", scale, parents, f"of the study `{study}`")
        )
    run = parents[scale]
    resolved = _resolved_study(client, run.info.run_id)
    return StudyInfo(
        study=study,
        scale=scale,
        run_id=run.info.run_id,
        experiment_id=experiment.experiment_id,
        tracking_uri=client.tracking_uri,
        state=run.data.tags.get("state", run.info.status.lower()),
        question=str(resolved.get("question") or run.data.tags.get("question") or "").strip(),
        resolved=resolved,
        tags={key: value for key, value in run.data.tags.items() if "mlflow." not in key},
    )


def scales(study: str, tracking_uri: str | None = None) -> list[str]:
    """Return the scales of a study that are on record, the oldest first.

    Raises:
        UnknownStudyError: if the study is not on record.
    """
    client = _open_client(tracking_uri)
    return _scales_of(client, _find_experiment(client, study))


def artifact(trial: "pd.Series[Any]", path: str, tracking_uri: str | None = None) -> Path | None:
    """Return a local copy of an artifact of a trial, or None if it has none at that path.

    Args:
        trial: a row of `load`; an adopted trial's artifacts are looked for where it comes from too.
        path: relative to the run's artifacts, `diagnostics/cam.npz`.
        tracking_uri: as for `load`.
    """
    client = _open_client(tracking_uri)
    folder, _, _ = path.rpartition("/")
    for run_id in (trial["run_id"], trial.get("adopted_from")):
        if not isinstance(run_id, str):
            continue
        try:
            present = {entry.path for entry in client.list_artifacts(run_id, folder or None)}
        except MlflowException:  # the run adopted from may be gone
            continue
        if path in present:
            return _download_artifact(client, run_id, path)
    return None


def attach(run_id: str, folder: Path, *, name: str, tracking_uri: str | None = None) -> None:
    """Add the files of `folder` to the artifacts of a run, under `name`."""
    _open_client(tracking_uri).log_artifacts(run_id, str(folder), artifact_path=name)


def typed(text: str) -> Any:
    """Return the value that a param's text stands for: a number, bool, None, list, or the text.

    >>> typed("0.5"), typed("True"), typed("None"), typed("none"), typed("[100, 150]")
    (0.5, True, None, 'none', [100, 150])
    """
    python = {"True": True, "False": False, "None": None, "nan": math.nan, "inf": math.inf}
    if text in python:
        return python[text]
    try:
        return json.loads(text)
    except ValueError:
        return text


def _open_client(tracking_uri: str | None) -> MlflowClient:
    uri = credentials.without_login(tracking_uri or mlflow.get_tracking_uri())
    path = uri.removeprefix("sqlite:///").partition("?")[0]
    # A client creates the SQLite store that it does not find: a reader must not.
    if path != uri and not os.path.exists(path):
        raise UnknownStudyError(
            f"nothing is on record at {uri}; run this where the study ran, or set "
            "MLFLOW_TRACKING_URI"
        )
    return MlflowClient(tracking_uri=uri)


def _find_experiment(client: MlflowClient, study: str) -> Experiment:
    experiment = client.get_experiment_by_name(study)
    if experiment is not None and experiment.lifecycle_stage == "active":
        return experiment
    known = [found.name for found in client.search_experiments(view_type=ViewType.ACTIVE_ONLY)]
    known = sorted(name for name in known if name != "Default")
    where = f"at {credentials.hide_logins(client.tracking_uri)}"
    raise UnknownStudyError(_unknown_message("study", study, known, where))


def _search_runs(client: MlflowClient, experiment: Experiment, wanted: str) -> list[Run]:
    runs: list[Run] = []
    token = None
    while True:
        with collector.collector_paused():
            page = client.search_runs(
                [experiment.experiment_id],
                wanted,
                max_results=PAGE,
                order_by=["attributes.start_time ASC"],
                page_token=token,
            )
        runs.extend(page)
        token = page.token
        if not token:
            return runs


def _scales_of(client: MlflowClient, experiment: Experiment) -> list[str]:
    parents = _search_runs(client, experiment, "tags.role = 'study'")
    return list(dict.fromkeys(run.data.tags.get("scale", "") for run in parents))


def _trial_row(study: str, run: Run) -> dict[str, Any]:
    tags = {key: value for key, value in run.data.tags.items() if not key.startswith("mlflow.")}
    flags = {flag: tags.pop(flag, "false").lower() == "true" for flag in FLAGS}
    return {
        "study": study,
        "run_id": run.info.run_id,
        "experiment_id": run.info.experiment_id,
        "status": run.info.status,
        "start_time": run.info.start_time,
        "end_time": run.info.end_time,
        **tags,
        **flags,
        **{key: typed(value) for key, value in run.data.params.items()},
        **{key: _metric_value(value) for key, value in run.data.metrics.items()},
    }


def _ordered_columns(runs: list[Run], frame: pd.DataFrame) -> list[str]:
    """Return the columns: identity, tags, settings, metrics."""
    params = sorted({key for run in runs for key in run.data.params})
    metrics = sorted({key for run in runs for key in run.data.metrics})
    known = {*IDENTITY, *params, *metrics}
    tags = sorted(column for column in frame.columns if column not in known)
    present = set(frame.columns)
    return [name for name in (*IDENTITY, *tags, *params, *metrics) if name in present]


def _metric_value(value: float) -> float:
    return math.copysign(math.inf, value) if abs(value) >= LARGEST else value


def _resolved_study(client: MlflowClient, run_id: str) -> dict[str, Any]:
    if "resolved.yaml" not in {entry.path for entry in client.list_artifacts(run_id)}:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        path = _download_artifact(client, run_id, "resolved.yaml", folder)
        return yaml.safe_load(path.read_text(encoding="utf-8")) or {}


def _download_artifact(
    client: MlflowClient, run_id: str, path: str, folder: str | None = None
) -> Path:
    return Path(client.download_artifacts(run_id, path, folder))


def _quote_text(text: str) -> str:
    return f'"{text}"' if "'" in text else f"'{text}'"


def _list_names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"


def _unknown_message(kind: str, name: str, known: Iterable[str], where: str) -> str:
    names = list(known)
    near = get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(f'`{word}`' for word in near)}?" if near else ""
    rest = f"on record: {_list_names(names[:20])}"
    return f"no {kind} `{name}` {where}; {hint + ' ' if hint else ''}{rest}"
