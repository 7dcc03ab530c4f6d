"""Whoever silences a checker says why, on the line or right above it."""

import io
import re
import tokenize
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests import source_tree
from tests.source_tree import ROOT

FOLDERS = (*source_tree.PACKAGES, "tests", "docs")
FILES = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in FOLDERS
    for path in (ROOT / folder).rglob("*.py")
)
SILENCED = re.compile(
    r"#\s*(?:type:\s*ignore|noqa)\b(?:\[[\w, -]+\]|:\s*[A-Z]+\d+(?:,\s*[A-Z]+\d+)*)?"
)
"""What silences mypy or ruff, with the rules that it names."""


def without_reason(source: str) -> list[int]:
    """Return the lines that silence a checker without a word of why, or without naming a rule."""
    lines = source.splitlines()
    found = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT or not (marks := SILENCED.findall(token.string)):
            continue
        said = SILENCED.sub("", token.string)
        number = token.start[0]
        above = lines[number - 2].strip() if number > 1 else ""
        explained = re.search(r"[A-Za-z]{2}", said) or above.startswith("#")
        if not explained or not all(re.search(r"\[|noqa:", mark) for mark in marks):
            found.append(number)
    return found


@pytest.mark.parametrize("file", FILES)
def test_a_silenced_checker_has_its_reason(file: str) -> None:
    silent = without_reason((ROOT / file).read_text(encoding="utf-8"))
    assert silent == [], f"{file}: lines {silent} silence a checker and do not say why"


@pytest.mark.parametrize(
    ("line", "is_found"),
    [
        ("x = f()  # type: ignore[arg-type]", True),
        ("x = f()  # type: ignore  # it is right", True),
        ("x = f()  # noqa: B006", True),
        ("x = f()  # noqa: B006, B023", True),
        ("x = f()  # type: ignore[index]  # noqa: NPY002", True),
        ("x = f()  # type: ignore[arg-type]  # has a buffer", False),
        ("x = f()  # noqa: E712 (a numpy bool)", False),
        ("# It has a buffer.\nx = f()  # type: ignore[arg-type]", False),
        ("x = '# noqa: B006'", False),
    ],
)
def test_a_reason_is_known_by_its_words(line: str, is_found: bool) -> None:
    assert bool(without_reason(line)) is is_found


def untyped_packages() -> list[str]:
    """Return the packages whose missing types mypy is told to pass over."""
    overrides = source_tree.project_settings()["tool"]["mypy"]["overrides"]
    (listed,) = [each["module"] for each in overrides if each.get("ignore_missing_imports")]
    return [name.removesuffix(".*") for name in listed]


@pytest.mark.parametrize("package", untyped_packages())
def test_a_package_whose_types_are_passed_over_marks_none(package: str) -> None:
    spec = find_spec(package)
    assert spec is not None and spec.origin is not None
    assert not (Path(spec.origin).parent / "py.typed").exists()
