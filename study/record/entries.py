"""What happens to a trial, as entries that wait in the spool: each kind writes itself to MLflow.

An entry is a line of JSON on file. The names of an entry's fields and of its kind are those of the
line, and lines of older launches are read too, so neither may change. An entry holds the time at
which it was made and may be written twice: a second writing changes nothing. It is over 300 lines
because the kinds are one union.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Literal, TypeVar, get_args

from mlflow.entities import Metric, Param

from analysis.record.client import has_artifact
from analysis.record.names import (
    ADOPTED_FROM,
    CODE_KEPT,
    COMPILED,
    COMPLETED,
    DATA_FINGERPRINT,
    DATASET_NAME,
    DEVICE,
    DIAGNOSTICS,
    DIVERGED,
    FAILED,
    FAILURE,
    FAILURE_FILE,
    MISSING_DIAGNOSTICS,
    MLFLOW_PREFIX,
    OUTCOME,
    PRECISION,
    RETIRED,
    ROLE,
    SCALE,
    STOPPED_EARLY,
    SUPERSEDED_ROLE,
    TRIAL_KEY,
    Outcome,
)
from analysis.record.values import flag_text, param_text
from study.record.artifacts import copy_artifacts, log_dataset, log_file
from study.record.batches import METRICS_IN_A_BATCH, PARAMS_IN_A_BATCH
from study.record.errors import MissingFileError
from study.record.study_run import run_tags
from study.record.trial_runs import TrialRuns
from trainables.artifacts import open_artifacts
from trainables.configuration import flatten_settings
from trainables.diagnostics import DiagnosticsSettings
from trainables.metrics import EPOCH, EpochMetrics

EPOCHS_A_BATCH = METRICS_IN_A_BATCH // len(fields(EpochMetrics))
LONGEST_FAILURE = 500
"""Characters of a traceback's last line that the tag holds."""
STATUS_OF_OUTCOME: dict[Outcome, str] = {
    COMPLETED: "FINISHED",
    STOPPED_EARLY: "FINISHED",
    DIVERGED: "FINISHED",
    FAILED: "FAILED",
}
FINISHED_OUTCOMES = (COMPLETED, DIVERGED)
"""Outcomes of a trial that was trained to its end."""
NOT_INHERITED = (ROLE, SCALE, TRIAL_KEY, RETIRED, OUTCOME, CODE_KEPT)
"""Tags of a run that an adopted trial's run has of its own."""

Item = TypeVar("Item")


class UnreadableEntryError(ValueError):
    """A line of the spool is no entry that this version knows."""


@dataclass(frozen=True, kw_only=True)
class _TrialEntry:
    """What all entries hold."""

    key: str
    """The trial's."""
    time: int = 0
    """When it happened, in milliseconds since 1970."""


@dataclass(frozen=True, kw_only=True)
class TrialBegun(_TrialEntry):
    """A trial begins, or goes on under the run it has."""

    kind: ClassVar[str] = "begin"
    name: str
    params: Mapping[str, str]
    tags: Mapping[str, str]

    def write(self, runs: TrialRuns) -> None:
        """Make the trial's run, or mark it as running again."""
        run_id = runs.find_run_id(self.key)
        if run_id is None:
            run_id = runs.create(self.key, name=self.name, start=self.time, tags=self.tags)
        elif runs.is_finished_since(run_id, self.time):
            runs.restore(run_id)  # an earlier retirement may have been written once more
        else:
            runs.reopen(run_id, self.tags)
        params = [Param(path, value) for path, value in self.params.items()]
        for part in _in_parts(params, PARAMS_IN_A_BATCH):
            runs.log(self.key, run_id, params=part)
        if DATA_FINGERPRINT in self.tags and DATASET_NAME in self.params:
            name, digest = self.params[DATASET_NAME], self.tags[DATA_FINGERPRINT]
            log_dataset(runs.client, run_id, name=name, digest=digest)


@dataclass(frozen=True, kw_only=True)
class EpochsTrained(_TrialEntry):
    """Epochs of a trial have ended."""

    kind: ClassVar[str] = "epochs"
    epochs: Sequence[Mapping[str, Any]]
    """The metrics of each, by name; see `EpochMetrics`."""
    device: str | None = None
    precision: str | None = None
    compiled: bool | None = None

    def write(self, runs: TrialRuns) -> None:
        """Write the metrics that are not on record yet: of later epochs, or of a later version."""
        run_id = runs.run_id(self.key)
        fresh = [metrics for epoch in self.epochs if (metrics := self._fresh_metrics(epoch, runs))]
        tags = [] if self.key in runs.with_device else run_tags(self._where())
        for part in _in_parts(fresh, EPOCHS_A_BATCH):  # an epoch is on record whole or not at all
            metrics = [metric for epoch in part for metric in epoch]
            runs.log(self.key, run_id, metrics=metrics, tags=tags)  # each call is a commit
            for epoch in part:
                runs.note_epoch(self.key, epoch[0].step, [metric.key for metric in epoch])
            tags = []
        if tags:
            runs.log(self.key, run_id, tags=tags)
        runs.with_device.add(self.key)

    def _fresh_metrics(self, epoch: Mapping[str, Any], runs: TrialRuns) -> list[Metric]:
        number = epoch[EPOCH]
        return [
            Metric(name, float(value), self.time, number)
            for name, value in epoch.items()
            if name != EPOCH and value is not None and number > runs.last_epoch(self.key, name)
        ]

    def _where(self) -> dict[str, str]:
        """Return where the epochs were trained, as far as the launch that wrote this said it."""
        said = {DEVICE: self.device, PRECISION: self.precision}
        if self.compiled is not None:
            said[COMPILED] = flag_text(self.compiled)
        return {tag: value for tag, value in said.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class DiagnosticsLeft(_TrialEntry):
    """A trial has left files."""

    kind: ClassVar[str] = "diagnostics"
    names: Sequence[str]
    location: str
    """The folder that holds the files until they are on record."""

    def write(self, runs: TrialRuns) -> None:
        """Put each file on record, then delete it from where the trial has left it.

        Raises:
            MissingFileError: if a file is neither there nor on record.
        """
        run_id = runs.run_id(self.key)
        artifacts = open_artifacts(self.location)
        for name in self.names:
            content = artifacts.load(self.key, name)
            if content is not None:
                log_file(runs.client, run_id, name, content=content, folder=DIAGNOSTICS)
                artifacts.discard(self.key, name)
            elif not has_artifact(runs.client, run_id, f"{DIAGNOSTICS}/{name}"):
                # Where the file is on record, an earlier writing came so far.
                raise MissingFileError(f"{name} of trial {self.key} is not in {self.location}")


@dataclass(frozen=True, kw_only=True)
class TrialEnded(_TrialEntry):
    """A trial has ended for good."""

    kind: ClassVar[str] = "end"
    outcome: Outcome
    metrics: Mapping[str, float | None]
    """Of the whole trial, by name; see `TrialSummary`."""
    failure: str = ""
    """The traceback of a trial that failed."""

    def write(self, runs: TrialRuns) -> None:
        """Write the outcome and the last metrics, and end the run.

        The last metrics stand at step 0, for MLflow's UI draws bars of what has no later step. An
        older version put them at the last epoch; what is at a later step would hide a new value.
        """
        run_id = runs.run_id(self.key)
        if self.outcome not in FINISHED_OUTCOMES and runs.is_finished_since(run_id, self.time):
            return
        metrics = [
            Metric(name, float(value), self.time, runs.last_epoch(self.key, name))
            for name, value in self.metrics.items()
            if value is not None
        ]
        tags: dict[str, str] = {OUTCOME: self.outcome}
        if self.failure:
            tags[FAILURE] = self.failure.strip().splitlines()[-1][:LONGEST_FAILURE]
            runs.client.log_text(run_id, self.failure, FAILURE_FILE)
        runs.log(self.key, run_id, metrics=metrics, tags=run_tags(tags))
        runs.end(self.key, STATUS_OF_OUTCOME[self.outcome], self.time)


@dataclass(frozen=True, kw_only=True)
class TrialInterrupted(_TrialEntry):
    """A trial is cut off; it goes on later under the same run."""

    kind: ClassVar[str] = "status"
    status: Literal["KILLED"] = "KILLED"

    def write(self, runs: TrialRuns) -> None:
        """End the run for now."""
        run_id = runs.run_id(self.key)
        if not runs.is_finished_since(run_id, self.time):
            runs.client.set_terminated(run_id, self.status, self.time)


@dataclass(frozen=True, kw_only=True)
class TrialTagged(_TrialEntry):
    """Something is said of a trial."""

    kind: ClassVar[str] = "tags"
    tags: Mapping[str, str]
    params: Mapping[str, str] | None = None
    """Settings that the trial's run lacks."""

    def write(self, runs: TrialRuns) -> None:
        """Set the tags, and add the settings."""
        params = [Param(path, value) for path, value in (self.params or {}).items()]
        runs.client.log_batch(runs.run_id(self.key), params=params, tags=run_tags(self.tags))


@dataclass(frozen=True, kw_only=True)
class TrialSuperseded(_TrialEntry):
    """A trial is trained again from its start: its run so far is history."""

    kind: ClassVar[str] = "superseded"
    run_id: str
    """The run that becomes history; a second writing must not take the new one."""

    def write(self, runs: TrialRuns) -> None:
        """Take the run out of the trials, and mark it as no longer a part of the study."""
        tags = {ROLE: SUPERSEDED_ROLE, RETIRED: flag_text(True)}
        runs.client.log_batch(self.run_id, tags=run_tags(tags))
        runs.forget_run(self.key, self.run_id)


@dataclass(frozen=True, kw_only=True)
class TrialAdopted(_TrialEntry):
    """A trial that another study has finished is taken over."""

    kind: ClassVar[str] = "adopted"
    source: str
    """The run to copy."""
    name: str
    tags: Mapping[str, str]
    params: Mapping[str, str] | None = None
    """The settings in which the trial differs from the source: its diagnostics."""
    settings: Mapping[str, str] | None = None
    """All settings of the trial; those that are younger than the source are added."""
    files: Sequence[str] | None = None
    """The source's files of diagnostics that the trial takes over; None means all."""

    def write(self, runs: TrialRuns) -> None:
        """Copy params, metrics, tags and artifacts, and end the run as the source ended."""
        source = runs.client.get_run(self.source).data
        TrialBegun(
            key=self.key,
            time=self.time,
            name=self.name,
            params={**(self.settings or {}), **source.params, **(self.params or {})},
            tags=self._merged_tags(source.tags),
        ).write(runs)
        run_id = runs.run_id(self.key)
        for metric in source.metrics:
            history = runs.client.get_metric_history(self.source, metric)
            for part in _in_parts(history, METRICS_IN_A_BATCH):
                runs.client.log_batch(run_id, metrics=part)
        copy_artifacts(runs.client, self.source, run_id, diagnostics=self.files)
        outcome: Outcome = source.tags[OUTCOME]  # type: ignore[assignment]  # a finished trial's is one
        TrialEnded(key=self.key, time=self.time, outcome=outcome, metrics={}).write(runs)

    def _merged_tags(self, of_source: Mapping[str, str]) -> dict[str, str]:
        """Return the source's tags under those of this study, with where the trial comes from."""
        inherited = {
            tag: value
            for tag, value in of_source.items()
            if not tag.startswith(MLFLOW_PREFIX)
            and tag not in NOT_INHERITED
            and not (tag == MISSING_DIAGNOSTICS and self.files is not None)
        }
        adopted_from = of_source.get(ADOPTED_FROM, self.source)
        return {**inherited, **self.tags, ADOPTED_FROM: adopted_from}


TrialEntry = (
    TrialBegun
    | EpochsTrained
    | DiagnosticsLeft
    | TrialEnded
    | TrialInterrupted
    | TrialTagged
    | TrialSuperseded
    | TrialAdopted
)
CLASS_OF_KIND: dict[str, type[TrialEntry]] = {one.kind: one for one in get_args(TrialEntry)}


def own_diagnostics(diagnostics: DiagnosticsSettings) -> tuple[dict[str, str], list[str]]:
    """Return a trial's params that say what it records beside its metrics, and its files."""
    params = flatten_settings({DIAGNOSTICS: asdict(diagnostics)})
    return {path: param_text(value) for path, value in params.items()}, list(diagnostics.files)


def line_of(entry: TrialEntry) -> dict[str, Any]:
    """Return what the spool keeps of an entry."""
    content = {field.name: getattr(entry, field.name) for field in fields(entry)}
    told = {name: value for name, value in content.items() if value is not None}
    return {"kind": entry.kind, **told}


def parse_line(line: Mapping[str, Any]) -> TrialEntry:
    """Return the entry of a line; fields that a later version may have added are left out.

    Raises:
        UnreadableEntryError: if the kind is unknown, or a field is missing.
    """
    found = CLASS_OF_KIND.get(line.get("kind", ""))
    if found is None:
        raise UnreadableEntryError(f"no kind of entry is called {line.get('kind')!r}")
    known = {field.name for field in fields(found)}
    try:
        return found(**{name: value for name, value in line.items() if name in known})
    except TypeError as error:
        raise UnreadableEntryError(f"an entry of the kind `{found.kind}`: {error}") from error


def _in_parts(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    return (items[start : start + size] for start in range(0, len(items), size))
