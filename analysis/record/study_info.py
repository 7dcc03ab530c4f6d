"""What the study's own run says: the study file as resolved, its state and its address."""

import logging
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from mlflow import MlflowClient
from mlflow.entities import Experiment, Run

from analysis.record import addresses, credentials
from analysis.record.client import (
    OLDEST_FIRST,
    download_artifact,
    has_artifact,
    open_reader,
    search_all_experiments,
    search_all_runs,
    with_tags,
)
from analysis.record.looks import StudyLook, read_looks
from analysis.record.names import (
    MLFLOW_PREFIX,
    QUESTION,
    RESOLVED_FILE,
    ROLE,
    SCALE,
    STATE,
    STATE_WORDS,
    STUDY_ROLE,
)
from analysis.record.store_errors import UnknownStudyError, list_names, unknown_name_message
from trainables.metrics import VALIDATION_ERROR, is_selecting, ordering_metrics

log = logging.getLogger(__name__)


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
    """The tag `state`, or the word for MLflow's status where the tag is missing."""
    question: str = ""
    resolved: dict[str, Any] = field(default_factory=dict)
    """The study file as resolved for this scale; empty where it is not on record."""
    tags: dict[str, str] = field(default_factory=dict)
    looks: tuple[StudyLook, ...] = ()
    """When the finished study was looked at, the earliest first."""

    @property
    def looks_at(self) -> tuple[int, ...]:
        """The numbers of seeds at which was looked: those of a race, or those on record."""
        seeds = self.search.get("seeds")
        if isinstance(seeds, Mapping):
            return tuple(int(n) for n in seeds.get("looks", ()))
        return tuple(look.seeds for look in self.looks)

    @property
    def search(self) -> dict[str, Any]:
        """The section `search` of the resolved file."""
        return dict(self.resolved.get("search") or {})

    @property
    def space(self) -> dict[str, Any]:
        """The searched paths and their ranges or choices, as the file gives them."""
        return dict(self.search.get("space") or {})

    @property
    def constraints(self) -> list[dict[str, Any]]:
        """The bounds that a configuration must meet to be the best, as plain data."""
        return list(self.search.get("constraints") or [])

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
    def published_cells(self) -> list[dict[str, Any]]:
        """The published cells that the study is held against, as plain data."""
        return list((self.resolved.get("claims") or {}).get("cells") or [])

    @property
    def _objectives(self) -> list[str]:
        objective = self.search.get("objective") or VALIDATION_ERROR
        return [objective] if isinstance(objective, str) else list(objective)

    def url(self, run_id: str) -> str:
        """Return the address of a run in the MLflow UI."""
        return addresses.run_address(self.tracking_uri, self.experiment_id, run_id)

    def comparison_url(self, run_ids: Iterable[str]) -> str:
        """Return the address where the MLflow UI shows these runs side by side."""
        return addresses.runs_address(self.tracking_uri, self.experiment_id, run_ids)

    @property
    def trials_url(self) -> str:
        """The address where the MLflow UI opens on the table of the trials."""
        return addresses.trials_address(self.tracking_uri, self.experiment_id, self.scale)

    @property
    def shown_uri(self) -> str:
        """Where the record is, without a password."""
        return credentials.hide_logins(self.tracking_uri)


def shown_objectives(objectives: Sequence[str]) -> list[str]:
    """Return the metrics to order configurations by; see `trainables.metrics`."""
    return ordering_metrics(objectives)


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
    client = open_reader(tracking_uri)
    experiment = find_experiment(client, study)
    parents: dict[str, Run] = {}
    for run in _runs_of_scales(client, experiment):
        parents.setdefault(run.data.tags.get(SCALE, ""), run)
    if not parents:
        raise UnknownStudyError(
            f"the study `{study}` has no run with the tag `{ROLE}: {STUDY_ROLE}`"
        )
    if scale is None and len(parents) > 1:
        raise UnknownStudyError(f"name one of the scales of `{study}`: {list_names(parents)}")
    if scale is None:
        scale = next(iter(parents))
    if scale not in parents:
        raise UnknownStudyError(
            unknown_name_message("scale", scale, parents, f"of the study `{study}`")
        )
    run = parents[scale]
    resolved = _read_resolved(client, run.info.run_id)
    return StudyInfo(
        study=study,
        scale=scale,
        run_id=run.info.run_id,
        experiment_id=experiment.experiment_id,
        tracking_uri=client.tracking_uri,
        state=run.data.tags.get(STATE) or STATE_WORDS[run.info.status],
        question=str(resolved.get("question") or run.data.tags.get(QUESTION) or "").strip(),
        resolved=resolved,
        tags={key: value for key, value in run.data.tags.items() if MLFLOW_PREFIX not in key},
        looks=read_looks(client, run.info.run_id),
    )


def find_experiment(client: MlflowClient, study: str) -> Experiment:
    """Return the experiment of a study.

    Raises:
        UnknownStudyError: if it is not on record.
    """
    experiment = client.get_experiment_by_name(study)
    if experiment is not None and experiment.lifecycle_stage == "active":
        return experiment
    known = [found.name for found in search_all_experiments(client)]
    known = sorted(name for name in known if name != "Default")
    where = f"at {credentials.hide_logins(client.tracking_uri)}"
    raise UnknownStudyError(unknown_name_message("study", study, known, where))


def scales_of(client: MlflowClient, experiment: Experiment) -> list[str]:
    """Return the scales of a study, the oldest first."""
    parents = _runs_of_scales(client, experiment)
    return list(dict.fromkeys(run.data.tags.get(SCALE, "") for run in parents))


def _runs_of_scales(client: MlflowClient, experiment: Experiment) -> list[Run]:
    where = with_tags({ROLE: STUDY_ROLE})
    runs = search_all_runs(client, [experiment.experiment_id], where, order_by=OLDEST_FIRST)
    return list(runs)


def _read_resolved(client: MlflowClient, run_id: str) -> dict[str, Any]:
    """Return the study file as resolved; nothing where it is not on record, or damaged."""
    if not has_artifact(client, run_id, RESOLVED_FILE):
        return {}
    with tempfile.TemporaryDirectory() as folder:
        path = download_artifact(client, run_id, RESOLVED_FILE, folder)
        return parse_resolved(path)


def parse_resolved(path: Path) -> dict[str, Any]:
    """Return the study file as resolved, from a file; nothing where the file is damaged."""
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (ValueError, yaml.YAMLError) as error:
        log.warning("%s on record is damaged and left out: %s", RESOLVED_FILE, error)
        return {}
    if not isinstance(found, dict):
        log.warning("%s on record is no mapping and left out", RESOLVED_FILE)
        return {}
    return found
