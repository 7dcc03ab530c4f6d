"""Which code computes a trial: a digest of the source that the trial's parts really use.

Results hold only for the code that computed them. The digest covers the training loop, its step and
the modules of the trial's regularizer, network and data set, with every module of the same packages
that one of them imports, and the versions of PyTorch and torchvision. Comments, docstrings and
layout do not count; modules of components that the trial does not use do not count either.

A component of the user's own brings the modules of its package along, and every module that it
imports from outside the folders of installed packages.
"""

import ast
import hashlib
import importlib.util
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

from trainables.configuration import Configuration
from trainables.plugins import per_known_set
from trainables.source_hashes import parsed_source, part_hashes, source_hash

LOOP = ("trainables.trainable", "trainables.training", "trainables.metrics")
"""Modules that every trial uses."""
PACKAGES = ("torch", "torchvision")
"""Packages whose versions are part of the digest."""
PACKAGE_FOLDERS = frozenset(("site-packages", "dist-packages"))
"""The names of folders of installed packages: of an environment, of a user, of Debian's Python."""
PYTHON = tuple(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib"))
"""The folders of Python's own modules."""
NOT_RECORDED = "not recorded"
"""Stands for the digest of trials from before digests were recorded."""
NAMED = 3
"""How many parts of a changed module are named in a sentence."""
MODULES = 5
"""How many changed modules a sentence names."""


class CodeChangedError(RuntimeError):
    """The code on this machine is no longer the one that the study was planned with."""


@dataclass(frozen=True)
class TrialCode:
    """The code of one trial."""

    modules: Mapping[str, str]
    """Module name → hash of its source, without comments, docstrings and layout."""
    versions: Mapping[str, str]
    """Package name → version."""
    parts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Module name → the hash of each of its functions, methods and assigned names. The parts say
    what has changed of a module; the digest is of the whole modules."""

    @cached_property
    def digest(self) -> str:
        """One hash of it all: 16 hexadecimal digits."""
        parts = [f"{kind}={name}:{value}" for kind, name, value in self._entries()]
        return hashlib.blake2b("\n".join(parts).encode(), digest_size=8).hexdigest()

    def _entries(self) -> Iterator[tuple[str, str, str]]:
        for kind, held in (("module", self.modules), ("version", self.versions)):
            for name in sorted(held):
                yield kind, name, held[name]

    def as_dict(self) -> dict[str, Any]:
        """Return the code as plain data, to be kept beside the digest."""
        parts = {module: dict(hashes) for module, hashes in self.parts.items()}
        return {"modules": dict(self.modules), "versions": dict(self.versions), "parts": parts}

    def differences(self, before: Mapping[str, Any], *, brief: bool = False) -> list[str]:
        """Return what differs from an earlier trial's code, in words.

        Args:
            before: as from `as_dict`; empty where the earlier code is not known.
            brief: whether a sentence has to hold it: the first modules and names, and counts of the
                others.
        """
        old_modules, old_versions = before.get("modules", {}), before.get("versions", {})
        if not old_modules:
            return ["the code that computed them is not on record"]
        changed = [name for name in self.modules if name in old_modules]
        changed = [name for name in changed if self.modules[name] != old_modules[name]]
        old_parts = before.get("parts", {})
        words = [
            f"{name} changed"
            + _changed_parts(self.parts.get(name, {}), old_parts.get(name, {}), brief=brief)
            for name in sorted(changed)
        ]
        words += [f"{name} is new" for name in sorted(self.modules.keys() - old_modules.keys())]
        words += [f"{name} is gone" for name in sorted(old_modules.keys() - self.modules.keys())]
        if brief and (more := len(words) - MODULES) > 0:
            words = [
                f"{len(words)} modules changed, are new or gone",
                *words[:MODULES],
                "and 1 more module" if more == 1 else f"and {more} more modules",
            ]
        for name, now in sorted(self.versions.items()):
            then = old_versions.get(name, "unknown")
            if then != now:
                words.append(f"{name} {then} → {now}")
        return words


def _changed_parts(now: Mapping[str, str], then: Mapping[str, str], *, brief: bool) -> str:
    """Return which parts of a module changed, in brackets; nothing where that is not known."""
    if not now or not then:
        return ""
    words = [name for name in now if name in then and now[name] != then[name]]
    words += [f"{name} is new" for name in now.keys() - then.keys()]
    words += [f"{name} is gone" for name in then.keys() - now.keys()]
    words.sort()
    if brief and len(words) > NAMED:
        words = [*words[:NAMED], f"and {len(words) - NAMED} more"]
    return f" ({', '.join(words) or 'the order of its parts'})"


def trial_code(configuration: Configuration) -> TrialCode:
    """Return the code that computes a trial of this configuration."""
    parts = (configuration.regularizer, configuration.network, configuration.dataset)
    return _code_of(tuple(dict.fromkeys(type(part).__module__ for part in parts)))


@per_known_set
def _code_of(components: tuple[str, ...]) -> TrialCode:
    own = {name.partition(".")[0] for name in (*LOOP, *components)}
    files = dict(_closure((*LOOP, *components), own))
    code = TrialCode(
        modules={name: source_hash(file) for name, file in files.items()},
        versions={name: version(name) for name in packages_of(components)},
        parts={name: part_hashes(file) for name, file in files.items()},
    )
    parsed_source.cache_clear()  # read once for all three, and of no more use
    return code


def packages_of(components: Iterable[str]) -> tuple[str, ...]:
    """Return the packages of the digest; modules name further ones by `REQUIRED_PACKAGES`."""
    further = [getattr(sys.modules[name], "REQUIRED_PACKAGES", ()) for name in components]
    return tuple(dict.fromkeys((*PACKAGES, *chain.from_iterable(further))))


def _closure(roots: Iterable[str], own: set[str]) -> Iterator[tuple[str, Path]]:
    """Yield each module that the roots import, themselves included.

    Of installed packages those in `own` alone; what lies elsewhere is the user's own as well.
    """
    waiting, seen = list(roots), set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        file = _source_file(name)
        if file is None:
            continue
        if name.partition(".")[0] not in own and _is_installed(file):
            continue
        yield name, file
        waiting += _parents(name)
        waiting += [
            other
            for other in _imported_names(name, file)
            if other.partition(".")[0] in own or _may_be_own(other.partition(".")[0])
        ]


@cache
def _may_be_own(package: str) -> bool:
    """Return whether a package may lie outside the folders of installed packages."""
    if package in sys.stdlib_module_names or package in PACKAGES:
        return False
    file = _source_file(package)
    return file is not None and not _is_installed(file)


def _is_installed(file: Path) -> bool:
    found = file.resolve()
    return bool(PACKAGE_FOLDERS & set(found.parts)) or any(map(found.is_relative_to, PYTHON))


def _parents(name: str) -> list[str]:
    """Return the packages that are imported before the module is."""
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]


def _source_file(name: str) -> Path | None:
    """Return a module's source file; None for what is no module, such as a name within one."""
    loaded = sys.modules.get(name)
    if loaded is not None:
        file = getattr(loaded, "__file__", None)
        return Path(file) if file and file.endswith(".py") else None
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):  # the parent is a module, and the name is one of its names
        return None
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


def _imported_names(name: str, file: Path) -> Iterator[str]:
    """Yield all that the module's imports may mean: modules, and perhaps names within them."""
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    for node in _executed_nodes(parsed_source(file)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _executed_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk the tree without what is for type checkers alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and _is_for_type_checkers(node.test):
            for other in node.orelse:
                yield other
                yield from _executed_nodes(other)
            continue
        yield node
        yield from _executed_nodes(node)


def _is_for_type_checkers(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
    return name == "TYPE_CHECKING"
