"""What the end of a launch draws with is there before the end."""

import subprocess
import sys

import pytest

import study.launching.early_imports as early
from study.launching.early_imports import EarlyImport
from tests import source_tree

DRAW = """
import sys
from study.launching.early_imports import DRAWING, EarlyImport
drawing = EarlyImport(DRAWING)
print(*(name for name in (*DRAWING, "matplotlib") if name in sys.modules))
drawing.begin()
drawing.wait()
print(*(name for name in (*DRAWING, "matplotlib") if name in sys.modules))
import study.launching.closing
print(*(name for name in sys.argv[1:] if name not in sys.modules))
"""

SAVE = """
import sys
from pathlib import Path
from study.launching.early_imports import EarlyImport, modules_at_end
loading = EarlyImport(modules_at_end({}))
loading.begin()
loading.wait()
from analysis.figures.draw_matplotlib import save_figure
from tests.analysis.test_figure_looks import figure_with
before = set(sys.modules)
figure = figure_with(["a", "b"])
print(*(file.name for file in save_figure(figure, Path(sys.argv[1]))))
print(*sorted(set(sys.modules) - before))
"""


def late_imports(*, of_its_helpers: bool = True) -> set[str]:
    """Return what the end of a launch imports within functions, of this project."""
    graph = source_tree.import_graph()
    closing = "study.launching.closing"
    helpers = {name for name in graph[closing] if name.startswith("study.launching.")}
    owners = {closing, *(helpers if of_its_helpers else ())} - {*early.DRAWING}
    return {
        line.target
        for module in source_tree.modules()
        if module.name in owners
        for line in module.imports
        if line.in_function and line.target in graph
    }


def test_what_draws_is_loaded_once_it_is_told_and_not_before():
    command = [sys.executable, "-c", DRAW, *sorted(late_imports())]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    before, after, later = done.stdout.split("\n")[:3]
    assert before == ""
    assert after.split() == [*early.DRAWING, "matplotlib"]
    assert later == ""


def test_what_is_loaded_early_is_what_the_end_of_a_launch_imports_late():
    assert set(early.DRAWING) == late_imports(of_its_helpers=False)
    assert late_imports() > set(early.DRAWING)  # what a helper imports late is loaded with these


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


@pytest.mark.parametrize(
    ("domain", "fits_curves"),
    [
        ({"low": 0.1, "high": 0.9}, True),
        ([0.1, 0.3, 0.5, 0.9], True),
        ([0.1, 0.5, 0.9], False),
        ([0.1, 0.5], False),
        (["lamix", "mixup", "cutmix"], False),
        ([{"name": "lamix"}, {"name": "mixup"}, {"name": "cutmix"}], False),
    ],
)
def test_curves_are_loaded_for_where_numbers_are_searched(domain, fits_curves):
    modules = early.modules_at_end({"dataset.name": ["digits"], "regularizer.x": domain})
    curves = early.CURVES if fits_curves else ()
    assert modules == (*early.DRAWING, *early.FORMATS, *curves)


def test_a_plot_then_loads_little_more(tmp_path):
    command = [sys.executable, "-c", SAVE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    files, loaded = done.stdout.splitlines()
    assert files == "f.png f.pdf"
    assert {name.partition(".")[0] for name in loaded.split()} <= {"encodings", "fontTools", "PIL"}
