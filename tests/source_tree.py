"""The project's source as the tests of the house see it: modules, imports, the linter's lists.

Everything is read from the files (``ast``, ``tomllib``); nothing of the project is imported.
"""

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache, cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PACKAGES = ("lamix_study", "study", "trainables", "analysis")
FRAMEWORKS = ("ray", "optuna", "mlflow")


@dataclass(frozen=True)
class ImportLine:
    """One module that an import statement names."""

    target: str
    """Dotted, for example ``study.file.space``; of ``from a import b`` it is ``a.b`` where that is
    a module of the project, else ``a``."""
    line: int
    in_function: bool
    has_reason: bool
    """Whether a comment stands on the line, or above the block of imports that it belongs to."""


@dataclass(frozen=True)
class SourceModule:
    """A Python file of the project."""

    name: str
    """Dotted; a package is its ``__init__``."""
    path: str
    """From the project's root, with ``/``."""
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.text)

    @cached_property
    def lines(self) -> list[str]:
        """The file's lines."""
        return self.text.splitlines()

    @property
    def docstring(self) -> str:
        """The module's docstring as running text, or an empty one."""
        return " ".join((ast.get_docstring(self.tree) or "").split())

    @cached_property
    def imports(self) -> tuple[ImportLine, ...]:
        """All modules that the file imports, at its top, below `TYPE_CHECKING` and in functions."""
        return tuple(self._imports())

    def _imports(self) -> Iterator[ImportLine]:
        late = {
            id(node)
            for outer in ast.walk(self.tree)
            if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef)
            for node in ast.walk(outer)
        }
        for node in ast.walk(self.tree):
            if not isinstance(node, ast.Import | ast.ImportFrom):
                continue
            for target in _targets(node, self.name, is_package=self.path.endswith("__init__.py")):
                yield ImportLine(
                    target, node.lineno, id(node) in late, self._has_reason(node.lineno)
                )

    def _has_reason(self, line: int) -> bool:
        if "#" in self.lines[line - 1]:
            return True
        above = line - 2
        while above >= 0 and re.match(r"\s*(import|from) ", self.lines[above]):
            if "#" in self.lines[above]:
                return True
            above -= 1
        return above >= 0 and self.lines[above].lstrip().startswith("#")


def _targets(
    node: ast.Import | ast.ImportFrom, importer: str, *, is_package: bool
) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    origin = node.module or ""
    if node.level:
        parts = importer.split(".")
        kept = parts[: len(parts) - node.level + is_package]
        origin = ".".join([*kept, *([origin] if origin else [])])
    for alias in node.names:
        inner = f"{origin}.{alias.name}"
        yield inner if inner in module_names() else origin


@cache
def module_names() -> frozenset[str]:
    """Return the dotted names of all modules of the project."""
    return frozenset(_dotted(path) for path in _files())


@cache
def modules() -> tuple[SourceModule, ...]:
    """Return all modules of the four packages, by path."""
    return tuple(
        SourceModule(
            _dotted(path), path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
        )
        for path in _files()
    )


def _files() -> list[Path]:
    return sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))


def _dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def project_settings() -> dict[str, Any]:
    """Return what ``pyproject.toml`` holds."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def framework_files() -> dict[str, list[str]]:
    """Return framework → patterns of the files that may import it, as the linter's message says."""
    banned = project_settings()["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"]
    return {
        framework: re.findall(r"[\w/*]+\.py", rule["msg"]) for framework, rule in banned.items()
    }


def is_among(path: str, patterns: list[str]) -> bool:
    """Return whether one of the patterns, as in the linter's configuration, matches the path."""
    return any(fnmatch(path, pattern) for pattern in patterns)


def import_graph() -> dict[str, set[str]]:
    """Return module → modules of the project that it imports, itself left out."""
    return {
        module.name: {
            line.target
            for line in module.imports
            if line.target in module_names() and line.target != module.name
        }
        for module in modules()
    }


def import_circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules that reach each other (Tarjan 1972), each sorted by name."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    circles: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for target in sorted(graph.get(name, ())):
            if target not in index:
                visit(target)
                low[name] = min(low[name], low[target])
            elif target in stack:
                low[name] = min(low[name], index[target])
        if low[name] == index[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(group) > 1:
                circles.append(sorted(group))

    for name in sorted(graph):
        if name not in index:
            visit(name)
    return circles
