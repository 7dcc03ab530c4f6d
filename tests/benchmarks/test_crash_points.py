"""The sweep over crash points: it kills, launches again, and sees what a crash has spoilt."""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.left_behind import Remains, faults_of

ROOT = Path(__file__).resolve().parents[2]
POINTS = ("40", "110", "180")
"""Of a grid: among the beginning of its record, its first trials and its last."""


def content(loss: float) -> dict:
    metrics = {"train_loss": [[1, loss.hex()]]}
    return {"metrics": metrics, "tags": {}, "params": {}, "status": "FINISHED"}


EXPECTED = Remains(
    trials=[("a", content(0.5)), ("b", content(0.25))],
    studies=1,
    running=[],
    optuna=[[0, "COMPLETE", {"regularizer.beta": 0.3}, [80.0], {"1": 90.0}]],
    artifacts={"study/plots/error.png": "feed", "study/study.yaml": ""},
    left=[],
)
SPOILT = {
    "lost": lambda remains: remains["trials"].pop(),
    "repeated": lambda remains: remains["trials"].append(("a", content(0.5))),
    "running": lambda remains: remains["running"].append("beta=0.3"),
    "unequal": lambda remains: remains["optuna"].append(remains["optuna"][0]),
    "missing files": lambda remains: remains["artifacts"].clear(),
    "left over": lambda remains: remains["left"].append("a.pt"),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_what_a_crash_has_spoilt_is_told_by_its_kind(kind: str) -> None:
    found = copy.deepcopy(EXPECTED)
    assert faults_of(found, EXPECTED) == {}
    SPOILT[kind](found)
    assert list(faults_of(found, EXPECTED)) == [kind]


def test_a_metric_that_differs_in_its_last_bit_is_unequal() -> None:
    found = copy.deepcopy(EXPECTED)
    found["trials"][1] = ("b", content(0.25 + 2**-54))
    assert faults_of(found, EXPECTED) == {"unequal": "b: metrics"}


def test_a_plot_of_fewer_trials_is_unequal() -> None:
    found = copy.deepcopy(EXPECTED)
    found["artifacts"]["study/plots/error.png"] = "beef"
    said = "study/plots/error.png shows something else"
    assert faults_of(found, EXPECTED) == {"unequal": said}


def test_a_second_run_of_the_study_is_a_repetition() -> None:
    found = copy.deepcopy(EXPECTED)
    found["studies"] = 2
    assert faults_of(found, EXPECTED) == {"repeated": "2 runs of the study"}


def test_the_fatal_side_effect_is_logged_and_does_not_happen(tmp_path: Path) -> None:
    (tmp_path / "watched").mkdir()
    script = f"""
import os
from pathlib import Path
from tests.benchmarks.side_effects import SideEffects
watched = Path({str(tmp_path / "watched")!r})
SideEffects(watched, watched.with_suffix(".jsonl"), fatal=3).watch()
(watched / "one").write_text("1")
(watched / "one").read_text()
(watched.parent / "elsewhere").write_text("")
os.replace(watched / "one", watched / "two")
(watched / "two").unlink()
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False)
    assert done.returncode == -9
    assert [file.name for file in (tmp_path / "watched").iterdir()] == ["two"]
    lines = (tmp_path / "watched.jsonl").read_text().splitlines()
    kinds = [json.loads(line)[:2] for line in lines]
    assert kinds == [["open", "one"], ["os.rename", "one"], ["os.remove", "two"]]


@pytest.mark.slow
def test_a_grid_killed_at_three_points_ends_as_if_undisturbed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.benchmarks.crash_points", "--scenario", "grid"]
    done = subprocess.run(
        [*command, "--points", *POINTS],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    row = done.stdout.splitlines()[-1]
    assert row.split(" | ")[2:] == ["3", "3", *"000000", "0 |"], done.stdout
    assert not list(tmp_path.iterdir())
