"""The notebooks: they run where they lie, and one changed line asks another question."""

import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.analysis.record_writer import BASE

ROOT = Path(__file__).parents[2]
CHANGED = {"smoothing": ("ERROR = None", 'ERROR = "test_error_last"')}
"""A line of a notebook that its reader changes; one will do, since a kernel takes seconds."""
NOTEBOOKS = sorted((ROOT / "analysis" / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def record(store):
    """The store with a study for each notebook."""
    study = store.start("smoothing", space={"regularizer.smoothing": [0.0, 0.1, 0.5]})
    for value in (0.0, 0.1, 0.5):
        settings = {**BASE, "regularizer.name": "vanilla", "regularizer.smoothing": value}
        study.add_all([settings], seeds=[0, 1])
    names = ["vanilla", "mixup", "lamix"]
    methods = [{**BASE, "regularizer.name": name} for name in names]
    for study in ("methods", "table1"):
        space = {"regularizer": [{"name": name} for name in names]}
        store.start(study, space=space).add_all(methods, seeds=[0, 1])
    return store


def test_every_question_has_its_notebook():
    studies = {path.stem for path in (ROOT / "search_spaces").glob("*.yaml")}
    assert {path.stem for path in NOTEBOOKS} == {*studies, "paper"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_holds_no_output(path):
    for cell in nbformat.read(path, as_version=4).cells:
        assert not cell.get("outputs") and cell.get("execution_count") is None


def executed(notebook, path):
    """Return a notebook that was run where it lies."""
    there = {"metadata": {"path": str(path.parent)}}
    NotebookClient(notebook, timeout=120, resources=there).execute()
    return notebook


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_on_a_record(path, record, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", record.uri)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    (asked,) = [cell for cell in notebook.cells if cell.source.startswith("STUDY = ")]
    asked.source = asked.source.replace(*CHANGED.get(path.stem, ("", "")))
    executed(notebook, path)
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    kinds = {kind for out in outputs for kind in out.get("data", {})}
    assert {"image/png", "text/html", "text/markdown"} <= kinds
    assert ("lowest test error" in str(outputs).lower()) == (path.stem in CHANGED)
    errors = [out["text"] for out in outputs if out.get("name") == "stderr"]
    # MLflow imports a progress bar that misses a widget; nothing else may complain.
    assert not [text for text in errors if "IProgress" not in text]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_finds_the_record_and_the_project_above_it(path, tmp_path, monkeypatch):
    folder = tmp_path / "analysis" / "notebooks"
    folder.mkdir(parents=True)
    (tmp_path / "mlflow.db").touch()
    (tmp_path / "analysis" / "trials.py").touch()
    cells = nbformat.read(path, as_version=4).cells
    (source,) = [cell.source for cell in cells if "os.chdir" in cell.source]
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    exec(source, {})
    assert Path.cwd() == tmp_path and sys.path[0] == str(tmp_path)
