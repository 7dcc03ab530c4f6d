"""The study's own run: one per study and scale, in the experiment of the study."""

import getpass
import logging
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from mlflow import MlflowClient
from mlflow.entities import Metric, RunTag
from mlflow.exceptions import MlflowException

from analysis.record.addresses import view_tag
from analysis.record.client import download_artifact, has_artifact, with_tags
from analysis.record.names import (
    DESCRIPTION,
    EXPERIMENT_KIND,
    GIT_COMMIT,
    PLOTS,
    RESOLVED_FILE,
    ROLE,
    SCALE,
    SOURCE_COMMIT,
    SOURCE_NAME,
    SOURCE_TYPE,
    STUDY_ROLE,
    USER,
    WRITABLE,
    WRITTEN_FILE,
)
from study.file.resolved import ResolvedStudy
from study.record.errors import RecordError
from study.record.trials_view import trials_view

log = logging.getLogger(__name__)

EXPERIMENT_TAGS = {EXPERIMENT_KIND: "custom_model_development"}
"""Has the MLflow UI open on runs and metrics rather than on language models."""
HOW_TO_READ = (
    "A run of the role `study` is the study at one scale: its description says what was found. "
    "Below it lies a run of the role `trial` for each configuration and seed."
)
"""Follows the question in the description of an experiment."""


class StudyRun:
    """The run of a study at one scale, and what is written to that run."""

    def __init__(
        self, client: MlflowClient, study: ResolvedStudy, *, experiment_id: str, run_id: str
    ) -> None:
        """Take what `open_study_run` found; the run's id is empty where there is no run."""
        self.client = client
        self.study = study
        self.experiment_id = experiment_id
        self.run_id = run_id

    def create_missing(self) -> None:
        """Make the experiment and the run where they are missing."""
        if not self.run_id:
            self.experiment_id = _open_experiment(self.client, self.study.name, create=True)
            self.run_id = _open_run(self.client, self.study, self.experiment_id, create=True)

    def begin(self, tags: Mapping[str, str]) -> None:
        """Mark the run as running, and put the study file on record as written and as resolved."""
        self.client.update_run(self.run_id, status="RUNNING")
        own = {**ui_tags(self.study.source, tags), **tags}
        self.client.log_batch(self.run_id, tags=run_tags(own))
        self._describe_experiment()
        resolved = yaml.safe_dump(self.study.as_dict(), sort_keys=False, allow_unicode=True)
        self.client.log_text(self.run_id, self.study.written, WRITTEN_FILE)
        self.client.log_text(self.run_id, resolved, RESOLVED_FILE)

    def _describe_experiment(self) -> None:
        """Have the UI say what the experiment is, and show its trials as a table."""
        tags = {
            DESCRIPTION: f"{self.study.question}\n\n{HOW_TO_READ}",
            view_tag(self.study.scale): trials_view(self.study),
        }
        for name, value in tags.items():
            self.client.set_experiment_tag(self.experiment_id, name, value)

    def resolved_before(self) -> dict[str, Any] | None:
        """Return the study as the last launch resolved it, or None before the first."""
        if not self.run_id or not has_artifact(self.client, self.run_id, RESOLVED_FILE):
            return None
        path = download_artifact(self.client, self.run_id, RESOLVED_FILE)
        found: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
        return found

    def add_results(self, *, texts: Mapping[str, str], plots: Iterable[Path]) -> None:
        """Add texts, by the name of the artifact, and plots."""
        for name, text in texts.items():
            self.client.log_text(self.run_id, text, name)
        for plot in plots:
            self.client.log_artifact(self.run_id, str(plot), PLOTS)

    def describe(self, text: str, values: Mapping[str, float]) -> None:
        """Set the run's description, in Markdown, and the values that it can be compared by."""
        now = milliseconds_now()
        self.client.log_batch(
            self.run_id,
            metrics=[Metric(name, value, now, 0) for name, value in values.items()],
            tags=run_tags({DESCRIPTION: text}),
        )

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


def ui_tags(source: str, provenance: Mapping[str, str]) -> dict[str, str]:
    """Return the tags from which MLflow's UI says who ran what.

    Args:
        source: the study file.
        provenance: the tags that hold the commit.
    """
    commit = provenance.get(GIT_COMMIT, "unknown")
    known = {SOURCE_COMMIT: commit} if commit != "unknown" else {}
    return {SOURCE_NAME: source, SOURCE_TYPE: "LOCAL", USER: _user_name(), **known}


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run a user that has no name
        return "unknown"


def run_tags(tags: Mapping[str, str]) -> list[RunTag]:
    """Return tags as MLflow's requests hold them."""
    return [RunTag(name, value) for name, value in tags.items()]


def milliseconds_now() -> int:
    """Return the time since 1970, as MLflow counts it."""
    return int(time.time() * 1000)
