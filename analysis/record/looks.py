"""The looks at a study: each time it was finished with more seeds than before.

Whoever sees a table and then adds seeds has looked twice, and what is said of the study afterwards
must allow for both (see `statistics.looks`). So each look is on record with what was known then.
"""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mlflow import MlflowClient

from analysis.record.client import download_artifact, has_artifact
from analysis.record.names import LOOKS_FILE


@dataclass(frozen=True)
class StudyLook:
    """One look at a finished study."""

    at: str
    """When, ISO 8601 in UTC."""
    seeds: int
    """The most seeds that any configuration had in full."""
    trials: int
    """Trials that had run in full."""
    known: Mapping[str, float]
    """Configuration → the mean of the objective."""
    decision: str
    """What a race had decided by then, in words; empty without one."""


def read_looks(client: MlflowClient, run_id: str) -> tuple[StudyLook, ...]:
    """Return the looks that are on record in a study's run, the earliest first."""
    if not run_id or not has_artifact(client, run_id, LOOKS_FILE):
        return ()
    with tempfile.TemporaryDirectory() as folder:
        text = download_artifact(client, run_id, LOOKS_FILE, folder).read_text("utf-8")
    found: list[dict[str, Any]] = json.loads(text)
    return tuple(StudyLook(**look) for look in found)


def with_look(looks: Sequence[StudyLook], new: StudyLook) -> tuple[StudyLook, ...]:
    """Return the looks with a new one, unless it has no more seeds than one before."""
    if any(look.seeds >= new.seeds for look in looks):
        return tuple(looks)
    return (*looks, new)


def looks_text(looks: Sequence[StudyLook]) -> str:
    """Return the looks as the record holds them."""
    return json.dumps([asdict(look) for look in looks], indent=1, ensure_ascii=False)
