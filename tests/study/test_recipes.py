"""The recipes of docs/cluster are what the programs that read them expect."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

from trainables.metrics import GAUGES

RECIPES = Path(__file__).resolve().parents[2] / "docs/cluster"


def read(name: str) -> dict[str, Any]:
    return yaml.safe_load((RECIPES / name).read_text())


def test_rays_launcher_takes_its_file():
    config = prepare_config(read("launcher.yaml"))
    validate_config(config)  # by Ray's own schema, ray-schema.json
    assert config["max_workers"] == len(config["provider"]["worker_ips"])


@pytest.mark.parametrize(
    ("name", "kind", "path"),
    [("raycluster.yaml", "RayCluster", "spec"), ("rayjob.yaml", "RayJob", "spec.rayClusterSpec")],
)
def test_a_kubernetes_resource_has_what_its_definition_requires(name, kind, path):
    resource = read(name)
    assert (resource["apiVersion"], resource["kind"]) == ("ray.io/v1", kind)
    assert resource["metadata"]["name"]
    cluster = resource
    for key in path.split("."):
        cluster = cluster[key]
    assert cluster["authOptions"] == {"mode": "token"}
    for group in [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]:
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        for container in group["template"]["spec"]["containers"]:
            assert container["name"] and container["image"]
            assert container["resources"]["limits"] == container["resources"]["requests"]
    for group in cluster["workerGroupSpecs"]:
        assert group["groupName"]
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]


def test_a_job_has_the_same_cluster_as_one_that_stays():
    assert read("rayjob.yaml")["spec"]["rayClusterSpec"] == read("raycluster.yaml")["spec"]


@pytest.mark.parametrize("script", sorted(RECIPES.glob("*.sh")), ids=lambda path: path.name)
def test_a_script_has_no_slips(script):
    subprocess.run(["bash", "-n", script], check=True)
    if shutil.which("shellcheck"):
        found = subprocess.run(["shellcheck", script], capture_output=True, text=True)
        assert found.returncode == 0, found.stdout


def test_the_panels_ask_for_the_figures_that_are_exported():
    panels = json.loads((RECIPES / "grafana.json").read_text())["panels"]
    asked = " ".join(target["expr"] for panel in panels for target in panel["targets"])
    assert {name for name in GAUGES if f"ray_study_{name}{{" in asked} == set(GAUGES)
