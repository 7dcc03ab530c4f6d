"""The benchmarks start as a user starts them; what they measure is not for a test."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


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


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_says_how_it_is_used(program: str) -> None:
    command = [sys.executable, "-m", f"tests.benchmarks{program}", "--help"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout.startswith("usage: python -m tests.benchmarks")
