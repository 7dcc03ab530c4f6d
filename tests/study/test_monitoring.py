"""What Ray shows of a running study, and to whom."""

import ipaddress
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import requests

from tests.study.chaos import STUDY
from tests.study.launching import Folder
from tests.study.services import free_port, kill, wait_for
from trainables.metrics import GAUGES

RECIPES = Path(__file__).resolve().parents[2] / "docs/cluster"

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
            with suppress(OSError):  # away for a moment while Ray writes it anew
                for target in json.loads(found.read_text())[0]["targets"]:
                    text += requests.get(f"http://{target}/metrics", timeout=5).text
            return text

        try:
            wait_for(lambda: "ray_study_epoch" in metrics())
            yield SimpleNamespace(process=process, metrics=metrics, ray=Path(root, "ray"))
        finally:
            kill(process)


def test_prometheus_finds_the_figures_of_each_trial_by_study_configuration_and_seed(running):
    lines = [line for line in running.metrics().splitlines() if line.startswith("ray_study_")]
    assert {line.partition("{")[0].removeprefix("ray_study_") for line in lines} == set(GAUGES)
    assert all('study="small"' in line and 'configuration="beta=0.' in line for line in lines)
    assert {'seed="0"', 'seed="1"'} & {part for line in lines for part in line.split(",")}


@pytest.fixture
def ask(running, tmp_path) -> Iterator[Callable[[str], list[dict[str, Any]]]]:
    """Ask a Prometheus server with the recipe's settings, as a panel of Grafana does."""
    if not shutil.which("prometheus"):
        pytest.skip("Prometheus is not installed (apt-get install prometheus)")
    settings = (RECIPES / "prometheus.yml").read_text()
    (tmp_path / "prometheus.yml").write_text(settings.replace("/tmp/ray", str(running.ray)))
    port = free_port()
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            [
                *("prometheus", f"--config.file={tmp_path / 'prometheus.yml'}"),
                *(f"--web.listen-address=127.0.0.1:{port}", f"--storage.tsdb.path={tmp_path}/db"),
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )

    def ask(expression: str) -> list[dict[str, Any]]:
        with suppress(requests.ConnectionError):  # it has just been started
            url = f"http://127.0.0.1:{port}/api/v1/query"
            return requests.get(url, {"query": expression}, timeout=5).json()["data"]["result"]
        return []

    try:
        wait_for(lambda: ask("ray_study_epoch"))
        yield ask
    finally:
        kill(server)


def test_each_panel_of_the_dashboard_has_data_and_words_for_it(ask):
    panels = json.loads((RECIPES / "grafana.json").read_text())["panels"]
    for target in [target for panel in panels for target in panel["targets"]]:
        found = ask(target["expr"].replace("$study", "small|other"))
        assert found, target["expr"]
        for label in re.findall(r"{{(\w+)}}", target["legendFormat"]):
            assert all(series["metric"].get(label) for series in found), (label, found)
    (memory,) = {panel["targets"][0]["expr"] for panel in panels if panel["title"] == "Peak memory"}
    for series in ask(memory.replace("$study", "small")):
        assert 2**26 < float(series["value"][1]) < 2**34  # bytes of a process


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
