"""Constructors do no work with the outside: a function with a verb opens, reads and connects.

The test follows a constructor into the methods of its class and the functions of the project that
it calls. A constructor of the project that it calls is looked at in its own place.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests import source_tree
from tests.source_tree import SourceModule

CONSTRUCTORS = {"__init__", "__new__", "__post_init__"}
OUTSIDE = re.compile(
    r"(open|load|connect|fetch|download|mkdir|makedirs|mkdtemp|mkstemp|touch|unlink|rmdir|rmtree"
    r"|rename|copyfile|read_text|read_bytes|write_text|write_bytes|create_dir|create_engine"
    r"|create_study|load_study|RDBStorage|from_uri|Popen|check_output|urlopen|getaddrinfo|socket"
    r"|savez|savez_compressed|loadtxt|read_csv|statvfs|stat|exists|is_file|is_dir|iterdir|glob|rglob"
    r"|listdir|scandir|MlflowClient|open_\w+|connect_\w+)$"
)
"""Names of functions that touch files, processes, services or stores; `_` before them aside."""

ALLOWED = {
    "study.api.Study": "a public name: users build it of keys, which may name files to include",
    "study.execution.local_ray.ShieldedProcess": "takes the place of `subprocess.Popen`",
    "trainables.training.Trainer": "a public name: `Trainer(config)` is ready for its first epoch",
}
"""Constructors whose callers are given by a contract, and which."""


@dataclass(frozen=True)
class Place:
    """A function, and the class and the module that its names are looked up in."""

    module: SourceModule
    owner: ast.ClassDef | None
    function: ast.FunctionDef


def functions_of(body: list[ast.stmt]) -> dict[str, ast.FunctionDef]:
    return {node.name: node for node in body if isinstance(node, ast.FunctionDef)}


def imported_names(module: SourceModule) -> dict[str, str]:
    """Return name → dotted path of what a module imports from others."""
    return {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ImportFrom) and node.module and not node.level
        for alias in node.names
    }


def called_place(called: ast.expr, place: Place) -> Place | None:
    """Return the method of the same class or the project's function that is called, or None."""
    match called:
        case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name) if place.owner:
            found = functions_of(place.owner.body).get(name)
            return Place(place.module, place.owner, found) if found else None
        case ast.Name(id=name) if name in (own := functions_of(place.module.tree.body)):
            return Place(place.module, None, own[name])
        case ast.Name() | ast.Attribute(value=ast.Name()):
            first, _, rest = ast.unparse(called).partition(".")
            path = imported_names(place.module).get(first, "")
            home, _, name = f"{path}.{rest}".rstrip(".").rpartition(".")
            for module in source_tree.modules():
                if module.name == home and (found := functions_of(module.tree.body).get(name)):
                    return Place(module, None, found)
    return None


def outside_work(place: Place, seen: frozenset[int] = frozenset()) -> Iterator[str]:
    """Yield the calls with the outside that a function makes, itself or through others."""
    for node in ast.walk(place.function):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func).rpartition(".")[2]
        if OUTSIDE.match(name.lstrip("_")):
            yield f"{place.module.path}:{node.lineno} {ast.unparse(node.func)}"
        elif (inner := called_place(node.func, place)) and id(inner.function) not in seen:
            yield from outside_work(inner, seen | {id(inner.function)})


def constructors(module: SourceModule) -> Iterator[tuple[str, Place]]:
    for owner in ast.walk(module.tree):
        if isinstance(owner, ast.ClassDef):
            for name in CONSTRUCTORS & set(functions := functions_of(owner.body)):
                yield f"{module.name}.{owner.name}", Place(module, owner, functions[name])


@pytest.mark.parametrize("module", source_tree.modules(), ids=lambda module: module.path)
def test_a_constructor_does_no_work_with_the_outside(module: SourceModule) -> None:
    for name, place in constructors(module):
        if name not in ALLOWED:
            work = list(outside_work(place))
            assert not work, f"{name} works where it is constructed: {work}; let a function do it"


@pytest.mark.parametrize(
    "line",
    [
        "self.held = np.load(path)",
        "self.files.create_dir(path)",
        "self.study = optuna.create_study()",
        "self.text = path.read_text()",
        "self._begin()",
        "begin(path)",
        "self.device = devices.open_device('cpu')",
        "self.device = open_device('cpu')",
    ],
)
def test_work_is_found_where_it_is_done(line: str) -> None:
    text = (
        "from trainables import devices\n"
        "from trainables.devices import open_device\n"
        f"class A:\n    def __init__(self, path):\n        {line}\n"
        "    def _begin(self):\n        self.path.mkdir()\n"
        "def begin(path):\n    begin(path)\n    open(path)\n"
    )
    ((_, place),) = constructors(SourceModule("study.x", "study/x.py", text))
    assert list(outside_work(place))


def test_each_constructor_that_may_work_does() -> None:
    found = {name: place for m in source_tree.modules() for name, place in constructors(m)}
    idle = [
        name
        for name in ALLOWED
        if name != "study.execution.local_ray.ShieldedProcess"  # its base class works
        and not list(outside_work(found[name]))
    ]
    assert not idle
    assert ALLOWED.keys() <= found.keys()
