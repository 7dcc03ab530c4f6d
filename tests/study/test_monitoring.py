"""What Ray shows of a running study, and to whom."""

import ipaddress
import json
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import requests
from chaos import STUDY
from launching import Folder
from services import kill, wait_for

from trainables.trainable import SHOWN

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def running(tmp_path_factory) -> Iterator[SimpleNamespace]:
    """A study under way on a local Ray, and the text of its metrics."""
    folder = Folder(tmp_path_factory.mktemp("running"), STUDY.replace("epochs: 8", "epochs: 2000"))
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as root:
        folder.environment["RAY_TMPDIR"] = root
        process = folder.start()
        found = Path(root, "ray/session_latest/prom_metrics_service_discovery.json")
        wait_for(found.exists)

        def metrics() -> str:
            text = ""
            for target in json.loads(found.read_text())[0]["targets"]:
                with suppress(requests.RequestException):
                    text += requests.get(f"http://{target}/metrics", timeout=5).text
            return text

        wait_for(lambda: "ray_study_epoch" in metrics())
        yield SimpleNamespace(process=process, metrics=metrics, root=root, folder=folder)
        kill(process)


def test_prometheus_finds_the_figures_of_each_trial_by_study_configuration_and_seed(running):
    lines = [line for line in running.metrics().splitlines() if line.startswith("ray_study_")]
    assert {line.partition("{")[0].removeprefix("ray_study_") for line in lines} == set(SHOWN)
    assert all('study="small"' in line and 'configuration="beta=0.' in line for line in lines)
    assert {'seed="0"', 'seed="1"'} & {part for line in lines for part in line.split(",")}


def test_the_process_of_a_trial_bears_its_name(running):
    def titles() -> list[str]:
        with suppress(psutil.NoSuchProcess):
            return [" ".join(process.cmdline()) for process in _processes(running)]
        return []

    wait_for(lambda: any("small beta=0." in title and "seed=" in title for title in titles()))


def _processes(running: SimpleNamespace) -> list[psutil.Process]:
    driver = psutil.Process(running.process.pid)
    return [driver, *driver.children(recursive=True)]


def test_nothing_listens_beyond_the_loopback_address(running):
    listening = set()
    for process in _processes(running):
        with suppress(psutil.NoSuchProcess):
            listening |= {
                connection.laddr.ip
                for connection in process.net_connections("inet")
                if connection.status == psutil.CONN_LISTEN
            }
    assert listening
    assert all(_loopback(address) for address in listening), listening


def _loopback(address: str) -> bool:
    found = ipaddress.ip_address(address)
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback
