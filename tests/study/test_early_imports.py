"""What the end of a launch draws with is there before the end."""

import subprocess
import sys

import study.launching.early_imports as early
from study.launching.early_imports import EarlyImport

DRAW = """
import sys
from study.launching.early_imports import DRAWING, EarlyImport
drawing = EarlyImport(DRAWING)
print(*(name for name in (*DRAWING, "matplotlib") if name in sys.modules))
drawing.begin()
drawing.wait()
print(*(name for name in (*DRAWING, "matplotlib") if name in sys.modules))
before = set(sys.modules)
import study.launching.closing
from study.launching.result_note import best_values
from analysis.figures import draw_matplotlib, errors
print(*sorted(name for name in set(sys.modules) - before if name.startswith("matplotlib")))
"""


def test_what_draws_is_loaded_once_it_is_told_and_not_before():
    done = subprocess.run([sys.executable, "-c", DRAW], capture_output=True, text=True, check=True)
    before, after, later = done.stdout.split("\n")[:3]
    assert before == ""
    assert after.split() == [*early.DRAWING, "matplotlib"]
    assert later == ""


def test_a_module_that_cannot_be_loaded_keeps_no_other_from_being_loaded(tmp_path, monkeypatch):
    (tmp_path / "broken_early.py").write_text("raise ValueError('broken')")
    (tmp_path / "sound_early.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    loading = EarlyImport(["broken_early", "sound_early"])
    loading.wait()  # nothing is begun
    assert "sound_early" not in sys.modules
    loading.begin()
    loading.begin()
    loading.wait()
    assert "sound_early" in sys.modules and "broken_early" not in sys.modules
