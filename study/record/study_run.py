"""The study's own run: one per study and scale, in the experiment of the study."""

import getpass
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from mlflow import MlflowClient
from mlflow.entities import Metric, Run, RunTag
from mlflow.exceptions import MlflowException

from analysis.record.addresses import view_tag
from analysis.record.client import (
    artifact_location,
    download_artifact,
    has_artifact,
    search_all_runs,
    with_tags,
)
from analysis.record.duplicates import oldest_run
from analysis.record.looks import StudyLook, read_looks
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
    SUPERSEDED_BY,
    TABLE_CSV,
    USER,
    WRITABLE,
    WRITTEN_FILE,
)
from analysis.record.store_errors import RecordError
from analysis.record.study_info import parse_resolved
from analysis.record.whole_runs import WholeRun
from study.file.resolved import ResolvedStudy
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
        self,
        client: MlflowClient,
        study: ResolvedStudy,
        *,
        experiment_id: str,
        run_id: str,
        superseded: Sequence[Run] = (),
    ) -> None:
        """Take what `open_study_run` found; the run's id is empty where there is no run.

        Args:
            client: of the record.
            study: whose run.
            experiment_id: of the run; empty where there is none.
            run_id: of the run.
            superseded: further runs of the study at this scale, which two launches have made.
        """
        self.client = client
        self.study = study
        self.experiment_id = experiment_id
        self.run_id = run_id
        self.superseded = superseded

    def create_missing(self) -> None:
        """Make the experiment and the run where they are missing."""
        if not self.run_id:
            self.experiment_id = open_experiment(self.client, self.study.name, create=True)
            self.run_id = _create_run(self.client, self.study, self.experiment_id)

    def take_back(self) -> None:
        """Delete a run that was made and never begun; a store that is away keeps it."""
        if not self.run_id:
            return
        try:
            self.client.delete_run(self.run_id)
        except Exception as error:
            log.warning("the study's run %s stays on record: %s", self.run_id, error)
        else:
            self.run_id = ""

    def begin(self, tags: Mapping[str, str], texts: Mapping[str, str]) -> None:
        """Put the study file on record as written and as resolved, and mark the run as running.

        The mark comes last: where the store takes no artifact, nothing stays marked.

        Args:
            tags: of the run.
            texts: further artifacts, by their names.
        """
        resolved = yaml.safe_dump(self.study.as_dict(), sort_keys=False, allow_unicode=True)
        own = {WRITTEN_FILE: self.study.written, RESOLVED_FILE: resolved}
        self.add_results(texts={**own, **texts}, plots=())
        described = {**ui_tags(self.study.source, tags), **tags}
        self.client.log_batch(self.run_id, tags=run_tags(described))
        self._describe_experiment()
        self.client.update_run(self.run_id, status="RUNNING")

    def _describe_experiment(self) -> None:
        """Have the UI say what the experiment is, and show its trials as a table."""
        tags = {
            DESCRIPTION: f"{self.study.question}\n\n{HOW_TO_READ}",
            view_tag(self.study.scale): trials_view(self.study),
        }
        for name, value in tags.items():
            self.client.set_experiment_tag(self.experiment_id, name, value)

    def resolved_before(self) -> dict[str, Any] | None:
        """Return the study as the last launch resolved it, or None where that is not known."""
        if not self.run_id or not has_artifact(self.client, self.run_id, RESOLVED_FILE):
            return None
        return parse_resolved(download_artifact(self.client, self.run_id, RESOLVED_FILE)) or None

    def has_plots_of(self, table: str) -> bool:
        """Return whether the plots on record are whole and of the present trials.

        A launch may die among its plots, and leave those of fewer trials. The table is put on
        record after its plots: where it is the present one, so are they.

        Args:
            table: of the present trials, as the artifact TABLE_CSV.
        """
        if not self.run_id or not self.client.list_artifacts(self.run_id, PLOTS):
            return False
        if not has_artifact(self.client, self.run_id, TABLE_CSV):
            return False
        file = download_artifact(self.client, self.run_id, TABLE_CSV)
        return file.read_bytes() == table.encode()

    def looks(self) -> tuple[StudyLook, ...]:
        """Return the looks that are on record, the earliest first."""
        return read_looks(self.client, self.run_id) if self.run_id else ()

    def add_results(self, *, texts: Mapping[str, str], plots: Iterable[Path]) -> None:
        """Add plots, and then texts by the name of the artifact; see `has_plots_of`."""
        for plot in plots:
            self.client.log_artifact(self.run_id, str(plot), PLOTS)
        for name, text in texts.items():
            self.client.log_text(self.run_id, text, name)

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

    def put_away_superseded(self) -> list[str]:
        """Delete the study's further runs, whose trials are this run's; return sentences on it."""
        for run in self.superseded:
            put_away(self.client, run, self.run_id)
        return [
            f"The study had a second run on record, {run.info.run_id}. It is deleted (MLflow can "
            "restore it), and its trials belong to the first."
            for run in self.superseded
        ]


def put_away(client: MlflowClient, run: WholeRun, kept_id: str) -> None:
    """Delete a run that another one stands for; MLflow keeps it and can restore it."""
    client.set_tag(run.info.run_id, SUPERSEDED_BY, kept_id)
    if run.info.status == "RUNNING":
        client.set_terminated(run.info.run_id, "KILLED")
    client.delete_run(run.info.run_id)


def open_study_run(client: MlflowClient, study: ResolvedStudy, *, create: bool) -> StudyRun:
    """Return the run of a study at its scale.

    Args:
        client: of the record.
        study: whose run.
        create: whether to make the experiment and the run where they are missing.

    Raises:
        RecordError: if somebody has deleted the experiment.
    """
    experiment_id = open_experiment(client, study.name, create=create)
    own = {ROLE: STUDY_ROLE, SCALE: study.scale}
    found = [*search_all_runs(client, [experiment_id], with_tags(own))] if experiment_id else []
    if found:
        kept = oldest_run(found)
        others = [run for run in found if run is not kept]
        run_id = kept.info.run_id
        return StudyRun(
            client, study, experiment_id=experiment_id, run_id=run_id, superseded=others
        )
    run_id = _create_run(client, study, experiment_id) if create else ""
    return StudyRun(client, study, experiment_id=experiment_id, run_id=run_id)


def _create_run(client: MlflowClient, study: ResolvedStudy, experiment_id: str) -> str:
    """Make the run of a study at its scale and return the run's id."""
    tags = {ROLE: STUDY_ROLE, SCALE: study.scale, DESCRIPTION: study.question}
    run = client.create_run(experiment_id, tags=tags, run_name=f"{study.name} {study.scale}")
    client.update_run(run.info.run_id, status="SCHEDULED")  # not RUNNING: nothing runs yet
    return str(run.info.run_id)


def open_experiment(client: MlflowClient, name: str, *, create: bool) -> str:
    """Return the id of a study's experiment, or nothing if there is none and none is to be made.

    Raises:
        RecordError: if somebody has deleted the experiment.
    """
    experiment = client.get_experiment_by_name(name)
    if experiment is None and not create:
        return ""
    if experiment is None:
        try:
            location = artifact_location(client, name)
            return str(client.create_experiment(name, location, tags=EXPERIMENT_TAGS))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            # Another launch has made it at the same moment.
            return open_experiment(client, name, create=create)
    if experiment.lifecycle_stage != "active":
        raise RecordError(
            f"the MLflow experiment `{name}` is deleted; restore it with "
            f"`mlflow experiments restore --experiment-id {experiment.experiment_id}`"
        )
    return str(experiment.experiment_id)


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
