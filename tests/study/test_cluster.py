"""A study on a Ray cluster of several nodes: what is refused, what is survived."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.study.chaos import STUDY, check, recorded_epochs
from tests.study.launching import Folder, environment
from tests.study.services import BIN, MlflowServer, Postgres, RayCluster, wait_for

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("study", "trainables", "analysis")
IMAGES = """
study: small
question: Which nodes can run it?
trial:
  dataset: {{name: image_folder, path: {path}}}
  network: {{name: lenet}}
  regularizer: {{name: lamix}}
  training: {{epochs: 3, batch_size: 50, learning_rate: 0.05, milestones: []}}
search: {{sampler: grid, seeds: 1, space: {{regularizer.beta: [0.3, 0.9]}}}}
scales: {{quick: {{}}, paper: {{}}}}
"""


# Long enough that nodes join while it runs, also on a busy machine.
LONG = STUDY.replace("configurations: 8", "configurations: 3").replace("epochs: 8", "epochs: 120")


def without(*folders: Path, **environment: object) -> list[str]:
    """Return a command that runs another where folders look empty, as on another machine."""
    root = [] if os.geteuid() == 0 else ["--map-root-user"]
    hide = " && ".join(f"mount -t tmpfs none '{folder}'" for folder in folders)
    settings = [f"{name}={value}" for name, value in environment.items()]
    return ["unshare", *root, "--mount", "sh", "-c", f'{hide} && exec "$@"', "sh", "env", *settings]


@pytest.fixture(scope="module")
def elsewhere() -> None:
    tried = subprocess.run([*without(ROOT / "study"), "true"], capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"no mount namespace can be made here: {tried.stderr.strip()}")


@pytest.fixture
def cluster() -> Iterator[RayCluster]:
    cluster = RayCluster()
    yield cluster
    cluster.stop()


def old_torch(cluster: RayCluster) -> Path:
    """Return a folder of packages that holds an old torch, as far as its version goes."""
    packages = cluster.folder / "packages"
    (packages / "torch-1.0.dist-info").mkdir(parents=True)
    (packages / "torch-1.0.dist-info/METADATA").write_text("Name: torch\nVersion: 1.0\n")
    return packages


def test_what_cannot_work_is_refused_with_every_reason(elsewhere, cluster, tmp_path):
    for part in ("train", "test"):
        for name in ("black", "white"):
            (tmp_path / "images" / part / name).mkdir(parents=True)
            for i in range(20):
                image = Image.new("RGB", (32, 32), name)
                image.save(tmp_path / "images" / part / name / f"{i}.png")
    cluster.join(within=without(tmp_path, PYTHONPATH=old_torch(cluster)))
    folder = Folder(tmp_path, IMAGES.format(path=tmp_path / "images"))
    folder.environment |= cluster.environment
    output = folder.launch(status=2)
    assert "the cluster cannot be used as it is" in output
    assert "torch is 1.0 there" in output
    assert "a data set is missing: image_folder" in output
    assert "the state directory is another folder there than here" in output
    assert "records go to sqlite:///" in output and "set MLFLOW_TRACKING_URI" in output
    assert folder.runs() == []
    assert list((tmp_path / "state/small/quick/checkpoints").iterdir()) == []


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    pytest.importorskip("psycopg", reason="pip install psycopg[binary]")
    if Postgres.missing():
        pytest.skip(Postgres.missing())
    postgres = Postgres()
    yield postgres
    postgres.stop()


@pytest.fixture
def server(postgres, tmp_path) -> Iterator[MlflowServer]:
    """With a database of its own: what one test has trained the next would adopt."""
    server = MlflowServer(tmp_path, postgres.database())
    yield server
    server.stop()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Folder:
    folder = Folder(tmp_path_factory.mktemp("undisturbed"), LONG)
    folder.launch()
    return folder


def on(cluster: RayCluster, server: MlflowServer, path: Path) -> Folder:
    """A study that runs on the cluster, and whose records go to the server."""
    folder = Folder(path, LONG)
    folder.environment |= {**cluster.environment, "MLFLOW_TRACKING_URI": server.uri}
    folder.uri = server.uri
    return folder


def running(folder: Folder) -> list[str]:
    """The keys of the trials that have epochs on record and are not at their end."""
    return [
        run.data.tags["trial_key"]
        for run in folder.runs()
        if run.info.status == "RUNNING" and "train_loss" in run.data.metrics
    ]


def progress(folder: Folder, process: subprocess.Popen[bytes], *, side_by_side: int = 2) -> None:
    """Wait until more epochs are on record, with some trials under way."""
    before = recorded_epochs(folder)
    wait_for(
        lambda: (
            process.poll() is not None
            or (len(running(folder)) >= side_by_side and recorded_epochs(folder) > before + 10)
        )
    )
    assert process.poll() is None, folder.output.read_text()


def launch_on_a_new_head(folder: Folder) -> None:
    another = RayCluster(head_cpus=2)
    try:
        folder.environment |= another.environment
        folder.launch()
    finally:
        another.stop()


@pytest.mark.slow
def test_a_node_is_lost_and_another_joins(elsewhere, cluster, server, undisturbed, tmp_path):
    code = [ROOT / package for package in PACKAGES]
    first = cluster.join(within=without(*code))
    cluster.join(within=without(*code))
    folder = on(cluster, server, tmp_path)
    process = folder.start()
    progress(folder, process)
    cluster.lose(first)
    cluster.join(within=without(*code, PYTHONPATH=old_torch(cluster)))
    progress(folder, process)
    cluster.join(within=without(*code))
    assert process.wait(timeout=600) == 0, folder.output.read_text()
    output = folder.output.read_text()
    assert "nodes     3: 3 x 1 CPU; room for 3 trials of 1 CPU each" in output
    assert "is lost." in output and "has joined: 1 CPU." in output
    assert "has joined, but no trial is begun there: torch is 1.0 there" in output
    check(folder, undisturbed)
    assert not (folder.state() / "tune").exists()


@pytest.mark.slow
def test_the_head_is_lost_and_the_same_command_goes_on_with_a_new_one(
    cluster, server, undisturbed, tmp_path
):
    folder = on(cluster, server, tmp_path)
    plan = folder.launch("--plan")
    assert "nodes           1 CPU; room for 1 trial of 1 CPU each" in plan
    assert cluster.dashboard in plan
    process = folder.start()
    progress(folder, process, side_by_side=1)
    cluster.stop()
    process.send_signal(signal.SIGKILL)  # it was a process of that machine
    process.wait()
    launch_on_a_new_head(folder)
    check(folder, undisturbed)


@pytest.mark.slow
def test_a_launch_that_outlives_the_head_says_so_and_the_same_command_goes_on(
    cluster, server, undisturbed, tmp_path
):
    folder = on(cluster, server, tmp_path)
    process = folder.start()
    progress(folder, process, side_by_side=1)
    cluster.stop()
    assert process.wait(timeout=90) == 130  # before Ray ends the process by itself
    output = folder.output.read_text()
    assert "The head of the cluster is lost, and the launch ends." in output
    assert "python -m study.launch small.yaml  # go on" in output
    assert "Traceback" not in output
    assert "RUNNING" not in {r.info.status for r in [*folder.runs(), *folder.runs("study")]}
    launch_on_a_new_head(folder)
    check(folder, undisturbed)


@pytest.mark.slow
def test_a_study_is_submitted_as_a_job(elsewhere, cluster, server, undisturbed, tmp_path):
    # Nodes of one machine share a folder where each unpacks the job's code anew, below the driver.
    unpacked = cluster.folder.joinpath("session_latest").resolve() / "runtime_resources"
    cluster.join(within=without(unpacked, *(ROOT / package for package in PACKAGES)))
    folder = on(cluster, server, tmp_path)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / "job" / package)
    shutil.copy(tmp_path / "small.yaml", tmp_path / "job")
    state = tmp_path / "state"
    launch = ["-m", "study.launch", "small.yaml", "--state", str(state)]
    job = subprocess.run(
        [
            *(str(BIN / "ray"), "job", "submit", "--working-dir", str(tmp_path / "job")),
            *("--runtime-env-json", f'{{"env_vars": {{"MLFLOW_TRACKING_URI": "{server.uri}"}}}}'),
            *("--", sys.executable, *launch),
        ],
        env={**environment(), **cluster.environment, "RAY_ADDRESS": cluster.dashboard},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert job.returncode == 0, job.stdout + job.stderr
    assert "6 of 6 trials done" in job.stdout
    check(folder, undisturbed)
