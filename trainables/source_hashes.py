"""Hashes of Python source, of files and their parts, that no comment or layout changes."""

import ast
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from functools import cache, lru_cache
from pathlib import Path

LEFT_OUT = frozenset(("kind", "type_comment", "ctx"))
"""Fields of a syntax tree that change nothing of what the code does."""


@cache
def parsed_source(file: Path) -> ast.Module:
    """Return the syntax tree of a source file."""
    return ast.parse(file.read_bytes())


def source_hash(file: Path) -> str:
    """Return the hash of a source file, which no comment, docstring or layout changes."""
    return _hash_since(file, os.stat(file).st_mtime_ns)


@lru_cache
def _hash_since(file: Path, changed_ns: int) -> str:
    """Return the hash of a file as it is since it was changed last."""
    del changed_ns
    content = _canonical_text(parsed_source(file))
    return hashlib.blake2b(content.encode(), digest_size=8).hexdigest()


@lru_cache
def part_hashes(file: Path) -> dict[str, str]:
    """Return the hash of each function, method and assigned name of a module."""
    texts: dict[str, str] = {}
    for name, node in _named_parts(parsed_source(file).body):
        texts[name] = texts.get(name, "") + _canonical_text(node)
    return {
        name: hashlib.blake2b(text.encode(), digest_size=4).hexdigest()
        for name, text in texts.items()
    }


def _named_parts(body: Iterable[ast.stmt], owner: str = "") -> Iterator[tuple[str, object]]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            inner = f"{owner}{node.name}"
            yield inner, [*node.bases, *node.keywords, *node.decorator_list]
            yield from _named_parts(node.body, f"{inner}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{owner}{node.name}", node
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield f"{owner}imports", node
        elif not _is_text_alone(node):
            yield f"{owner}{_assigned_name(node) or 'statements'}", node


def _assigned_name(node: ast.stmt) -> str:
    """Return the name that a statement assigns to, or nothing."""
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return targets[0].id if isinstance(targets[0], ast.Name) else ""


def _canonical_text(node: object) -> str:
    """Return a text of a syntax tree that is the same on every version of Python that parses it.

    Fields that are empty are left out: later versions add such fields to old nodes.
    """
    parts: list[str] = []
    _write_canonical(node, parts.append)
    return "".join(parts)


def _write_canonical(node: object, write: Callable[[str], None]) -> None:
    # Each process of a launch goes through 100,000 nodes: generators took twice as long.
    if isinstance(node, ast.AST):
        write(f"({type(node).__name__}")
        for field in node._fields:
            if field in LEFT_OUT:
                continue
            value = getattr(node, field, None)
            if isinstance(value, list):
                value = [inner for inner in value if not _is_text_alone(inner)]
                if value:
                    write(f" {field}=[")
                    for inner in value:
                        _write_canonical(inner, write)
                    write("]")
            elif value is not None:
                write(f" {field}=")
                _write_canonical(value, write)
        write(")")
    elif isinstance(node, list):
        write("[")
        for inner in node:
            _write_canonical(inner, write)
        write("]")
    else:
        write(f"{type(node).__name__}:{node!r}")


def _is_text_alone(node: object) -> bool:
    """Return whether a statement is a docstring, or a string under a field."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
