"""The rooms: who may import what. The linter checks the lines, this checks what is loaded."""

from functools import cache

import pytest

from tests.fresh_processes import run_fresh

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


ALLOWED = {
    "trainables.training": (),
    "trainables.regularizers": (),
    "trainables.datasets": (),
    "tests.benchmarks.gpu": (),
    "trainables.trainable": ("ray",),
    "study.file.resolved": (),
    "study.scheduling.scheduler": (),
    "study.search.optuna_study": ("optuna",),
    "study.record.writer": ("mlflow",),
    "analysis.record.names": (),
    "analysis.record.values": (),
    "study.execution.runner": ("ray",),
    "analysis.trials": ("mlflow",),
    "analysis.tables.configurations": (),
}
"""The frameworks that a module may load."""
OF_A_TRIAL = f"""
import sys, trainables.trainable
import trainables.regularizers.puzzlemix, trainables.networks.lenet
print(*(name for name in {SLOW} if name in sys.modules))
"""
OF_NOTHING = f"""
import sys
print(*(name for name in {(*FRAMEWORKS, *SLOW, "pyinstrument")} if name in sys.modules))
"""
OF_A_LAUNCH = """
import sys, study.launch, study.api, study.launching.supervision, trainables.trainable
print("pyinstrument" in sys.modules)
"""
WATCH = """
import os, sys

os.environ.pop("MLFLOW_LOGGING_LEVEL", None)

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "mlflow":
            print(os.environ.get("MLFLOW_LOGGING_LEVEL"))

sys.meta_path.insert(0, Watch())
import {module}
"""
OF_MLFLOW = ("analysis.trials", "study.record.writer")


@cache
def printed() -> dict[str, list[str]]:
    """Return the words that each program prints in a process of its own, none of which fails.

    torch and pandas, which many load, are loaded before: they load nothing of what is looked for.
    """
    frameworks = f"print(*(name for name in {FRAMEWORKS} if name in sys.modules))"
    programs = {module: f"import {module}, sys; {frameworks}" for module in ALLOWED}
    programs |= {"trial": OF_A_TRIAL, "launch": OF_A_LAUNCH, "nothing": OF_NOTHING}
    programs |= {f"watched {module}": WATCH.format(module=module) for module in OF_MLFLOW}
    ended = run_fresh(programs, loaded=["torch", "pandas"])
    assert {name: done.printed for name, done in ended.items() if done.status} == {}
    return {name: done.printed.split() for name, done in ended.items()}


def test_what_is_loaded_before_loads_nothing_of_what_is_looked_for():
    assert printed()["nothing"] == []


@pytest.mark.parametrize("module", ALLOWED)
def test_a_module_loads_no_framework_but_its_own(module):
    assert set(printed()[module]) <= set(ALLOWED[module])


def test_the_process_of_a_trial_loads_only_what_every_trial_needs():
    assert printed()["trial"] == []


def test_nobody_loads_the_profiler_but_who_profiles():
    assert printed()["launch"] == ["False"]


@pytest.mark.parametrize("module", OF_MLFLOW)
def test_mlflow_finds_its_environment_set_when_it_is_imported(module):
    assert printed()[f"watched {module}"] == ["WARNING"]
