"""The benchmarks start as a user starts them; what they measure is not for a test."""

from functools import cache

import pytest

from tests.fresh_processes import EndedProgram, run_fresh

PROGRAMS = [
    "",
    ".scaling",
    ".gpu",
    ".real_race",
    ".latency",
    ".two_drivers",
    ".soak",
    ".plain_tune",
]
HELP = """
import runpy, sys
sys.argv = ["", "--help"]
runpy.run_module("tests.benchmarks{}", run_name="__main__", alter_sys=True)
"""


@cache
def helps() -> dict[str, EndedProgram]:
    """Return what each program says of its use, from a process of its own."""
    programs = {name: HELP.format(name) for name in PROGRAMS}
    return run_fresh(programs, loaded=["torch", "pandas", "scipy.stats", "ray", "mlflow", "optuna"])


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_says_how_it_is_used(program: str) -> None:
    done = helps()[program]
    assert done.status == 0
    assert done.printed.startswith("usage: python -m tests.benchmarks")
