"""The scripts of docs/cluster, with programs of the same names in place of Slurm's and MLflow's."""

import os
import subprocess
from pathlib import Path

from tests import source_tree

SCRIPTS = Path(source_tree.ROOT) / "docs/cluster"


def programs(folder: Path, **scripts: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/usr/bin/env bash\n{script}\n")
        (folder / name).chmod(0o755)


def run(script: str, folder: Path, *arguments: str, **environment: str):
    return subprocess.run(
        ["bash", str(SCRIPTS / script), *arguments],
        cwd=folder,
        env={**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


SLURM = {
    "SLURM_JOB_ID": "1",
    "SLURM_JOB_NODELIST": "n1",
    "SLURM_JOB_NUM_NODES": "1",
    "SLURM_CPUS_PER_TASK": "2",
}


def test_a_head_that_ends_ends_the_job_with_a_sentence(tmp_path):
    srun = 'if [[ "$*" == *hostname* ]]; then echo 10.0.0.1; else echo "no such port"; exit 3; fi'
    programs(tmp_path / "bin", scontrol="echo n1", srun=srun)
    programs(tmp_path / ".venv/bin", ray="exit 1", python="echo token")
    done = run("slurm.sh", tmp_path, "beta", **SLURM)
    assert done.returncode == 1
    assert "the head of the Ray cluster does not start on n1" in done.stderr
    assert "no such port" in done.stdout + done.stderr
    assert not (tmp_path / "state/slurm-1").exists()


def test_a_head_that_hangs_is_given_up(tmp_path):
    srun = 'if [[ "$*" == *hostname* ]]; then echo 10.0.0.1; else exec sleep 50; fi'
    programs(tmp_path / "bin", scontrol="echo n1", srun=srun)
    programs(tmp_path / ".venv/bin", ray="exit 1", python="echo token")
    done = run("slurm.sh", tmp_path, "beta", HEAD_SECONDS="1", **SLURM)
    assert done.returncode == 1 and "does not start on n1" in done.stderr


def test_the_mlflow_server_answers_under_the_names_of_its_machine_and_those_given(tmp_path):
    programs(tmp_path / "bin", mlflow='printf "%s\\n" "$@"', hostname='echo "box${1:+.net}"')
    done = run(
        "mlflow.sh",
        tmp_path,
        POSTGRES_URI="postgresql://x",
        AUTH_URI="postgresql://y",
        ADMIN_PASSWORD="a password",
        ARTIFACTS=str(tmp_path),
        ALLOWED_HOSTS="mlflow.example",
        PORT="5001",
    )
    assert done.returncode == 0, done.stderr
    words = done.stdout.split("\n")
    hosts = words[words.index("--allowed-hosts") + 1].split(",")
    assert {"mlflow.example", "localhost", "localhost:5001", "127.0.0.1:5001"} <= set(hosts)
    assert {"box", "box:5001", "box.net:5001"} <= set(hosts)
    assert "a password" not in done.stdout


def test_secrets_do_not_travel_with_a_job():
    ignored = subprocess.run(
        ["git", "check-ignore", "--no-index", ".env", ".env.local", "sub/.env", "tls.key"],
        cwd=source_tree.ROOT,
        capture_output=True,
        text=True,
    )
    assert ignored.stdout.split() == [".env", ".env.local", "sub/.env", "tls.key"]


def test_ray_heeds_what_git_ignores(tmp_path):
    from ray._private.runtime_env.packaging import get_excludes_from_ignore_files

    (tmp_path / ".gitignore").write_text((Path(source_tree.ROOT) / ".gitignore").read_text())
    (tmp_path / ".env").write_text("PASSWORD=secret")
    (tmp_path / "kept.py").write_text("")
    excludes = get_excludes_from_ignore_files(tmp_path, include_gitignore=True)
    assert any(exclude(tmp_path / ".env") for exclude in excludes)
    assert not any(exclude(tmp_path / "kept.py") for exclude in excludes)
