"""What a cluster is made of, as real processes on this machine: Ray nodes, MLflow, PostgreSQL."""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import psutil
import requests

from tests.study.launching import environment

BIN = Path(sys.executable).parent


def wait_for(condition: Callable[[], object], seconds: float = 200) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and all that it has started, at once and without notice."""
    with suppress(psutil.NoSuchProcess):
        family = [psutil.Process(process.pid)]
        family += family[0].children(recursive=True)
        for member in family:
            with suppress(psutil.NoSuchProcess):
                member.kill()
    process.wait()


class RayCluster:
    """Nodes of ``ray start``, each with processes of its own."""

    def __init__(self, head_cpus: int = 1) -> None:
        # Not pytest's folder: its path is too long for Ray's sockets.
        self.folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
        self.port, self.dashboard_port = free_port(), free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.dashboard = f"http://127.0.0.1:{self.dashboard_port}"
        self.environment = {
            "RAY_ADDRESS": self.address,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(self.folder / "token"),
        }
        """What a driver or a job needs to reach it."""
        (self.folder / "token").write_text(secrets.token_hex(32))
        self.nodes: list[subprocess.Popen[bytes]] = []
        self._start(
            *("--head", f"--port={self.port}", f"--temp-dir={self.folder}"),
            *("--dashboard-host=127.0.0.1", f"--dashboard-port={self.dashboard_port}"),
            *(f"--ray-client-server-port={free_port()}", f"--num-cpus={head_cpus}"),
        )

    def _start(self, *flags: str, within: Sequence[str] = ()) -> subprocess.Popen[bytes]:
        log = self.folder / f"node{len(self.nodes)}.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                [
                    *within,
                    *(str(BIN / "ray"), "start", "--block", "--disable-usage-stats"),
                    f"--dashboard-agent-listen-port={free_port()}",
                    *flags,
                ],
                cwd=self.folder,  # not the project's: the code is to travel
                env={**environment(), **self.environment, "PYTHONPATH": ""},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.nodes.append(process)
        wait_for(lambda: "will now block" in log.read_text() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        return process

    def join(self, cpus: int = 1, *, within: Sequence[str] = ()) -> subprocess.Popen[bytes]:
        """Start another node, and return its process; `within` is a command that runs it."""
        return self._start(f"--address={self.address}", f"--num-cpus={cpus}", within=within)

    def lose(self, node: subprocess.Popen[bytes]) -> None:
        """Kill a node."""
        kill(node)
        self.nodes.remove(node)

    def stop(self) -> None:
        """Kill all nodes."""
        for node in reversed(self.nodes):
            kill(node)
        shutil.rmtree(self.folder, ignore_errors=True)


class Postgres:
    """A PostgreSQL server of Debian's."""

    @staticmethod
    def missing() -> str:
        """Return why there can be none, or nothing."""
        if not _postgres_bin():
            return "PostgreSQL is not installed (apt-get install postgresql)"
        if os.geteuid() == 0 and "postgres" not in {user.pw_name for user in pwd.getpwall()}:
            return "PostgreSQL does not run as root, and there is no user postgres"
        return ""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
        self.port = free_port()
        self.databases = 0
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres")
        password = self.folder / "password"
        password.write_text("secret\n")
        password.chmod(0o644)
        self._run("initdb", "--username=mlflow", "--auth=md5", f"--pwfile={password}")
        options = f"-c listen_addresses=127.0.0.1 -p {self.port} -k {self.folder}"
        self._run("pg_ctl", "--wait", f"--log={self.folder / 'log'}", f"-o {options}", "start")

    def database(self, *, template: str = "") -> str:
        """Make a database, empty or a copy of one that nobody uses, and return its address."""
        self.databases += 1
        name = f"records{self.databases}"
        server = ["--host=127.0.0.1", f"--port={self.port}", "--username=mlflow"]
        copied = [f"--template={template}"] if template else []
        subprocess.run(
            [f"{_postgres_bin()}/createdb", *server, *copied, name],
            env={**os.environ, "PGPASSWORD": "secret"},
            check=True,
        )
        return f"postgresql://mlflow:secret@127.0.0.1:{self.port}/{name}"

    def _run(self, program: str, *arguments: str) -> None:
        user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        done = subprocess.run(
            [*user, f"{_postgres_bin()}/{program}", f"--pgdata={self.folder / 'data'}", *arguments],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert done.returncode == 0, done.stderr

    def stop(self) -> None:
        """Stop it and delete what it held."""
        self._run("pg_ctl", "--mode=immediate", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)


def _postgres_bin() -> str:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return str(found[-1].parent) if found else ""


class MlflowServer:
    """An MLflow server on the loopback address, which keeps its artifacts itself."""

    def __init__(self, folder: Path, store: str, *flags: str, **environment: str) -> None:
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.command = [
            *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
            *("--backend-store-uri", store, "--host", "127.0.0.1", "--port", str(self.port)),
            *("--artifacts-destination", str(folder / "artifacts"), *flags),
        ]
        # The server's workers for other kinds of work take memory and are not needed.
        self.environment = {
            **os.environ,
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            **environment,
        }
        self.folder = folder
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        with (self.folder / "server.log").open("w") as output:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_for(self._answers)

    def _answers(self) -> bool:
        assert self.process.poll() is None, (self.folder / "server.log").read_text()
        try:
            return requests.get(f"{self.uri}/health", timeout=1).ok
        except requests.RequestException:
            return False

    def stop(self) -> None:
        """Kill it with its workers."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
