"""What tests put in the place of a part of the project takes what the real part takes.

The project says what it needs of a part by a protocol. A class of the tests that stands for such a
part is known by the protocol's names; everything is read from the source, so no test is imported.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests import source_tree

TESTS = Path(__file__).parent
FEWEST_SHARED = 2
"""Names, a method among them, that a class shares with the protocol of which it is a fake."""

Parameters = list[tuple[str, str, bool]]
"""Each parameter's name, its kind, and whether it may be left out."""


def parameters_of(function: ast.FunctionDef | ast.Lambda) -> Parameters:
    given = function.args
    placed = [*given.posonlyargs, *given.args]
    free = len(placed) - len(given.defaults)
    listed = [(one.arg, "placed", number >= free) for number, one in enumerate(placed)]
    listed += [("*", "rest", True)] * (given.vararg is not None)
    listed += [
        (one.arg, "named", default is not None)
        for one, default in zip(given.kwonlyargs, given.kw_defaults, strict=True)
    ]
    return listed + [("**", "rest", True)] * (given.kwarg is not None)


@dataclass(frozen=True)
class ClassSketch:
    """A class as its source gives it."""

    name: str
    methods: Mapping[str, Parameters]
    others: frozenset[str]
    """Properties and attributes, those that its methods set included."""
    bases: tuple[str, ...]
    where: str = ""

    @property
    def names(self) -> set[str]:
        return {*self.methods, *self.others}


def sketch_of(node: ast.ClassDef, where: str = "") -> ClassSketch:
    methods: dict[str, Parameters] = {}
    others: set[str] = set()
    for member in node.body:
        match member:
            case ast.FunctionDef(name=name, decorator_list=[]):
                methods[name] = parameters_of(member)
            case ast.FunctionDef(name=name):
                others.add(name)
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Lambda() as made):
                methods[name] = parameters_of(made)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                others.add(name)
    others |= {
        inner.attr
        for inner in ast.walk(node)
        if isinstance(inner, ast.Attribute)
        and isinstance(inner.ctx, ast.Store)
        and isinstance(inner.value, ast.Name)
        and inner.value.id == "self"
    }
    bases = tuple(ast.unparse(base).partition("[")[0] for base in node.bases)
    return ClassSketch(node.name, methods, frozenset(others), bases, where)


@cache
def protocols() -> tuple[ClassSketch, ...]:
    """Return all protocols of the project."""
    nodes = (node for module in source_tree.modules() for node in ast.walk(module.tree))
    sketches = (sketch_of(node) for node in nodes if isinstance(node, ast.ClassDef))
    return tuple(sketch for sketch in sketches if "Protocol" in sketch.bases)


def with_bases(sketch: ClassSketch, beside: Mapping[str, ClassSketch]) -> ClassSketch:
    """Return a class with what it inherits from classes of its file; other bases stay its bases."""
    methods, others, unknown = dict(sketch.methods), set(sketch.others), []
    for base in sketch.bases:
        if base not in beside or base == sketch.name:
            unknown.append(base)
            continue
        above = with_bases(beside[base], beside)
        methods = {**above.methods, **methods}
        others |= above.others
        unknown += above.bases
    return ClassSketch(sketch.name, methods, frozenset(others), tuple(unknown), sketch.where)


def is_fake_of(sketch: ClassSketch, protocol: ClassSketch) -> bool:
    wanted = {name for name in protocol.names if not name.startswith("_")}
    shared = wanted & sketch.names
    return bool(shared & sketch.methods.keys()) and len(shared) >= min(FEWEST_SHARED, len(wanted))


def fakes_in(source: str, where: str) -> Iterator[tuple[ClassSketch, ClassSketch]]:
    """Yield each class that stands for a part of the project, with the part's protocol."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef)]
    beside = {node.name: sketch_of(node, where) for node in nodes}
    for own in beside.values():
        sketch = with_bases(own, beside)
        for protocol in protocols():
            if is_fake_of(sketch, protocol):
                yield sketch, protocol


def takes_all_that(fake: Parameters, real: Parameters) -> bool:
    """Return whether every call that fits the one fits the other."""
    known = {name: (kind, optional) for name, kind, optional in fake}
    placed = [name for name, kind, _ in fake if kind == "placed"]
    wanted = [name for name, kind, _ in real if kind == "placed"]
    for name, kind, optional in real:
        if name not in known:
            if ("**" if kind == "named" else "*") not in known:
                return False
            continue
        own_kind, own_optional = known[name]
        if own_kind not in (kind, "placed") or (optional and not own_optional):
            return False
    further = [name for name in known if name not in {one for one, *_ in real}]
    in_order = [name for name in placed if name in wanted] == [n for n in wanted if n in placed]
    return in_order and all(known[name][1] for name in further)


def complaints(fake: ClassSketch, protocol: ClassSketch) -> list[str]:
    """Return what a fake lacks, or takes otherwise than its protocol says."""
    found = [
        f"{fake.where}: {fake.name}.{name} takes not what {protocol.name}.{name} takes"
        for name, real in protocol.methods.items()
        if name in fake.methods and not takes_all_that(fake.methods[name], real)
    ]
    # What comes from a base of another file, or is made up as it is asked for, is not seen here.
    if not fake.bases and "__getattr__" not in fake.methods:
        missing = sorted(protocol.names - fake.names)
        found += [f"{fake.where}: {fake.name} has no {name}" for name in missing]
    return found


@cache
def fakes() -> tuple[tuple[ClassSketch, ClassSketch], ...]:
    return tuple(
        pair
        for file in sorted(TESTS.rglob("*.py"))
        for pair in fakes_in(file.read_text(encoding="utf-8"), str(file.relative_to(TESTS)))
    )


def test_the_protocols_and_the_fakes_are_found() -> None:
    wanted = {"RecordLike", "SearchLike", "SchedulerLike", "TuneListener", "GraphRecorder"}
    assert wanted <= {protocol.name for protocol in protocols()}
    found = {(fake.name, protocol.name) for fake, protocol in fakes()}
    assert {
        ("ListedRecord", "RecordLike"),
        ("KeptRecord", "RecordLike"),
        ("NoRecord", "RecordLike"),
        ("Tape", "GraphRecorder"),
    } <= found


@pytest.mark.parametrize(
    ("fake", "protocol"), fakes(), ids=lambda sketch: f"{sketch.where} {sketch.name}"
)
def test_a_fake_takes_what_the_real_part_takes(fake: ClassSketch, protocol: ClassSketch) -> None:
    assert complaints(fake, protocol) == []


FAKE_SEARCH = """
class Search:
    def __init__(self):
        self.told = {}
    def ask(self): ...
    def report(self, number, epoch, value): ...
    def tell(self, number, judgement): ...
"""


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("", "", None),
        ("def ask(self)", "def ask(self, further=None)", None),
        ("epoch, value", "*, epoch, value", "Search.report takes"),
        ("number, judgement", "number", "Search.tell takes"),
        ("number, judgement", "judgement, number", "Search.tell takes"),
        ("number, judgement", "number, judgement, more", "Search.tell takes"),
        ("def ask(self)", "def asked(self)", "Search has no ask"),
        ("class Search:", "class Base: ...\nclass Search(Base):", None),
    ],
)
def test_a_fake_that_has_fallen_behind_is_seen(old: str, new: str, complaint: str | None) -> None:
    ((fake, protocol),) = fakes_in(FAKE_SEARCH.replace(old, new, 1), "here.py")
    assert protocol.name == "SearchLike"
    found = complaints(fake, protocol)
    assert [complaint in one for one in found if complaint] == [True] * bool(complaint)
    assert len(found) == bool(complaint)
