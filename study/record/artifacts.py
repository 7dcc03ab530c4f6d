"""What a trial has beside params, tags and metrics: its data set's name, and its files.

Files go to the record through a folder of this machine.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag

from analysis.record.names import DIAGNOSTICS
from study.record.errors import disk_errors_pass
from study.scratch import lend_scratch

CONTEXT = "mlflow.data.context"
"""MLflow's tag that says what a data set is used for."""
LONGEST_DIGEST = 36
"""Characters that MLflow keeps of a data set's digest."""


def log_file(client: MlflowClient, run_id: str, name: str, *, content: bytes, folder: str) -> None:
    """Put a file on record, into a folder of the run's artifacts."""
    with disk_errors_pass(), lend_scratch("artifact") as local:
        file = Path(local) / name
        file.write_bytes(content)
        client.log_artifact(run_id, str(file), folder)


def copy_artifacts(
    client: MlflowClient, source_id: str, run_id: str, *, diagnostics: Sequence[str] | None = None
) -> None:
    """Copy the artifacts of a run to another.

    Args:
        client: of the record.
        source_id: the run that has them.
        run_id: the run that is to have them.
        diagnostics: the only files of diagnostics to copy; None means all.
    """
    there = {entry.path for entry in client.list_artifacts(source_id)}
    if diagnostics is not None:
        there = there - {DIAGNOSTICS} | {f"{DIAGNOSTICS}/{name}" for name in diagnostics}
    for path in sorted(there):
        folder, _, _ = path.rpartition("/")
        with disk_errors_pass(), lend_scratch("artifacts") as local:
            copy = client.download_artifacts(source_id, path, local)
            if Path(copy).is_dir():
                client.log_artifacts(run_id, copy, path)
            else:
                client.log_artifact(run_id, copy, folder or None)


def log_dataset(client: MlflowClient, run_id: str, *, name: str, digest: str) -> None:
    """Note which data set a run was trained on; a data set that is noted already changes nothing.

    Args:
        client: of the record.
        run_id: the trial's run.
        name: of the data set.
        digest: the fingerprint of its images and labels.
    """
    dataset = Dataset(
        name=name,
        digest=digest[:LONGEST_DIGEST],
        source_type="local",
        source=json.dumps({"name": name}),
    )
    client.log_inputs(run_id, [DatasetInput(dataset, [InputTag(CONTEXT, "training")])])
