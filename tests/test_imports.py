"""The rooms: who may import what. The linter checks the lines, this checks what is loaded."""

import os
import subprocess
import sys

import pytest

FRAMEWORKS = ("ray", "optuna", "mlflow")
SLOW = (
    "scipy",
    "sklearn",
    "matplotlib",
    "torchvision",
    "optuna",
    "mlflow",
    "torch._dynamo",
    "sympy",
)


@pytest.mark.parametrize(
    ("module", "allowed"),
    [
        ("trainables.training", ()),
        ("trainables.regularizers", ()),
        ("trainables.datasets", ()),
        ("tests.benchmarks.gpu", ()),
        ("trainables.trainable", ("ray",)),
        ("study.file.resolved", ()),
        ("study.scheduling.scheduler", ()),
        ("study.search.optuna_study", ("optuna",)),
        ("study.record.writer", ("mlflow",)),
        ("analysis.record.names", ()),
        ("analysis.record.values", ()),
        ("study.execution.runner", ("ray",)),
        ("analysis.trials", ("mlflow",)),
        ("analysis.tables.configurations", ()),
    ],
)
def test_a_module_loads_no_framework_but_its_own(module, allowed):
    code = f"import {module}, sys; print(*(f for f in {FRAMEWORKS} if f in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= set(allowed)


def test_the_process_of_a_trial_loads_only_what_every_trial_needs():
    code = (
        "import sys, trainables.trainable\n"
        "import trainables.regularizers.puzzlemix, trainables.networks.lenet\n"
        f"print(*(name for name in {SLOW} if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_nobody_loads_the_profiler_but_who_profiles():
    code = (
        "import sys, study.launch, study.api, study.launching.supervision, trainables.trainable\n"
        "print('pyinstrument' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


@pytest.mark.parametrize("module", ["analysis.trials", "study.record.writer"])
def test_mlflow_finds_its_environment_set_when_it_is_imported(module):
    code = f"""
import os, sys

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "mlflow":
            print(os.environ.get("MLFLOW_LOGGING_LEVEL"))

sys.meta_path.insert(0, Watch())
import {module}
"""
    environment = {k: v for k, v in os.environ.items() if k != "MLFLOW_LOGGING_LEVEL"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.split() == ["WARNING"]
