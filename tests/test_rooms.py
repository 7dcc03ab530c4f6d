"""The rooms: who may import whom, read from the source, imports within functions included."""

import re
import sys

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

MOST_LINES = 300
"""A longer file says why in its docstring, in a sentence that names the "300 lines"."""

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
        "lamix_study": {"lamix_study", "study", "trainables"},
    }[package_of(module.name)]
    foreign = {name for name in targets(module) if package_of(name) not in allowed}
    if package_of(module.name) == "analysis":
        foreign -= {"trainables.metrics"}
    assert not foreign, f"{module.path} imports {', '.join(sorted(foreign))}"
    tests = {line.target for line in module.imports if package_of(line.target) == "tests"}
    assert not tests, f"{module.path} imports the tests: {', '.join(sorted(tests))}"


def test_what_the_analysis_takes_of_trainables_needs_the_standard_library_alone() -> None:
    (metrics,) = [m for m in source_tree.modules() if m.name == "trainables.metrics"]
    foreign = {package_of(line.target) for line in metrics.imports} - sys.stdlib_module_names
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
