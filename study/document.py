"""A study file as plain data that remembers its lines: reading, overriding, looking lines up."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from study.problems import Problem, StudyFileError

FLAG = 0
"""Stands for a line where a `--set` flag says it."""

PATHS_BELOW = (("search", "space"), ("search", "enqueue"))
"""Where keys are themselves dotted paths, which start at `trial`."""


class Section(dict[str, Any]):
    """A mapping of the file; `lines` holds the line of each key that the file, not a flag, sets."""

    def __init__(self, items: Mapping[str, Any] = {}, lines: Mapping[str, int] = {}) -> None:  # noqa: B006
        super().__init__(items)
        self.lines = dict(lines)


class _Loader(yaml.SafeLoader):
    """Safe YAML that keeps lines, refuses a key given twice and reads 1e-3 as a number."""


def _section(loader: _Loader, node: yaml.MappingNode) -> Section:
    section = Section()
    for key_node, value_node in node.value:
        key = str(loader.construct_object(key_node, deep=True))
        line = key_node.start_mark.line + 1
        if key in section:
            raise yaml.constructor.ConstructorError(
                None, None, f"`{key}` is given twice", key_node.start_mark
            )
        section[key] = loader.construct_object(value_node, deep=True)
        section.lines[key] = line
    return section


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _section)
# YAML 1.1, which PyYAML reads, wants a dot in every float: 1e-3 would be a string.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)


def parse(text: str, file: str) -> Any:
    """Parse YAML.

    Raises:
        StudyFileError: naming the line where the text stops being YAML.
    """
    try:
        return yaml.load(text, _Loader)  # noqa: S506 (a subclass of SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        rule = f"this is not YAML: {error.problem}"
        raise StudyFileError(file, [Problem("", rule, line)]) from error
    except (yaml.YAMLError, ValueError) as error:
        raise StudyFileError(file, [Problem("", f"this is not YAML: {error}")]) from error


def read(path: Path) -> Section:
    """Read a study file into sections.

    Raises:
        StudyFileError: if the file cannot be read, is not YAML or is no mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StudyFileError(str(path), [Problem("", f"cannot be read: {error}")]) from error
    document = parse(text, str(path))
    if not isinstance(document, Section):
        raise StudyFileError(
            str(path), [Problem("", "must be a mapping with the keys study, trial, search, …")]
        )
    return document


def override(base: Any, patch: Any, *, at: tuple[str, ...] = ()) -> Any:
    """Return `base` with `patch` laid over it.

    Mappings merge key by key; anything else replaces. Two exceptions: a patch that names another
    component (another `name`) replaces the whole of it, since settings of the one mean nothing to
    the other; and a searched path's values are replaced as one, or removed by null.

    Args:
        base: what the file says.
        patch: a scale, or what a flag says; its keys may be dotted paths.
        at: where both stand in the file.
    """
    if not isinstance(patch, Mapping):
        return patch
    other = isinstance(base, Mapping) and patch.get("name", base.get("name")) != base.get("name")
    merged = Section(base, getattr(base, "lines", {})) if isinstance(base, Mapping) else Section()
    if other:
        merged = Section()
    for key, value in patch.items():
        head, _, tail = key.partition(".")
        if at in PATHS_BELOW:
            head, tail = key, ""
        if tail:
            value = _nested(tail, value, (*at, head))
        line = getattr(patch, "lines", {}).get(key)
        if (*at, head)[:-1] in PATHS_BELOW:
            merged[head] = value
            if value is None:
                del merged[head]
        else:
            merged[head] = override(merged.get(head), value, at=(*at, head))
        if line is not None:
            merged.lines[head] = line
            _give_line(merged.get(head), line)
    return merged


def _nested(path: str, value: Any, at: tuple[str, ...]) -> Section:
    """Return ``{a: {b: value}}`` for the path ``a.b``; below the space, a path is one key."""
    if at in PATHS_BELOW:
        return Section({path: value})
    head, _, tail = path.partition(".")
    return Section({head: _nested(tail, value, (*at, head)) if tail else value})


def _give_line(value: Any, line: int) -> None:
    """Let what was written as one dotted key have that key's line throughout."""
    if isinstance(value, Section):
        for key, inner in value.items():
            if key not in value.lines:
                value.lines[key] = line
                _give_line(inner, line)


def flags(settings: Iterable[str]) -> Section:
    """Turn ``--set PATH=VALUE`` flags into an override; the value is read as YAML.

    Raises:
        StudyFileError: for a flag without ``=`` or with a value that is not YAML.
    """
    patch = Section()
    for setting in settings:
        path, equals, text = setting.partition("=")
        if not equals or not path:
            raise StudyFileError(
                "--set", [Problem("", f"must be DOTTED.PATH=VALUE, but got `{setting}`")]
            )
        value = parse(text, f"--set {path}")
        patch = override(patch, Section({path: value}, {path: FLAG}))
    return patch


def line_of(document: Any, path: Iterable[str]) -> int | None:
    """Return the line of the deepest part of `path` that the file has."""
    line = None
    for part in path:
        if not isinstance(document, Section) or part not in document:
            break
        line = document.lines.get(part, line)
        document = document[part]
    return line


def plain(value: Any) -> Any:
    """Return the data as plain dicts and lists."""
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value
