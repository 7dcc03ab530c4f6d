"""The record as data: what MLflow holds of a study, read into data frames.

The record is read through `analysis.record`, which sets MLflow up. It is expected as `study` writes
it: one experiment per study, one parent run per scale (tag ``role: study``), one child run per
trial (``role: trial``). Nothing is computed here.

Columns of a trial, one row each:

- `study`, `scale`, `run_id`, `experiment_id`, `status` (MLflow's), `start_time`, `end_time`;
- its tags under their names (`outcome`, `trial_key`, `configuration`, `git_commit`, …), as text
  except `git_dirty` and `retired`, which are bools; `code` is None in records from before there was
  a digest of the code;
- its params under their dotted names (`dataset.name`, `regularizer.beta`, …) and `seed`, as the
  numbers, bools, lists and None that they were: every column with a dot in its name is a setting;
- its metrics under their names; those measured by epoch hold the last epoch's value.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.record.client import find_artifact, open_reader
from analysis.record.duplicates import keep_one_run_per_trial, oldest_first
from analysis.record.names import (
    ADOPTED_FROM,
    CODE,
    CONFIGURATION,
    FLAGS,
    MLFLOW_PREFIX,
    OUTCOME,
    RETIRED,
    ROLE,
    SCALE,
    SEED,
    SUPERSEDED_ROLE,
    TRIAL_KEY,
    TRIAL_ROLE,
)
from analysis.record.store_errors import UnknownStudyError, unknown_name_message
from analysis.record.study_info import (
    StudyInfo,
    find_experiment,
    scales_of,
    shown_objectives,
    study_info,
)
from analysis.record.values import is_flag, metric_value, nested_settings, typed_param
from analysis.record.whole_runs import WholeRun, find_whole_runs
from trainables.metrics import EPOCH, TEST_ERROR, TRAIN_ERROR, TRAIN_LOSS, VALIDATION_ERROR

__all__ = [
    "StudyInfo",
    "UnknownStudyError",
    "artifact",
    "attach",
    "history",
    "load",
    "scales",
    "settings_of",
    "shown_objectives",
    "study_info",
]

IDENTITY = ["study", SCALE, "run_id", "experiment_id", "status", "start_time", "end_time"]
"""The columns that come first."""


def load(
    study: str,
    scale: str | None = None,
    tracking_uri: str | None = None,
    *,
    retired: bool = False,
) -> pd.DataFrame:
    """Return the trials of a study, one row each, in the order in which they started.

    A trial that has several runs on record has one row, that of its finished run, else of its
    oldest. A run without a trial key is left out with a warning.

    Args:
        study: its name, which is the MLflow experiment's.
        scale: `quick`, `paper`, …; None takes the trials of all scales.
        tracking_uri: where the record is; None means what MLflow means by it:
            `MLFLOW_TRACKING_URI`, else `sqlite:///mlflow.db` in the working directory.
        retired: whether to keep the trials that no longer belong to the study, and the runs of
            trials that were trained again by other code.

    Raises:
        UnknownStudyError: if the study or the scale is not on record.
    """
    client = open_reader(tracking_uri)
    experiment = find_experiment(client, study)
    runs: list[WholeRun] = []
    for role in (TRIAL_ROLE, *([SUPERSEDED_ROLE] if retired else [])):
        tags = {ROLE: role, **({SCALE: scale} if scale else {})}
        found = oldest_first(find_whole_runs(client, experiment.experiment_id, tags))
        runs += keep_one_run_per_trial(found) if role == TRIAL_ROLE else found
    if scale and not runs and scale not in (known := scales_of(client, experiment)):
        of = f"of the study `{study}`"
        raise UnknownStudyError(unknown_name_message("scale", scale, known, of))
    return frame_of(study, runs, retired=retired)


def frame_of(study: str, runs: Sequence[WholeRun], *, retired: bool = False) -> pd.DataFrame:
    """Return runs of trials as `load` does, in the order in which they started.

    Args:
        study: its name.
        runs: one per trial, the oldest first.
        retired: as for `load`.
    """
    frame = pd.DataFrame([_trial_row(study, run) for run in runs])
    if frame.empty:
        return pd.DataFrame(columns=[*IDENTITY, OUTCOME, CONFIGURATION, TRIAL_KEY, SEED])
    for name in ("start_time", "end_time"):
        frame[name] = pd.to_datetime(frame[name], unit="ms", utc=True)
    frame = frame.sort_values("start_time", kind="stable", ignore_index=True)
    if not retired:
        frame = frame[~frame[RETIRED]].reset_index(drop=True)
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
    client = open_reader(tracking_uri)
    ids = list(runs["run_id"]) if isinstance(runs, pd.DataFrame) else list(runs)
    rows = [
        (run_id, metric, point.step, metric_value(point.value))
        for run_id in ids
        for metric in metrics
        for point in client.get_metric_history(run_id, metric)
    ]
    frame = pd.DataFrame(rows, columns=["run_id", "metric", EPOCH, "value"])
    # A trial that went back to its last checkpoint has logged some epochs twice.
    frame = frame.drop_duplicates(["run_id", "metric", EPOCH], keep="last")
    return frame.sort_values(["run_id", "metric", EPOCH], ignore_index=True)


def scales(study: str, tracking_uri: str | None = None) -> list[str]:
    """Return the scales of a study that are on record, the oldest first.

    Raises:
        UnknownStudyError: if the study is not on record.
    """
    client = open_reader(tracking_uri)
    return scales_of(client, find_experiment(client, study))


def artifact(trial: "pd.Series[Any]", path: str, tracking_uri: str | None = None) -> Path | None:
    """Return a local copy of an artifact of a trial, or None if it has none at that path.

    Args:
        trial: a row of `load`; an adopted trial's artifacts are looked for where it comes from too.
        path: relative to the run's artifacts, `diagnostics/cam.npz`.
        tracking_uri: as for `load`.
    """
    client = open_reader(tracking_uri)
    runs = (trial["run_id"], trial.get(ADOPTED_FROM))
    return find_artifact(client, [run for run in runs if isinstance(run, str)], path)


def settings_of(run_id: str, tracking_uri: str | None = None) -> tuple[dict[str, Any], int]:
    """Return the settings of a trial's run by their parts, and its seed.

    A frame cannot say this of a single trial: a column is of one type for all.

    Args:
        run_id: the trial's.
        tracking_uri: as for `load`.
    """
    params = open_reader(tracking_uri).get_run(run_id).data.params
    values = {path: typed_param(text) for path, text in params.items()}
    seed = int(values.pop(SEED))
    return nested_settings(values), seed


def attach(run_id: str, folder: Path, *, name: str, tracking_uri: str | None = None) -> None:
    """Add the files of `folder` to the artifacts of a run, under `name`."""
    open_reader(tracking_uri).log_artifacts(run_id, str(folder), artifact_path=name)


def _trial_row(study: str, run: WholeRun) -> dict[str, Any]:
    tags = {key: value for key, value in run.data.tags.items() if not key.startswith(MLFLOW_PREFIX)}
    flags = {flag: is_flag(tags.pop(flag, None)) for flag in FLAGS}
    return {
        "study": study,
        "run_id": run.info.run_id,
        "experiment_id": run.info.experiment_id,
        "status": run.info.status,
        "start_time": run.info.start_time,
        "end_time": run.info.end_time,
        CODE: tags.get(CODE),
        SEED: None,
        **tags,
        **flags,
        **{key: typed_param(value) for key, value in run.data.params.items()},
        **{key: metric_value(value) for key, value in run.data.metrics.items()},
    }


def _ordered_columns(runs: Sequence[WholeRun], frame: pd.DataFrame) -> list[str]:
    """Return the columns: identity, tags, settings, metrics."""
    params = sorted({key for run in runs for key in run.data.params})
    metrics = sorted({key for run in runs for key in run.data.metrics})
    known = {*IDENTITY, *params, *metrics}
    tags = sorted(column for column in frame.columns if column not in known)
    present = set(frame.columns)
    return [name for name in (*IDENTITY, *tags, *params, *metrics) if name in present]
