"""The study's own run: one per study and scale, in the experiment of the study."""

import logging
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from mlflow import MlflowClient
from mlflow.entities import RunTag
from mlflow.exceptions import MlflowException

from analysis.record.client import download_artifact, has_artifact, with_tags
from analysis.record.looks import StudyLook, read_looks
from analysis.record.names import (
    DESCRIPTION,
    EXPERIMENT_KIND,
    PLOTS,
    RESOLVED_FILE,
    ROLE,
    SCALE,
    STUDY_ROLE,
    WRITABLE,
    WRITTEN_FILE,
)
from study.file.resolved import ResolvedStudy
from study.record.errors import RecordError

log = logging.getLogger(__name__)

EXPERIMENT_TAGS = {EXPERIMENT_KIND: "custom_model_development"}
"""Has the MLflow UI open on runs and metrics rather than on language models."""


class StudyRun:
    """The run of a study at one scale, and what is written to that run."""

    def __init__(
        self, client: MlflowClient, study: ResolvedStudy, *, experiment_id: str, run_id: str
    ) -> None:
        """Take what `open_study_run` found; both ids are empty where there is no run."""
        self.client = client
        self.study = study
        self.experiment_id = experiment_id
        self.run_id = run_id

    def begin(self, tags: Mapping[str, str]) -> None:
        """Mark the run as running, and put the study file on record as written and as resolved."""
        self.client.update_run(self.run_id, status="RUNNING")
        self.client.log_batch(self.run_id, tags=run_tags(tags))
        resolved = yaml.safe_dump(self.study.as_dict(), sort_keys=False, allow_unicode=True)
        self.client.log_text(self.run_id, self.study.written, WRITTEN_FILE)
        self.client.log_text(self.run_id, resolved, RESOLVED_FILE)

    def resolved_before(self) -> dict[str, Any] | None:
        """Return the study as the last launch resolved it, or None before the first."""
        if not has_artifact(self.client, self.run_id, RESOLVED_FILE):
            return None
        path = download_artifact(self.client, self.run_id, RESOLVED_FILE)
        found: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
        return found

    def looks(self) -> tuple[StudyLook, ...]:
        """Return the looks that are on record, the earliest first."""
        return read_looks(self.client, self.run_id)

    def add_results(self, *, texts: Mapping[str, str], plots: Iterable[Path]) -> None:
        """Add texts, by the name of the artifact, and plots."""
        for name, text in texts.items():
            self.client.log_text(self.run_id, text, name)
        for plot in plots:
            self.client.log_artifact(self.run_id, str(plot), PLOTS)

    def end(self, status: Literal["FINISHED", "FAILED", "KILLED"]) -> None:
        """End the run."""
        self.client.set_terminated(self.run_id, status)

    def is_writable(self) -> bool:
        """Return whether the server takes a tag and a file, which leave nothing new on record."""
        try:
            self.client.set_tag(self.run_id, WRITABLE, str(milliseconds_now()))
            self.client.delete_tag(self.run_id, WRITABLE)
            self.client.log_text(self.run_id, self.study.written, WRITTEN_FILE)
        except Exception as error:
            log.warning("the tracking server takes no record: %s", error)
            return False
        return True


def open_study_run(client: MlflowClient, study: ResolvedStudy, *, create: bool) -> StudyRun:
    """Return the run of a study at its scale.

    Args:
        client: of the record.
        study: whose run.
        create: whether to make the experiment and the run where they are missing.

    Raises:
        RecordError: if somebody has deleted the experiment.
    """
    experiment_id = _open_experiment(client, study.name, create=create)
    run_id = _open_run(client, study, experiment_id, create=create) if experiment_id else ""
    return StudyRun(client, study, experiment_id=experiment_id, run_id=run_id)


def _open_experiment(client: MlflowClient, name: str, *, create: bool) -> str:
    """Return the experiment's id, or nothing if there is none and none is to be made."""
    experiment = client.get_experiment_by_name(name)
    if experiment is None and not create:
        return ""
    if experiment is None:
        try:
            return str(client.create_experiment(name, tags=EXPERIMENT_TAGS))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            # Another scale was launched at the same moment.
            return _open_experiment(client, name, create=create)
    if experiment.lifecycle_stage != "active":
        raise RecordError(
            f"the MLflow experiment `{name}` is deleted; restore it with "
            f"`mlflow experiments restore --experiment-id {experiment.experiment_id}`"
        )
    return str(experiment.experiment_id)


def _open_run(
    client: MlflowClient, study: ResolvedStudy, experiment_id: str, *, create: bool
) -> str:
    """Return the run's id, or nothing if there is none and none is to be made."""
    own = {ROLE: STUDY_ROLE, SCALE: study.scale}
    found = client.search_runs([experiment_id], with_tags(own), max_results=1)
    if found:
        return str(found[0].info.run_id)
    if not create:
        return ""
    tags = {**own, DESCRIPTION: study.question}
    run = client.create_run(experiment_id, tags=tags, run_name=f"{study.name} {study.scale}")
    client.update_run(run.info.run_id, status="SCHEDULED")  # not RUNNING: nothing runs yet
    return str(run.info.run_id)


def run_tags(tags: Mapping[str, str]) -> list[RunTag]:
    """Return tags as MLflow's requests hold them."""
    return [RunTag(name, value) for name, value in tags.items()]


def milliseconds_now() -> int:
    """Return the time since 1970, as MLflow counts it."""
    return int(time.time() * 1000)
