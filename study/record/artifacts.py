"""Files of a trial on their way to the record, through a folder of this machine."""

from pathlib import Path

from mlflow import MlflowClient

from study.record.errors import disk_errors_pass
from study.scratch import lend_scratch


def log_file(client: MlflowClient, run_id: str, name: str, *, content: bytes, folder: str) -> None:
    """Put a file on record, into a folder of the run's artifacts."""
    with disk_errors_pass(), lend_scratch("artifact") as local:
        file = Path(local) / name
        file.write_bytes(content)
        client.log_artifact(run_id, str(file), folder)


def copy_artifacts(client: MlflowClient, source_id: str, run_id: str) -> None:
    """Copy all artifacts of a run to another."""
    if not client.list_artifacts(source_id):
        return
    with disk_errors_pass(), lend_scratch("artifacts") as local:
        client.download_artifacts(source_id, "", local)
        client.log_artifacts(run_id, local)
