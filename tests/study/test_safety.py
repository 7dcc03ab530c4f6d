"""What is kept from eyes and hands that it is not for."""

import ast
import logging
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.record import credentials
from study.file.problems import StudyFileError
from study.file.resolved import load_study
from study.state import StateFolder
from tests.study.launching import Folder
from tests.study.services import BIN, Postgres, free_port, wait_for
from trainables.checkpoints import CheckpointError, open_checkpoints

ROOT = Path(__file__).resolve().parents[2]
SECRET = "sw0rdfish-9c1"


@pytest.fixture
def environment(monkeypatch) -> pytest.MonkeyPatch:
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "before")
    return monkeypatch


def test_the_credentials_of_an_address_move_into_the_environment(environment):
    assert (
        credentials.without_login(f"https://ada:{SECRET}%21@host:5000/x") == "https://host:5000/x"
    )
    assert os.environ["MLFLOW_TRACKING_USERNAME"] == "ada"
    assert os.environ["MLFLOW_TRACKING_PASSWORD"] == f"{SECRET}!"


@pytest.mark.parametrize("uri", ["http://host:5000", "sqlite:///mlflow.db", "databricks"])
def test_an_address_without_credentials_stays_and_the_environment_too(environment, uri):
    assert credentials.without_login(uri) == credentials.hide_logins(uri) == uri
    assert os.environ["MLFLOW_TRACKING_USERNAME"] == "before"


def test_what_is_shown_and_logged_holds_no_credentials(tmp_path):
    text = f"postgresql://ada:{SECRET}@host/db and http://{SECRET}@host are away"
    assert credentials.hide_logins(text) == "postgresql://***@host/db and http://***@host are away"
    handler = logging.FileHandler(tmp_path / "log.txt")
    handler.setFormatter(credentials.HidingFormatter())
    logger = logging.Logger("sample")
    logger.addHandler(handler)
    try:
        raise ConnectionError(text)
    except ConnectionError:
        logger.exception("at %s", text)
    handler.close()
    logged = (tmp_path / "log.txt").read_text()
    assert "ConnectionError: postgresql://***@host/db" in logged and SECRET not in logged


def test_a_store_with_credentials_in_its_address_is_refused():
    with pytest.raises(ValueError, match="belong in the environment"):
        StateFolder.open(f"s3://key:{SECRET}@bucket/path", "small", "quick")


def test_a_server_that_is_away_is_named_without_its_password(tmp_path):
    folder = Folder(tmp_path)
    folder.environment["MLFLOW_TRACKING_URI"] = f"http://ada:{SECRET}@127.0.0.1:9"
    output = folder.launch(status=2)
    assert "cannot use the tracking server http://127.0.0.1:9" in output
    assert _files_with(SECRET, tmp_path) == []


def _files_with(text: str, *folders: Path) -> list[Path]:
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    return [file for file in files if text.encode() in file.read_bytes()]


@pytest.fixture
def guarded(tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """The server of docs/cluster/mlflow.sh: its port and the folder of its artifacts."""
    pytest.importorskip("psycopg", reason="pip install psycopg[binary]")
    pytest.importorskip("flask_wtf", reason="pip install mlflow[auth]")
    if Postgres.missing():
        pytest.skip(Postgres.missing())
    postgres, folder = Postgres(), tmp_path_factory.mktemp("server")
    port = free_port()
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [ROOT / "docs/cluster/mlflow.sh"],
            cwd=folder,
            env={
                **os.environ,
                "PATH": f"{BIN}:{os.environ['PATH']}",
                "POSTGRES_URI": postgres.database(),
                "AUTH_URI": postgres.database(),
                "ADMIN_PASSWORD": SECRET,
                "ARTIFACTS": str(folder / "artifacts"),
                "PORT": str(port),
            },
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    wait_for(lambda: "startup complete" in (folder / "log").read_text() or server.poll())
    assert server.poll() is None, (folder / "log").read_text()
    yield f"127.0.0.1:{port}", folder / "artifacts"
    os.killpg(server.pid, signal.SIGTERM)
    server.wait()
    postgres.stop()


@pytest.mark.slow
def test_a_study_is_recorded_by_password_and_the_password_is_nowhere(
    guarded, environment, tmp_path
):
    server, artifacts = guarded
    folder = Folder(tmp_path)
    folder.environment["MLFLOW_TRACKING_URI"] = f"http://stranger:wrong@{server}"
    assert "cannot use the tracking server" in folder.launch(status=2)
    folder.environment["MLFLOW_TRACKING_URI"] = f"http://admin:{SECRET}@{server}"
    folder.launch()
    report = [sys.executable, "-m", "analysis.report", "small", "--scale", "quick"]
    subprocess.run(report, cwd=tmp_path, env=folder.environment, check=True, timeout=120)
    assert list(tmp_path.rglob("*.html"))

    environment.setenv("MLFLOW_TRACKING_USERNAME", "admin")
    environment.setenv("MLFLOW_TRACKING_PASSWORD", SECRET)
    folder.uri = f"http://{server}"
    runs = [*folder.runs(), *folder.runs("study")]
    assert [run.info.status for run in runs] == ["FINISHED"] * 5
    assert SECRET not in str([(run.data.params, run.data.tags) for run in runs])
    assert _files_with(SECRET, tmp_path, artifacts) == []


def test_a_study_file_runs_no_code(tmp_path):
    ran = tmp_path / "ran"
    file = tmp_path / "small.yaml"
    file.write_text(f"study: !!python/object/apply:os.system ['touch {ran}']\n")
    with pytest.raises(StudyFileError):
        load_study(file)
    assert not ran.exists()


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_checkpoint_runs_no_code(tmp_path):
    checkpoints = open_checkpoints(str(tmp_path / "checkpoints"))
    checkpoints.folder.write("key.pt", pickle.dumps(Bomb(tmp_path / "ran")))
    with pytest.raises(CheckpointError):
        checkpoints.load("key")
    assert not (tmp_path / "ran").exists()


def test_nothing_is_read_in_a_way_that_could_run_code():
    for file in [file for room in ("study", "trainables") for file in (ROOT / room).rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name, where = ast.unparse(node.func), f"{file}:{node.lineno}"
            if name == "torch.load":
                assert "weights_only=True" in ast.unparse(node), where
            assert name not in ("pickle.load", "pickle.loads", "yaml.unsafe_load", "eval"), where
            if name == "yaml.load":
                assert ast.unparse(node.args[1]) == "_Loader", where  # a subclass of SafeLoader


def test_the_token_of_ray_is_its_owners_alone_from_its_first_moment(tmp_path, monkeypatch):
    from study.execution.local_ray import provide_token

    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    modes = []
    monkeypatch.setattr(os, "fdopen", lambda handle, *rest: modes.append(os.fstat(handle)) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        provide_token(tmp_path / "instead")
    assert [status.st_mode & 0o777 for status in modes] == [0o600]
    monkeypatch.undo()

    monkeypatch.setenv("HOME", str(tmp_path))
    token = tmp_path / ".ray/auth_token"
    token.write_text("secret")
    token.chmod(0o644)
    provide_token(tmp_path / "instead")
    assert token.stat().st_mode & 0o777 == 0o600 and token.read_text() == "secret"


def test_where_the_home_folder_cannot_be_written_the_token_lies_elsewhere(tmp_path, monkeypatch):
    from study.execution.local_ray import provide_token

    (tmp_path / "home").write_text("no folder")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", "")
    instead = tmp_path / "state/ray_token"
    provide_token(instead)
    assert instead.stat().st_mode & 0o777 == 0o600 and len(instead.read_text()) == 64
    assert os.environ["RAY_AUTH_TOKEN_PATH"] == str(instead)
