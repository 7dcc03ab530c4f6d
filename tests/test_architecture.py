"""docs/architecture.md: its tree has a line for every module, and none for what is not there."""

import ast
import re
from collections.abc import Iterator

from tests import source_tree
from tests.source_tree import ROOT, SourceModule

PAGE = ROOT / "docs" / "architecture.md"
COMPONENTS = ("trainables/regularizers/", "trainables/networks/", "trainables/datasets/")
"""Folders whose public modules with `Settings` need no line: a component is one new file."""


def tree_lines() -> list[str]:
    (block,) = re.findall(r"^```text\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)
    return [line for line in block.splitlines() if line.strip()]


def entries(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Yield each path of the tree with what is said of it; two spaces are one level."""
    folders: list[str] = []
    for line in lines:
        indent, name, said = re.fullmatch(r"( *)(\S+) *(.*)", line).groups()  # type: ignore[union-attr]  # every line matches
        depth = len(indent) // 2
        assert depth <= len(folders), f"the tree skips a level at {line!r}"
        folders = folders[:depth]
        yield "".join(folders) + name, said
        if name.endswith("/"):
            folders.append(name)


def needs_line(module: SourceModule) -> bool:
    folder, _, file = module.path.rpartition("/")
    if file == "__init__.py":
        return False  # the folder's line is its own
    classes = {node.name for node in module.tree.body if isinstance(node, ast.ClassDef)}
    is_component = f"{folder}/" in COMPONENTS and not file.startswith("_") and "Settings" in classes
    return not is_component


def wanted_paths() -> dict[str, str]:
    """Return each path that needs a line → how its docstring begins."""
    wanted: dict[str, str] = {}
    for module in source_tree.modules():
        begins = module.docstring.partition(". ")[0].rstrip(".")
        folder, _, file = module.path.rpartition("/")
        if file == "__init__.py":
            wanted[f"{folder}/"] = begins
        elif needs_line(module):
            wanted[module.path] = begins
    return wanted


def test_every_module_stands_in_the_tree_with_a_line() -> None:
    known = dict(entries(tree_lines()))
    missing = {path: begins for path, begins in wanted_paths().items() if not known.get(path)}
    text = "\n".join(f"{path}  {begins}" for path, begins in missing.items())
    assert not missing, f"lines that docs/architecture.md needs:\n{text}"


def test_every_line_of_the_tree_is_of_something_that_is_there() -> None:
    gone = [path for path, _ in entries(tree_lines()) if not (ROOT / path).exists()]
    assert gone == []


def test_no_path_stands_in_the_tree_twice() -> None:
    paths = [path for path, _ in entries(tree_lines())]
    assert len(paths) == len(set(paths))


def test_the_tree_is_read_by_its_indentation() -> None:
    lines = [
        "study/   many trials",
        "  launch.py   the command",
        "  file/   the file",
        "    a.py   x",
    ]
    assert list(entries([*lines, "analysis/   what was learned"])) == [
        ("study/", "many trials"),
        ("study/launch.py", "the command"),
        ("study/file/", "the file"),
        ("study/file/a.py", "x"),
        ("analysis/", "what was learned"),
    ]


def test_every_file_that_the_page_names_is_there() -> None:
    prose = re.sub(r"^```.*?^```$", "", PAGE.read_text("utf-8"), flags=re.M | re.S)
    named = re.findall(r"`((?:study|trainables|analysis|tests|docs|search_spaces)/[\w/.]+)`", prose)
    assert named and [path for path in named if not (ROOT / path).exists()] == []


def test_every_name_on_the_way_of_beta_is_found_in_its_file() -> None:
    """A step of β's way is a row: the file, and what stands there."""
    rows = re.findall(r"^\| \d+ \| `([\w/.]+)` \| `([^`]+)` \|", PAGE.read_text("utf-8"), re.M)
    assert len(rows) >= 8
    for file, text in rows:
        assert text in (ROOT / file).read_text(encoding="utf-8"), f"{file} has no {text!r}"
