"""The rooms: who may import whom, read from the source, imports within functions included."""

import ast
import re
import sys
from collections.abc import Sequence

import pytest

from tests import source_tree
from tests.source_tree import SourceModule

FLOORS_OF_STUDY = (
    ("commands",),
    ("launching", "doctoring"),
    ("execution",),
    ("scheduling",),
    ("search", "record"),
    ("trials",),
    ("file", "state", "lock", "processes", "scratch"),
)
"""From the top; a module may import its own floor and those below. `commands` are the modules
directly in `study/` that are not named here."""

TAKEN_BY_THE_ANALYSIS = {"trainables.metrics", "trainables.robustness_document"}
"""What a metric is, and what the process of `trainables.robustness` is asked and answers: names on
both sides of a wall that PyTorch does not pass, each written once."""

MOST_LINES = 300
"""A longer file says why in its docstring, in a sentence that names the "300 lines"."""
MOST_LINES_WITH_REASON = 400
"""No reason is good enough for a longer file."""
CLASS_LINES = 250
"""A class has fewer lines; what has more has several reasons to change."""
ONE_WORD_FUNCTIONS, ONE_WORD_CLASSES = 0.25, 0.20
"""Shares that names of one word stay below; such a name is seldom understood away from its file."""

TAKEN_FROM_OUTSIDE = {
    "analysis": TAKEN_BY_THE_ANALYSIS,
    "lamix_study": {"study.file.own_plugins"},
}
"""The single modules that a package may import of another that it does not build upon."""
ARCHITECTURE = source_tree.ROOT / "docs" / "architecture.md"

FRAMEWORK_NAMES = {"ray": r"\bRay\b", "optuna": r"\bOptuna\b", "mlflow": r"\bMLflow\b"}

modules = pytest.mark.parametrize("module", source_tree.modules(), ids=lambda module: module.path)


def package_of(name: str) -> str:
    return name.partition(".")[0]


def floor_of(name: str) -> int | None:
    """Return the floor of a module of `study`, counted from the top; None for `study` itself."""
    _, _, rest = name.partition(".")
    room, _, inner = rest.partition(".")
    if not room:
        return None
    named = {one: number for number, floor in enumerate(FLOORS_OF_STUDY) for one in floor}
    is_folder = bool(inner) or (source_tree.ROOT / "study" / room).is_dir()
    assert room in named or not is_folder, f"study/{room}/ has no floor in {__name__}"
    return named.get(room, 0)


def targets(module: SourceModule) -> set[str]:
    return {line.target for line in module.imports if line.target in source_tree.module_names()}


def test_the_test_sees_the_imports_within_functions_and_below_type_checking() -> None:
    text = (
        "import os\n"
        "if TYPE_CHECKING:\n    from study.file import space\n"
        "def late():\n    import ray  # takes seconds\n    import optuna\n\n    import mlflow\n"
    )
    lines = {line.target: line for line in SourceModule("study.x", "study/x.py", text).imports}
    assert set(lines) == {"os", "study.file.space", "ray", "optuna", "mlflow"}
    assert {name for name, line in lines.items() if line.in_function} == {"ray", "optuna", "mlflow"}
    assert {name for name, line in lines.items() if line.has_reason} == {"ray", "optuna"}


def test_relative_imports_are_seen_as_what_they_mean() -> None:
    text = "from . import space\nfrom ..search import samplers\nfrom .points import walk_space\n"
    module = SourceModule("study.file.rules", "study/file/rules.py", text)
    assert [line.target for line in module.imports] == [
        "study.file.space",
        "study.search.samplers",
        "study.file.points",
    ]


@modules
def test_a_package_imports_only_those_it_may(module: SourceModule) -> None:
    allowed = {
        "trainables": {"trainables"},
        "analysis": {"analysis"},
        "study": {"study", "trainables", "analysis"},
        "lamix_study": {"lamix_study", "trainables"},
    }[package_of(module.name)]
    foreign = {name for name in targets(module) if package_of(name) not in allowed}
    foreign -= TAKEN_FROM_OUTSIDE.get(package_of(module.name), set())
    assert not foreign, f"{module.path} imports {', '.join(sorted(foreign))}"
    tests = {line.target for line in module.imports if package_of(line.target) == "tests"}
    assert not tests, f"{module.path} imports the tests: {', '.join(sorted(tests))}"


@pytest.mark.parametrize("package", TAKEN_FROM_OUTSIDE)
def test_every_single_module_that_is_taken_from_outside_is_needed(package: str) -> None:
    taken = {
        name
        for module in source_tree.modules()
        if package_of(module.name) == package
        for name in targets(module)
    }
    assert taken >= TAKEN_FROM_OUTSIDE[package]


def drawn_floors() -> list[list[str]]:
    """Return the floors of `study` as the page draws them, from the top."""
    (line,) = re.findall(r"^    (commands .*)$", ARCHITECTURE.read_text("utf-8"), re.M)
    return [floor.strip().split(", ") for floor in line.split("→")]


def test_the_page_draws_the_floors_that_this_test_holds_the_source_to() -> None:
    assert drawn_floors() == [list(floor) for floor in FLOORS_OF_STUDY]


@pytest.mark.parametrize("name", sorted(TAKEN_BY_THE_ANALYSIS))
def test_what_the_analysis_takes_of_trainables_needs_the_standard_library_alone(name: str) -> None:
    (taken,) = [module for module in source_tree.modules() if module.name == name]
    foreign = {package_of(line.target) for line in taken.imports} - sys.stdlib_module_names
    assert not foreign


@modules
def test_no_module_of_study_imports_upwards(module: SourceModule) -> None:
    if package_of(module.name) != "study" or (own := floor_of(module.name)) is None:
        return
    for name in targets(module):
        floor = floor_of(name) if package_of(name) == "study" else None
        assert floor is None or floor >= own, f"{module.path} imports {name}, from a floor above"


def test_a_command_is_above_all_and_the_file_below_all() -> None:
    assert floor_of("study.launch") == 0
    assert floor_of("study.file.space") == floor_of("study.lock") == len(FLOORS_OF_STUDY) - 1
    assert floor_of("study") is None


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert source_tree.import_circles(source_tree.import_graph()) == []


def test_no_module_imports_itself() -> None:
    selves = [module.path for module in source_tree.modules() if module.name in targets(module)]
    assert selves == []


def test_a_circle_is_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": set[str]()}
    assert source_tree.import_circles(graph) == [["a", "b", "c"]]


@modules
def test_frameworks_are_imported_in_the_files_of_the_list_alone(module: SourceModule) -> None:
    files = source_tree.framework_files()
    for line in module.imports:
        framework = package_of(line.target)
        if framework in files:
            assert source_tree.is_among(module.path, files[framework]), (
                f"{module.path}:{line.line} imports {framework}, which belongs in "
                f"{' and '.join(files[framework])}"
            )


def test_the_linter_lets_pass_the_files_that_its_messages_name() -> None:
    lint = source_tree.project_settings()["tool"]["ruff"]["lint"]
    passed = {
        pattern
        for pattern, rules in lint["per-file-ignores"].items()
        if "TID251" in rules and not pattern.startswith("tests/")
    }
    named = source_tree.framework_files()
    assert set(named) == set(source_tree.FRAMEWORKS)
    assert passed == {pattern for patterns in named.values() for pattern in patterns}


@pytest.mark.parametrize("framework", source_tree.FRAMEWORKS)
def test_every_file_of_the_list_is_there_and_every_pattern_needed(framework: str) -> None:
    users = [
        module.path
        for module in source_tree.modules()
        if framework in {package_of(line.target) for line in module.imports}
    ]
    for pattern in source_tree.framework_files()[framework]:
        assert any(source_tree.is_among(path, [pattern]) for path in users), f"{pattern}: no use"


@modules
def test_no_docstring_claims_a_framework_for_itself_that_others_use(module: SourceModule) -> None:
    for sentence in re.split(r"(?<=[.;]) ", module.docstring):
        if not re.search(r"\bonly (module|file|place|one)\b", sentence):
            continue
        for framework, word in FRAMEWORK_NAMES.items():
            if re.search(word, sentence):
                others = [
                    other.path
                    for other in source_tree.modules()
                    if package_of(other.name) == package_of(module.name)
                    and other is not module
                    and framework in {package_of(line.target) for line in other.imports}
                ]
                assert not others, f'{module.path} says "{sentence}", but so do {others}'


@modules
def test_an_import_within_a_function_says_why(module: SourceModule) -> None:
    silent = [line for line in module.imports if line.in_function and not line.has_reason]
    assert not silent, "\n".join(f"{module.path}:{line.line} {line.target}" for line in silent)


@modules
def test_a_long_file_says_why_it_is_long(module: SourceModule) -> None:
    length = len(module.lines)
    assert length <= MOST_LINES or "300 lines" in module.docstring, (
        f'{module.path} has {length} lines; part it, or say in its docstring ("over 300 lines '
        'because …") why it is one'
    )


@modules
def test_every_module_says_what_it_holds(module: SourceModule) -> None:
    assert module.docstring, module.path


@modules
def test_no_file_is_longer_than_any_reason_allows(module: SourceModule) -> None:
    assert len(module.lines) <= MOST_LINES_WITH_REASON, f"{module.path}: {len(module.lines)} lines"


def class_lengths(tree: ast.Module) -> dict[str, int]:
    """Return the lines of each class, the classes within classes and functions included."""
    return {
        node.name: (node.end_lineno or 0) - node.lineno + 1
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }


@modules
def test_no_class_is_too_long_to_have_one_reason_to_change(module: SourceModule) -> None:
    long = {name: n for name, n in class_lengths(module.tree).items() if n >= CLASS_LINES}
    assert not long, f"{module.path}: {long}; part it by job into classes that work together"


def test_the_lines_of_a_class_are_counted_from_its_head_to_its_end() -> None:
    tree = ast.parse("class A:\n    x = 1\n\n    class B:\n        y = 2\n\n\nz = 3\n")
    assert class_lengths(tree) == {"A": 5, "B": 2}


def is_one_word(name: str) -> bool:
    """Return whether the name of a function or class is one word, underscores around it aside."""
    bare = name.strip("_")
    return "_" not in bare and not re.search(r"[a-z0-9][A-Z]|[A-Z][A-Z][a-z]", bare)


def share_of_one_word(kinds: Sequence[type[ast.AST]]) -> float:
    """Return which share of the names at the top of all modules are one word."""
    names = [
        node.name
        for module in source_tree.modules()
        for node in module.tree.body
        if isinstance(node, tuple(kinds))
        and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    ]
    return sum(map(is_one_word, names)) / len(names)


def test_few_functions_and_classes_bear_a_name_of_one_word() -> None:
    assert share_of_one_word([ast.FunctionDef, ast.AsyncFunctionDef]) < ONE_WORD_FUNCTIONS
    assert share_of_one_word([ast.ClassDef]) < ONE_WORD_CLASSES


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("_scratch", True),
        ("Trainer", True),
        ("Resnet50", True),
        ("hand_out_trial", False),
        ("StudyScheduler", False),
        ("MLflowClient", False),
    ],
)
def test_a_name_of_one_word_is_known_by_its_form(name: str, expected: bool) -> None:
    assert is_one_word(name) is expected
