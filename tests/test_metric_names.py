"""What a metric is stands beside the metric: no other module spells its name or reads it."""

import ast
import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from study.file.settings import SearchSettings
from trainables import metrics
from trainables.metrics import METRICS, EpochMetrics, TrialSummary
from trainables.settings import parse_settings

ROOT = Path(__file__).parents[1]
ELSEWHERE = {
    "learning_rate": {"study/doctoring/gpu.py", "trainables/recipe.py"},
    "epoch": {"trainables/diagnostics/soft_targets.py"},
}
"""Metrics that share their name with a setting or a word → the files that mean the latter."""
NAMES = set(METRICS) - set(ELSEWHERE)
SPELLED = re.compile(rf"\b({'|'.join(sorted(NAMES))})\b")
PARTS = {part for name in NAMES for part in name.split("_")}
MODULES = sorted(
    path
    for room in ("study", "trainables", "analysis")
    for path in (ROOT / room).rglob("*.py")
    if path != ROOT / "trainables" / "metrics.py"
)


def counted_nouns(tree: ast.Module) -> set[int]:
    """What is counted in a sentence is a word: ``count_text(3, "epoch")``."""
    return {
        id(given)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "count_text"
        for given in node.args
    }


def spelled_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Where a metric's name stands in a text that the program uses; docstrings may name it."""
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    prose |= counted_nouns(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield from ((node.lineno, name) for name in SPELLED.findall(node.value))
            if node.value in ELSEWHERE:  # within a longer text they are words
                yield node.lineno, node.value


def names_read(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Where a part of a metric's name is looked for in a text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
            sought = node.left
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("startswith", "endswith")
        ):
            sought = node.args[0]
        else:
            continue
        if isinstance(sought, ast.Constant) and isinstance(sought.value, str):
            word = sought.value.strip("_")
            if word in PARTS - {"epoch", "last", "best", "at", "mb"}:
                yield node.lineno, sought.value


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_neither_spells_nor_reads_the_name_of_a_metric(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    file = path.relative_to(ROOT).as_posix()
    found = [*spelled_names(tree), *names_read(tree)]
    assert [(line, name) for line, name in found if file not in ELSEWHERE.get(name, ())] == []


@pytest.mark.parametrize("name", ELSEWHERE)
def test_every_file_that_means_something_else_by_a_name_holds_it(name):
    for file in ELSEWHERE[name]:
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        assert name in {found for _, found in spelled_names(tree)}, file


UNITS = re.compile(r"error in percent|, in (percent|MB)\b|^epoch$", re.IGNORECASE)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_label_or_a_unit_of_a_metric_is_never_written_by_hand(path):
    """Messages of exceptions may say what a function takes."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    said = {id(n) for r in ast.walk(tree) if isinstance(r, ast.Raise) for n in ast.walk(r)}
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    prose |= counted_nouns(tree)
    texts = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in said | prose
    ]
    file = path.relative_to(ROOT).as_posix()
    found = [text for text in texts if UNITS.search(text)]
    assert [text for text in found if file not in ELSEWHERE.get(text, ())] == []


def test_a_gauge_says_the_unit_that_its_metric_has():
    assert metrics.GAUGES["test_error"] == "Error on the test data, in percent."
    assert metrics.GAUGES["peak_memory_mb"] == "Most memory in use so far, in MB."
    assert metrics.GAUGES["epoch"] == "Epochs trained."


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('x = "test_error"', ["test_error"]),
        ('"""test_error"""', []),
        ('x = f"{y} follows train_loss"', ["train_loss"]),
        ('x = "epoch"', ["epoch"]),
        ('x = "no epoch was trained"', []),
        ('x = "error" in name', ["error"]),
        ('x = name.endswith("error")', ["error"]),
        ('x = name.startswith("test_")', ["test_"]),
        ('x = name.startswith("regularizer.")', []),
    ],
)
def test_the_search_for_names_finds_them(source, found):
    tree = ast.parse(source)
    assert [name for _, name in (*spelled_names(tree), *names_read(tree))] == found


def test_every_field_is_described_under_a_label_of_its_own():
    fields = [f.name for owner in (EpochMetrics, TrialSummary) for f in dataclasses.fields(owner)]
    assert list(METRICS) == fields
    labels = [metric.label for metric in METRICS.values()]
    assert len(set(labels)) == len(labels)


def test_the_constants_of_the_module_name_metrics():
    names = {v for k, v in vars(metrics).items() if k.isupper() and isinstance(v, str)}
    assert names - {metrics.PERCENT} <= set(METRICS)
    assert metrics.TRAIN_LOSS == "train_loss"


def test_errors_are_in_percent_and_at_their_worst_all():
    errors = {name for name, metric in METRICS.items() if metric.unit == metrics.PERCENT}
    assert errors == {name for name in METRICS if "error" in name}
    assert {METRICS[name].worst for name in errors} == {100.0}


def test_no_objective_is_measured_on_test_images():
    assert {METRICS[name].split for name in metrics.OBJECTIVES} <= {"validation", "train", None}
    assert metrics.SELECTING_NOTHING == "train_loss"
    assert [name for name in metrics.OBJECTIVES if not METRICS[name].selects] == ["train_loss"]


@pytest.mark.parametrize("name", metrics.OBJECTIVES)
def test_a_study_may_minimise_every_objective(name):
    assert parse_settings(SearchSettings, {"objective": name}).objectives == (name,)


def test_a_name_that_no_field_bears_speaks_for_itself():
    assert metrics.description_of("made_up").label == "made_up"
    assert metrics.ordering_metrics(["made_up", "train_loss"]) == ["made_up", "test_error_last"]
