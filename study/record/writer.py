"""The record, in MLflow: one parent run per study and scale, one child run per trial."""

import json
import logging
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Literal

import mlflow  # noqa: E402
import requests  # noqa: E402
import yaml  # noqa: E402
from mlflow import MlflowClient  # noqa: E402
from mlflow.entities import Experiment, Metric, Param, Run, RunTag, ViewType  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402

from analysis.record import collector, credentials  # noqa: E402
from study.file.resolved import ResolvedStudy  # noqa: E402
from study.record.spool import Entry, RecordSpool, UnreachableError  # noqa: E402
from study.scratch import lend_scratch  # noqa: E402
from study.trials import Outcome, RecordedTrial  # noqa: E402
from trainables.artifacts import DIAGNOSTICS, TrialArtifacts  # noqa: E402
from trainables.metrics import EpochMetrics, TrialSummary  # noqa: E402

# The spool asks again by itself; MLflow's own retries would hold its thread for minutes.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
# With a server MLflow prints two lines for each run that ends.
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
# MLflow reports to standard error on import and when it makes a database.
logging.getLogger("mlflow").setLevel(logging.WARNING)
logging.getLogger("alembic").setLevel(logging.WARNING)

log = logging.getLogger(__name__)

TRANSIENT = ("TEMPORARILY_UNAVAILABLE", "INTERNAL_ERROR", "REQUEST_LIMIT_EXCEEDED")
"""What MLflow calls errors that may pass; a server that does not answer is an internal error."""
MOST_ATTEMPTS = 6
"""How often in a row such an error may meet a record while the server takes all else."""
METRICS_A_BATCH = 1000
EPOCHS_A_BATCH = METRICS_A_BATCH // len(fields(EpochMetrics))
PAGE = 1000
WRITTEN_FILE = "study.yaml"
"""The study file as written, among the artifacts of the study's run."""
ANSWER_SECONDS = 5.0
"""How long a study waits for word of who else has trained a trial; then it trains it itself."""
OTHERS_SECONDS = 10.0
"""How long a study that has just appeared on the server may go unnoticed."""
EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}
"""Has the MLflow UI open on runs and metrics rather than on language models."""

STATUS_OF_OUTCOME: dict[Outcome, str] = {
    "completed": "FINISHED",
    "stopped_early": "FINISHED",
    "diverged": "FINISHED",
    "failed": "FAILED",
}


class RecordError(Exception):
    """The tracking server cannot be used; nothing was started."""


def _unusable_error(error: Exception) -> RecordError:
    reason = credentials.hide_logins(str(error))
    return RecordError(f"cannot use the tracking server {shown_tracking_uri()}: {reason}")


class RefusedRecordError(Exception):
    """The tracking server does not take this record, though it takes others."""


class MissingFileError(Exception):
    """A file that a record names is neither where it should be nor on record."""


def shown_tracking_uri() -> str:
    """Return where the records go: MLFLOW_TRACKING_URI, or MLflow's own default, to be shown."""
    return credentials.hide_logins(mlflow.get_tracking_uri())


def is_on_one_machine() -> bool:
    """Return whether the records go to a file, which no other machine may write."""
    return mlflow.get_tracking_uri().partition(":")[0] in ("sqlite", "file")


def open_client() -> MlflowClient:
    """Return a client whose address holds no password, since MLflow's messages repeat it."""
    mlflow.set_tracking_uri(credentials.without_login(mlflow.get_tracking_uri()))
    return MlflowClient()


class StudyRecord:
    """The runs of one study at one scale."""

    def __init__(self, study: ResolvedStudy, spool: Path, *, read_only: bool = False) -> None:
        """Find the study's experiment and parent run, and write what an earlier process left.

        Args:
            study: whose record.
            spool: the file of records that wait.
            read_only: whether to make and write nothing; what is recorded comes to nothing.

        Raises:
            RecordError: if the tracking server cannot be reached or refuses.
        """
        self.study = study
        self.client = open_client()
        self.spool = RecordSpool(spool, self._deliver)
        self._run_ids: dict[str, str] = {}
        self._read: dict[str, RecordedTrial] | None = None
        """All trials as last read, until something is written: thousands take seconds."""
        self._in_doubt: set[str] = set()
        """Trials whose run may have been made by a request that failed on its way back."""
        self._last_epoch: dict[str, int] = {}
        self._asking = threading.Thread()
        """Asks who else has trained a trial; alive while the server owes an answer."""
        self._others_known: list[str] = []
        self._others_at = float("-inf")
        self._with_device: set[str] = set()
        self._attempts = 0
        """How often in a row the record that is next met an error of its own."""
        try:
            self.experiment_id = self._experiment(create=not read_only)
            self.parent_id = self._parent(create=not read_only)
            self._run_ids = {key: trial.run_id for key, trial in self.trials().items()}
            if read_only:
                return
            self.spool.start()
            if not self.spool.drain(timeout=60):
                raise RecordError(f"cannot write the waiting records of {spool}")
        except (MlflowException, requests.RequestException) as error:
            raise _unusable_error(error) from error

    def _experiment(self, *, create: bool) -> str:
        """Return the experiment's id, or nothing if there is none and none is to be made."""
        experiment = self.client.get_experiment_by_name(self.study.name)
        if experiment is None and not create:
            return ""
        if experiment is None:
            try:
                return str(self.client.create_experiment(self.study.name, tags=EXPERIMENT_TAGS))
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
                return self._experiment(
                    create=create
                )  # another scale was launched at the same moment
        if experiment.lifecycle_stage != "active":
            raise RecordError(
                f"the MLflow experiment `{self.study.name}` is deleted; restore it with "
                f"`mlflow experiments restore --experiment-id {experiment.experiment_id}`"
            )
        return str(experiment.experiment_id)

    def _parent(self, *, create: bool) -> str:
        """Return the parent run's id, or nothing if there is none and none is to be made."""
        if not self.experiment_id:
            return ""
        where = f"tags.role = 'study' and tags.scale = '{self.study.scale}'"
        found = self.client.search_runs([self.experiment_id], where, max_results=1)
        if found:
            return str(found[0].info.run_id)
        if not create:
            return ""
        tags = {
            "role": "study",
            "scale": self.study.scale,
            "mlflow.note.content": self.study.question,
        }
        run = self.client.create_run(
            self.experiment_id, tags=tags, run_name=f"{self.study.name} {self.study.scale}"
        )
        self.client.update_run(run.info.run_id, status="SCHEDULED")  # not RUNNING: nothing runs yet
        return str(run.info.run_id)

    def _children(self, more: str = "") -> Iterator[Run]:
        if not self.parent_id:
            return
        where = f"tags.role = 'trial' and tags.mlflow.parentRunId = '{self.parent_id}'{more}"
        yield from search_all_runs(self.client, [self.experiment_id], where)

    def trials(self) -> dict[str, RecordedTrial]:
        """Return all trials of the study by key, whatever became of them."""
        if self._read is None:
            self._read = {trial.key: trial for trial in map(_recorded_trial, self._children())}
        return self._read

    def begin(
        self,
        key: str,
        *,
        name: str,
        params: Mapping[str, Any],
        tags: Mapping[str, str],
    ) -> None:
        """Record that a trial begins, or goes on under the run it has."""
        texts = {path: _param_text(value) for path, value in params.items()}
        self._append("begin", key, name=name, params=texts, tags=dict(tags))

    def epochs(
        self,
        key: str,
        epochs: Sequence[EpochMetrics],
        *,
        device: str,
        precision: str = "fp32",
    ) -> None:
        """Record the metrics of epochs; those that are on record already are left alone."""
        content = [asdict(epoch) for epoch in epochs]
        self._append("epochs", key, epochs=content, device=device, precision=precision)

    def diagnostics(self, key: str, names: Sequence[str], *, location: str) -> None:
        """Record files that a trial has left at `location`; they are deleted once on record."""
        self._append("diagnostics", key, names=list(names), location=location)

    def note_missing(self, key: str, names: Sequence[str]) -> None:
        """Record that files of diagnostics are missing: the trial's machine could not keep them."""
        self._append("tags", key, tags={"missing_diagnostics": ", ".join(names)})

    def end(
        self, key: str, outcome: Outcome, summary: TrialSummary | None, *, failure: str = ""
    ) -> None:
        """Record how a trial ended for good."""
        metrics = asdict(summary) if summary else {}
        self._append("end", key, outcome=outcome, metrics=metrics, failure=failure)

    def interrupt(self, key: str) -> None:
        """Record that a trial is cut off; it goes on later under the same run."""
        self._append("status", key, status="KILLED")

    def retire(self, keys: Iterable[str], retired: bool) -> None:
        """Mark trials that no longer belong to the study, or that belong again."""
        for key in keys:
            self._append("tags", key, tags={"retired": str(retired).lower()})

    def _append(self, kind: str, key: str, **content: Any) -> None:
        # The time is part of the record: a second write is then equal to the first.
        self.spool.append({"kind": kind, "key": key, "time": _milliseconds_now(), **content})

    def _deliver(self, entry: Entry) -> None:
        """Write a record; it is refused for good only by a server that takes others meanwhile."""
        self._read = None
        try:
            getattr(self, f"_write_{entry['kind']}")(entry)
        except (
            UnreachableError,
            MissingFileError,
            AssertionError,
            ImportError,
        ):  # none of the server's
            raise
        except Exception as error:  # a store of artifacts has errors of its own
            reason = credentials.hide_logins(str(error))
            if not self._takes_records():
                self._attempts = 0
                raise UnreachableError(reason) from error
            self._attempts += 1
            if self._attempts < MOST_ATTEMPTS and _may_pass(error):
                raise UnreachableError(reason) from error
            self._attempts = 0
            raise RefusedRecordError(
                f"{entry['kind']} of trial {entry['key']}: {reason}"
            ) from error
        self._attempts = 0

    def _takes_records(self) -> bool:
        """Return whether the server takes a tag and a file, which leave nothing new on record."""
        try:
            self.client.set_tag(self.parent_id, "writable", str(_milliseconds_now()))
            self.client.delete_tag(self.parent_id, "writable")
            self.client.log_text(self.parent_id, self.study.written, WRITTEN_FILE)
        except Exception as error:
            log.warning("the tracking server takes no record: %s", error)
            return False
        return True

    def _write_begin(self, entry: Entry) -> None:
        key = entry["key"]
        run_id = self._run_id(key)
        params = [Param(path, value) for path, value in entry["params"].items()]
        if run_id is None:
            tags = {
                "role": "trial",
                "scale": self.study.scale,
                "trial_key": key,
                "mlflow.parentRunId": self.parent_id,
                **entry["tags"],
            }
            self._in_doubt.add(key)
            run = self.client.create_run(
                self.experiment_id, start_time=entry["time"], tags=tags, run_name=entry["name"]
            )
            self._in_doubt.remove(key)
            run_id = self._run_ids[key] = run.info.run_id
            self._last_epoch[key] = 0
        else:
            # What an earlier attempt came to is over: it would be taken for the present outcome.
            known = self.client.get_run(run_id).data.tags
            for tag in ("outcome", "failure"):
                if tag in known:
                    self.client.delete_tag(run_id, tag)
            self.client.update_run(run_id, status="RUNNING")
            tags = dict(entry["tags"])
            if "retired" in known:
                tags["retired"] = "false"
            self.client.log_batch(run_id, tags=_run_tags(tags))
        for part in _in_parts(params, 100):
            self.client.log_batch(run_id, params=part)

    def _write_epochs(self, entry: Entry) -> None:
        key, run_id = entry["key"], self._known_run_id(entry["key"])
        fresh = [epoch for epoch in entry["epochs"] if epoch["epoch"] > self._recorded(key)]
        where = {name: entry[name] for name in ("device", "precision") if name in entry}
        tags = [] if key in self._with_device else _run_tags(where)
        for part in _in_parts(fresh, EPOCHS_A_BATCH):  # an epoch is on record whole or not at all
            metrics = [
                Metric(name, float(value), entry["time"], epoch["epoch"])
                for epoch in part
                for name, value in epoch.items()
                if name != "epoch" and value is not None
            ]
            self.client.log_batch(run_id, metrics=metrics, tags=tags)  # each call is a commit
            self._last_epoch[key], tags = part[-1]["epoch"], []
        if tags:
            self.client.log_batch(run_id, tags=tags)
        self._with_device.add(key)

    def _write_diagnostics(self, entry: Entry) -> None:
        key, run_id = entry["key"], self._known_run_id(entry["key"])
        artifacts = TrialArtifacts(entry["location"])
        for name in entry["names"]:
            content = artifacts.load(key, name)
            if content is not None:
                self._log_artifact(run_id, name, content)
                artifacts.discard(key, name)
            elif not self._has_diagnostics(run_id, name):  # else an earlier write came so far
                raise MissingFileError(f"{name} of trial {key} is not in {entry['location']}")

    def _log_artifact(self, run_id: str, name: str, content: bytes) -> None:
        with _space_may_come(), lend_scratch("artifact") as folder:
            file = Path(folder) / name
            file.write_bytes(content)
            self.client.log_artifact(run_id, str(file), DIAGNOSTICS)

    def _has_diagnostics(self, run_id: str, name: str) -> bool:
        present = self.client.list_artifacts(run_id, DIAGNOSTICS)
        return f"{DIAGNOSTICS}/{name}" in {file.path for file in present}

    def _write_end(self, entry: Entry) -> None:
        run_id = self._known_run_id(entry["key"])
        step = self._recorded(entry["key"])
        metrics = [
            Metric(name, float(value), entry["time"], step)
            for name, value in entry["metrics"].items()
            if value is not None
        ]
        tags = {"outcome": entry["outcome"]}
        if entry["failure"]:
            tags["failure"] = entry["failure"].strip().splitlines()[-1][:500]
            self.client.log_text(run_id, entry["failure"], "failure.txt")
        self.client.log_batch(run_id, metrics=metrics, tags=_run_tags(tags))
        self.client.set_terminated(run_id, STATUS_OF_OUTCOME[entry["outcome"]], entry["time"])

    def _write_status(self, entry: Entry) -> None:
        self.client.set_terminated(self._known_run_id(entry["key"]), entry["status"], entry["time"])

    def _write_tags(self, entry: Entry) -> None:
        self.client.log_batch(self._known_run_id(entry["key"]), tags=_run_tags(entry["tags"]))

    def _run_id(self, key: str) -> str | None:
        """Return the run of a trial, or None if it has none yet.

        Those that earlier launches made are known from the start.
        """
        if key not in self._run_ids and key in self._in_doubt:
            where = f"tags.mlflow.parentRunId = '{self.parent_id}' and tags.trial_key = '{key}'"
            found = self.client.search_runs([self.experiment_id], where, max_results=1)
            if found:
                self._run_ids[key] = found[0].info.run_id
        return self._run_ids.get(key)

    def _known_run_id(self, key: str) -> str:
        run_id = self._run_id(key)
        assert run_id is not None, f"trial {key} was never begun"
        return run_id

    def _recorded(self, key: str) -> int:
        """Return the last epoch on record, 0 if there is none."""
        if key not in self._last_epoch:
            history = self.client.get_metric_history(self._known_run_id(key), "train_loss")
            self._last_epoch[key] = max((metric.step for metric in history), default=0)
        return self._last_epoch[key]

    def finished_elsewhere(self, key: str) -> RecordedTrial | None:
        """Return this trial as another study on the server has finished it, if one has.

        A server that does not answer soon has finished nothing: the study goes on without it.
        """
        if self.spool.away_since or self._asking.is_alive():
            return None
        found: list[RecordedTrial | None] = []
        ask = threading.Thread(target=lambda: found.append(self._elsewhere(key)), daemon=True)
        ask.start()
        ask.join(ANSWER_SECONDS)
        self._asking = ask
        return found[0] if found else None

    def _elsewhere(self, key: str) -> RecordedTrial | None:
        where = f"tags.trial_key = '{key}' and attributes.status = 'FINISHED'"
        try:
            others = self._others()
            found = self.client.search_runs(others, where) if others else []
        except Exception as error:  # whatever it is, it must not end a study
            log.warning("cannot ask who else has trained %s: %s", key, error)
            return None
        for run in found:
            trial = _recorded_trial(run)
            own = run.data.tags.get("mlflow.parentRunId") == self.parent_id
            if not own and trial.outcome in ("completed", "diverged"):
                return trial
        return None

    def _others(self) -> list[str]:
        """Return the experiments with other studies, or other scales of this one.

        Looked up now and then, since every trial asks: on a server of its own a study asks no more.
        """
        if time.monotonic() - self._others_at > OTHERS_SECONDS:
            experiments = [str(e.experiment_id) for e in self._experiments()]
            where = "tags.role = 'study'"
            parents = search_all_runs(self.client, experiments, where)
            self._others_known = sorted(
                {run.info.experiment_id for run in parents if run.info.run_id != self.parent_id}
            )
            self._others_at = time.monotonic()
        return self._others_known

    def _experiments(self) -> Iterator[Experiment]:
        token = None
        while token is None or token:
            page = self.client.search_experiments(page_token=token)
            yield from page
            token = page.token or ""

    def adopt(self, key: str, source: RecordedTrial, *, name: str, tags: Mapping[str, str]) -> None:
        """Record a trial that another study has finished: same params, metrics and tags."""
        self._append("adopted", key, source=source.run_id, name=name, tags=dict(tags))

    def _write_adopted(self, entry: Entry) -> None:
        run = self.client.get_run(entry["source"])
        inherited = {
            tag: value
            for tag, value in run.data.tags.items()
            if not tag.startswith("mlflow.") and tag not in ("role", "scale", "retired", "outcome")
        }
        adopted_from = run.data.tags.get("adopted_from", entry["source"])
        tags = {**inherited, **entry["tags"], "adopted_from": adopted_from}
        self._write_begin({**entry, "params": run.data.params, "tags": tags})
        run_id = self._known_run_id(entry["key"])
        for metric in run.data.metrics:
            history = self.client.get_metric_history(entry["source"], metric)
            for part in _in_parts(history, METRICS_A_BATCH):
                self.client.log_batch(run_id, metrics=part)
        self._copy_artifacts(entry["source"], run_id)
        outcome = run.data.tags["outcome"]
        self._write_end({**entry, "outcome": outcome, "metrics": {}, "failure": ""})

    def _copy_artifacts(self, source_id: str, run_id: str) -> None:
        if not self.client.list_artifacts(source_id):
            return
        with _space_may_come(), lend_scratch("artifacts") as folder:
            self.client.download_artifacts(source_id, "", folder)
            self.client.log_artifacts(run_id, folder)

    def begin_study(self, tags: Mapping[str, str]) -> None:
        """Mark the parent run as running, with the study file as written and as resolved."""
        self._rest_children()
        self.client.update_run(self.parent_id, status="RUNNING")
        self.client.log_batch(self.parent_id, tags=_run_tags(tags))
        resolved = yaml.safe_dump(self.study.as_dict(), sort_keys=False, allow_unicode=True)
        self.client.log_text(self.parent_id, self.study.written, WRITTEN_FILE)
        self.client.log_text(self.parent_id, resolved, "resolved.yaml")

    def resolved_before(self) -> dict[str, Any] | None:
        """Return the study as the last launch resolved it, or None before the first."""
        names = {file.path for file in self.client.list_artifacts(self.parent_id)}
        if "resolved.yaml" not in names:
            return None
        path = self.client.download_artifacts(self.parent_id, "resolved.yaml")
        found: dict[str, Any] = yaml.safe_load(Path(path).read_text("utf-8"))
        return found

    def publish(
        self,
        *,
        texts: Mapping[str, str],
        plots: Iterable[Path],
        status: Literal["FINISHED", "FAILED", "KILLED"],
    ) -> None:
        """Add texts and plots to the parent run, and end it and what a dead process left running.

        Raises:
            RecordError: if the tracking server cannot be reached or refuses.
        """
        try:
            for name, text in texts.items():
                self.client.log_text(self.parent_id, text, name)
            for plot in plots:
                self.client.log_artifact(self.parent_id, str(plot), "plots")
            self._rest_children()
            self.client.set_terminated(self.parent_id, status)
        except (MlflowException, requests.RequestException) as error:
            reason = credentials.hide_logins(str(error))
            raise RecordError(f"cannot end the study's record: {reason}") from error

    def _rest_children(self) -> None:
        self._read = None
        for run in list(self._children(" and attributes.status = 'RUNNING'")):
            self.client.set_terminated(run.info.run_id, "KILLED")

    def close(self, timeout: float) -> bool:
        """Write what waits; return False if some had to stay in the spool for the next launch."""
        return self.spool.close(timeout)


def _may_pass(error: Exception) -> bool:
    return not isinstance(error, MlflowException) or error.error_code in TRANSIENT


def _recorded_trial(run: Run) -> RecordedTrial:
    return RecordedTrial(
        run_id=run.info.run_id,
        key=run.data.tags["trial_key"],
        status=run.info.status,
        outcome=run.data.tags.get("outcome"),
        metrics=run.data.metrics,
        tags=run.data.tags,
    )


def _run_tags(tags: Mapping[str, str]) -> list[RunTag]:
    return [RunTag(name, value) for name, value in tags.items()]


def _param_text(value: Any) -> str:
    """Return a param's text: lists as JSON, all else as YAML would show it."""
    if isinstance(value, tuple | list):
        return json.dumps(list(value))
    return str(value)


def _in_parts(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))


@contextmanager
def _space_may_come() -> Iterator[None]:
    """Take an error of this machine's disk for one that passes."""
    try:
        yield
    except requests.RequestException:  # the server's, though it is an OSError
        raise
    except OSError as error:
        raise UnreachableError(str(error)) from error


def _milliseconds_now() -> int:
    return int(time.time() * 1000)


def search_all_runs(client: MlflowClient, experiment_ids: list[str], where: str) -> Iterator[Run]:
    """Yield all active runs that match, page by page."""
    token = None
    while True:
        with collector.collector_paused():
            page = client.search_runs(
                experiment_ids, where, ViewType.ACTIVE_ONLY, PAGE, page_token=token
            )
        yield from page
        token = page.token
        if not token:
            return
