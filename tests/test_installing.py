"""What the pages say of installing: commands that work, from this project's own folder."""

import re
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
