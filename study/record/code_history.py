"""What the study's run keeps of code: what digests stand for, proofs, and the epochs to compare."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from analysis.record.client import download_artifact, has_artifact
from analysis.record.names import CODE_FILE, PARENT_RUN, PROOFS_FILE
from analysis.record.values import metric_value
from study.record.errors import store_errors_told
from study.record.writer import StudyRecord
from study.scratch import lend_scratch
from study.trials import RecordedTrial
from trainables.code_digest import TrialCode
from trainables.metrics import EPOCH_METRICS


class CodeHistory:
    """The code that has computed a study's trials, as far as it is on record."""

    def __init__(self, record: StudyRecord) -> None:
        """Start with nothing read."""
        self.client: MlflowClient = record.client
        self.run_id = record.parent_id
        self._read: dict[str, dict[str, Any]] = {}

    def describe_change(
        self, recorded: RecordedTrial, now: TrialCode, *, brief: bool = False
    ) -> str:
        """Return in words how the code that computed a trial differs from the present code.

        Args:
            recorded: the trial.
            now: the present code of the trial.
            brief: whether a sentence has to hold it, as for `TrialCode.differences`.

        Raises:
            RecordError: if the tracking server cannot be reached or refuses.
        """
        run_id = recorded.tags.get(PARENT_RUN, self.run_id)  # the study that has trained it
        before = self._details(run_id, recorded.code) or self._details(self.run_id, recorded.code)
        return "; ".join(now.differences(before, brief=brief))

    def _details(self, run_id: str, digest: str) -> dict[str, Any]:
        """Return what a digest stands for, as from `TrialCode.as_dict`; empty if unknown."""
        kept = self._file(run_id)
        details = dict(kept.get("digests", {}).get(digest, {}))
        if details:
            parts = kept.get("parts", {})
            details["parts"] = {
                name: parts.get(value, {}) for name, value in details["modules"].items()
            }
        return details

    def code_text(self, codes: Iterable[TrialCode], on_record: Iterable[str]) -> str:
        """Return the file of digests: those of trials on record, and those of the present code.

        Args:
            codes: the present code of trials.
            on_record: digests of trials on record; what others stand for is dropped.
        """
        kept = self._file(self.run_id)
        wanted = set(on_record)
        digests = {d: code for d, code in kept.get("digests", {}).items() if d in wanted}
        parts = dict(kept.get("parts", {}))
        for code in codes:
            details = code.as_dict()
            for name, hashes in details.pop("parts").items():
                parts[details["modules"][name]] = hashes
            digests[code.digest] = details
        held = {value for code in digests.values() for value in code["modules"].values()}
        parts = {value: hashes for value, hashes in parts.items() if value in held}
        self._read[self.run_id] = {"digests": digests, "parts": parts}
        return json.dumps(self._read[self.run_id], sort_keys=True)

    def proofs_text(self, proofs: Iterable[Mapping[str, Any]]) -> str:
        """Return the file of proofs with these at its end."""
        return json.dumps([*self.proofs(), *proofs], indent=1)

    def proofs(self) -> list[dict[str, Any]]:
        """Return the proofs on record, the oldest first."""
        found: list[dict[str, Any]] = self._json(self.run_id, PROOFS_FILE) or []
        return found

    def epochs_of(self, recorded: RecordedTrial) -> dict[int, dict[str, float]]:
        """Return all epochs of a trial on record: epoch → metric → value.

        Raises:
            RecordError: if the tracking server cannot be reached or refuses.
        """
        epochs: dict[int, dict[str, float]] = {}
        with store_errors_told("cannot read the trials to compare"):
            for name in EPOCH_METRICS:
                if name not in recorded.metrics:
                    continue
                for point in self.client.get_metric_history(recorded.run_id, name):
                    epochs.setdefault(point.step, {})[name] = metric_value(point.value)
        return epochs

    def _file(self, run_id: str) -> dict[str, Any]:
        if run_id not in self._read:
            self._read[run_id] = self._json(run_id, CODE_FILE) or {}
        return self._read[run_id]

    def _json(self, run_id: str, name: str) -> Any:
        """Return what an artifact holds, or None if there is none."""
        if not run_id:
            return None
        with store_errors_told("cannot read what is on record of code"):
            if not has_artifact(self.client, run_id, name):
                return None
            with lend_scratch("artifact") as folder:
                path: Path = download_artifact(self.client, run_id, name, folder)
                return json.loads(path.read_text("utf-8"))
