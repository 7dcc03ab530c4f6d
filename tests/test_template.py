"""docs/template: the package of a user's own methods is installed, and its tests pass there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

TRIAL = """
from importlib.metadata import version
from trainables import plugins
from trainables.configuration import parse_configuration
from trainables.training import Trainer

chosen = {
    "dataset": {"name": "digits", "train_images": 60, "test_images": 20},
    "network": {"name": "lenet"},
    "regularizer": {"name": "input_noise", "sigma": 0.2},
    "training": {"epochs": 1, "batch_size": 30, "milestones": []},
}
(module,) = plugins.own_modules_of(parse_configuration(chosen).components)
metrics = Trainer(chosen).train_epoch()
print(version("my-lamix-methods"), module.name, metrics.epoch)
"""


class Installed:
    """The template's package in a folder, and its tests in another."""

    def __init__(self, folder: Path) -> None:
        self.packages, self.source = folder / "packages", folder / "template"
        shutil.copytree(ROOT / "docs" / "template", self.source)  # pip builds where the source is
        self.run(
            *("-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"),
            *("--no-index", "--target", str(self.packages), str(self.source)),
        )
        shutil.rmtree(self.source / "my_lamix_methods")  # what is tested is what is installed

    def run(self, *arguments: str) -> str:
        """Run Python where both packages are importable, and return what it printed."""
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.source,
            env={
                **os.environ,
                "PYTHONPATH": f"{self.packages}{os.pathsep}{ROOT}",
                "OMP_NUM_THREADS": "1",
            },
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("template"))


def test_a_trial_of_the_installed_method_trains(installed: Installed) -> None:
    assert installed.run("-c", TRIAL).split() == ["0.1.0", "my_lamix_methods.input_noise", "1"]


@pytest.mark.timeout(600)  # tests within a test: a quarter of a minute, more on a busy machine
def test_the_templates_own_tests_hold_its_method_to_the_contract(installed: Installed) -> None:
    told = installed.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests")
    assert "23 passed" in told


def test_the_tutorial_shows_the_templates_method_and_a_study_that_searches_it(tmp_path):
    tutorial = (ROOT / "docs" / "tutorial" / "own_method.md").read_text("utf-8")
    template = ROOT / "docs" / "template" / "my_lamix_methods" / "input_noise.py"
    (code,) = re.findall(r"```python\n(.*?)```", tutorial, flags=re.DOTALL)
    assert code == template.read_text("utf-8")
    (study,) = re.findall(r"```yaml\n(.*?)```", tutorial, flags=re.DOTALL)
    (tmp_path / "methods.py").write_text(code, encoding="utf-8")
    (tmp_path / "noise.yaml").write_text(study, encoding="utf-8")
    found = "from study import api; print(*api.load('noise.yaml').resolved.space)"
    done = subprocess.run(
        [sys.executable, "-c", found],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.split() == ["regularizer.sigma"], done.stderr
