"""What the pages say of installing: commands that work, from this project's own folder."""

import re
import subprocess
import tomllib

import pytest

from tests.source_tree import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_installs_the_project_from_an_index_that_does_not_have_it(page):
    text = page.read_text("utf-8")
    assert f"pip install '{PROJECT['name']}" not in text
    named = {name for found in re.findall(r"'\.\[([\w,]+)\]'", text) for name in found.split(",")}
    if "template" not in page.parts:
        assert named <= set(PROJECT["optional-dependencies"])


def test_a_command_of_a_package_of_its_own_is_named_with_its_installation():
    text = (ROOT / "README.md").read_text("utf-8")
    assert "optuna-dashboard sqlite" in text
    assert ".venv/bin/python -m pip install optuna-dashboard" in text


def test_make_says_what_it_installs_and_how_big_that_is_before_it_does(tmp_path):
    installing = ["make", "--dry-run", f"VENV={tmp_path}/venv", f"{tmp_path}/venv/installed"]
    printed = subprocess.run(installing, cwd=ROOT, capture_output=True, text=True, check=True)
    before, _, _ = printed.stdout.partition("-m pip install")
    assert "Installing PyTorch, Ray, Optuna, MLflow" in before and "takes minutes" in before
    (size,) = re.findall(r"(\d+ GB) on disk", before)
    assert f"{size} on disk" in (ROOT / "README.md").read_text("utf-8")
