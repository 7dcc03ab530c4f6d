"""Nothing is sent anywhere but to the addresses that the user names."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

WRITES_A_RUN = """
import socket
import time

asked = []

def resolve(host, *rest, **others):
    asked.append(host)
    raise OSError("no network here")

socket.getaddrinfo = resolve
import analysis.record
from mlflow import MlflowClient

client = MlflowClient("sqlite:///store.db")
client.create_run(client.create_experiment("small"))
end = time.monotonic() + 3
while not asked and time.monotonic() < end:
    time.sleep(0.05)
print(asked)
"""
MUTED_IN = ("CI", "GITHUB_ACTIONS", "GITLAB_CI", "JENKINS_URL", "DO_NOT_TRACK")
"""MLflow sends nothing where one of these is set, whatever we say."""


@pytest.mark.parametrize(("choice", "hosts"), [(None, "[]"), ("false", "mlflow-telemetry")])
def test_mlflow_asks_no_host_of_its_makers_unless_the_user_wants_it(
    choice: str | None, hosts: str, tmp_path: Path
) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in MUTED_IN}
    environment = {k: v for k, v in environment.items() if not k.startswith(("PYTEST", "MLFLOW"))}
    environment["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
    if choice:
        environment["MLFLOW_DISABLE_TELEMETRY"] = choice
    done = subprocess.run(
        [sys.executable, "-c", WRITES_A_RUN],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert hosts in done.stdout
