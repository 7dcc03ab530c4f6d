"""The names of the record are written once: everywhere else their constants stand."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.record import names

ROOT = Path(__file__).parent.parent
HOME = "analysis/record/names.py"
FILES = sorted(
    path.relative_to(ROOT).as_posix()
    for room in ("analysis", "study")
    for path in (ROOT / room).rglob("*.py")
)
VALUES = {value for name, value in vars(names).items() if name.isupper() and isinstance(value, str)}
WORDS = {
    "compiled", "completed", "configuration", "device", "diagnostics", "failed", "failure",
    "outcome", "plots", "point", "precision", "python", "question", "report", "role", "scale",
    "seed", "state", "study", "trial",
}  # fmt: skip
"""Names that are also words of other things: they must not be looked up by a literal."""
OUTCOMES = set(names.OUTCOMES)
"""The type checker knows these words where they are typed, which they are in `study`."""
STATES = set(names.STATE_WORDS.values())
"""What people read for the state of a study's run. `study` has trials with states of their own,
which the type checker knows."""
OTHER_VERDICTS = {"analysis/tables/race.py", "analysis/report_page/gather.py"}
"""They compare verdicts of a race, one of which is `not begun`."""
LOOKUPS = {"drop_duplicates", "get", "groupby", "pop", "set_index", "sort_values"}
OTHER_MAPPINGS = {"resolved", "result"}
"""Not the record's: the resolved study file, and a trial's result (trainables/trainable.py)."""
OTHER_ROOM = "study/file/"
"""Looks up the keys of study files."""


SETTING = re.compile(r"(dataset|network|regularizer|training|diagnostics)\.[a-z_]+")
"""A setting's dotted path in the params of the record and the columns of a frame."""


def literals(tree: ast.AST) -> Iterator[ast.Constant]:
    """Yield the texts of a module that are no docstrings."""
    docstrings = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if text and id(node) not in docstrings:
            yield node


def lookups(tree: ast.AST) -> Iterator[ast.expr]:
    """Yield what is looked up in a record or a frame: ``x[…]``, ``x.get(…)``, ``… in x``."""
    for node in ast.walk(tree):
        match node:
            case ast.Subscript(value=where, slice=key):
                pass
            case ast.Compare(left=key, ops=[ast.In() | ast.NotIn()], comparators=[where]):
                pass
            case ast.Call(func=ast.Attribute(value=where, attr=name), args=[key, *_]):
                if name not in LOOKUPS:
                    continue
            case _:
                continue
        if not (isinstance(where, ast.Name) and where.id in OTHER_MAPPINGS):
            yield key


def compared(tree: ast.AST) -> Iterator[ast.expr]:
    """Yield what a value is compared with: ``x == …``, and each member of ``x in (…, …)``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            for side in (node.left, *node.comparators):
                yield from side.elts if isinstance(side, ast.Tuple | ast.List | ast.Set) else [side]
        elif isinstance(node, ast.MatchValue):
            yield node.value


def repeated_settings(sources: dict[str, str]) -> dict[str, list[str]]:
    """Return dotted path of a setting → where it is written out, of those in several places.

    Args:
        sources: file → its text.
    """
    places: dict[str, list[str]] = {}
    for file, source in sources.items():
        for node in literals(ast.parse(source)):
            if SETTING.fullmatch(node.value):
                places.setdefault(node.value, []).append(f"{file}:{node.lineno}")
    return {path: where for path, where in places.items() if len(where) > 1}


def misplaced(file: str, source: str) -> list[str]:
    """Return the literals of a file that are names of the record, with their lines."""
    tree = ast.parse(source)
    typed = OUTCOMES if file.startswith("study/") else set()
    distinct = VALUES - WORDS - typed
    found = [
        node
        for node in literals(tree)
        if node.value in distinct or re.search(r"\btags\.\w", node.value)
    ]
    if not file.startswith(OTHER_ROOM):
        looked_up = [node for node in lookups(tree) if isinstance(node, ast.Constant)]
        found += [node for node in looked_up if node.value in WORDS]
    if file.startswith("analysis/") and file not in OTHER_VERDICTS:
        found += [
            node
            for node in compared(tree)
            if isinstance(node, ast.Constant) and node.value in STATES | WORDS
        ]
    return [f"{file}:{node.lineno}: {node.value!r}" for node in found]


@pytest.mark.parametrize("file", [file for file in FILES if file != HOME])
def test_no_name_of_the_record_is_written_out(file):
    source = (ROOT / file).read_text(encoding="utf-8")
    if file == "analysis/record/client.py":
        source = source.replace('f"tags.{name} = ', 'f"{name} = ')  # the one place that says so
    assert misplaced(file, source) == []


def test_a_setting_that_is_asked_for_in_several_places_is_written_out_in_one():
    rooms = [file for file in FILES if file.startswith(("analysis/", "study/record/"))]
    sources = {file: (ROOT / file).read_text(encoding="utf-8") for file in rooms}
    assert repeated_settings(sources) == {}


def test_a_setting_written_out_twice_is_found():
    once = {"a.py": '"""training.clip"""\nframe["training.clip"]'}
    assert repeated_settings(once) == {}
    assert repeated_settings({**once, "b.py": 'x = "training.clip"'}) == {
        "training.clip": ["a.py:2", "b.py:1"]
    }


@pytest.mark.parametrize(
    "line",
    [
        'tags = {"adopted_from": run_id}',
        'path = download("resolved.yaml")',
        'where = "tags.role = 1"',
        'parent = f"tags.mlflow.parentRunId = {run_id}"',
        'frame["outcome"]',
        'tags.get("configuration")',
        '"point" in trial.tags',
        'lost = "diverged"',
        'info.state not in ("finished", "done")',
        'info.state == "interrupted"',
        '"running" != info.state',
        'column in {"seed", "other"}',
        'match info.state:\n    case "done": pass',
    ],
)
def test_a_name_written_out_is_found(line):
    assert misplaced("analysis/any.py", line)


def test_every_name_stands_for_one_thing():
    texts = [v for n, v in vars(names).items() if n.isupper() and isinstance(v, str)]
    assert len(texts) == len(set(texts))
    assert WORDS <= VALUES
