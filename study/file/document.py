"""A study file as plain data that remembers its lines: reading, overriding, looking lines up."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from study.file.problems import FileProblem, StudyFileError

FLAG = 0
"""Stands for a line where a `--set` flag says it."""

PATHS_BELOW = (("search", "space"), ("search", "enqueue"))
"""Where keys are themselves dotted paths, which start at `trial`."""


class DocumentSection(dict[str, Any]):
    """A mapping of the file; `lines` holds the line of each key that the file, not a flag, sets."""

    def __init__(self, items: Mapping[str, Any] = {}, lines: Mapping[str, int] = {}) -> None:  # noqa: B006
        super().__init__(items)
        self.lines = dict(lines)


class _LineLoader(yaml.SafeLoader):
    """Safe YAML that keeps lines, refuses a key given twice and reads 1e-3 as a number."""


def _build_section(loader: _LineLoader, node: yaml.MappingNode) -> DocumentSection:
    section = DocumentSection()
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


_LineLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _build_section)
# YAML 1.1, which PyYAML reads, wants a dot in every float: 1e-3 would be a string.
_LineLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)
# A date is a text, as in YAML 1.2: no setting is one.
_LineLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in known if tag != "tag:yaml.org,2002:timestamp"]
    for first, known in _LineLoader.yaml_implicit_resolvers.items()
}


def parse_yaml(text: str, file: str) -> Any:
    """Parse YAML.

    Raises:
        StudyFileError: naming the line where the text stops being YAML.
    """
    try:
        return yaml.load(text, _LineLoader)  # noqa: S506 (a subclass of SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        rule = f"this is not YAML: {error.problem}"
        raise StudyFileError(file, [FileProblem("", rule, line)]) from error
    except (yaml.YAMLError, ValueError) as error:
        first = str(error).partition("\n")[0]
        raise StudyFileError(file, [FileProblem("", f"this is not YAML: {first}")]) from error


def read_document(path: Path) -> DocumentSection:
    """Read a study file into sections.

    Raises:
        StudyFileError: if the file cannot be read, is not YAML or is no mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StudyFileError(str(path), [FileProblem("", f"cannot be read: {error}")]) from error
    document = parse_yaml(text, str(path))
    if not isinstance(document, DocumentSection):
        raise StudyFileError(
            str(path), [FileProblem("", "must be a mapping with the keys study, trial, search, …")]
        )
    return document


def override_document(base: Any, patch: Any, *, at: tuple[str, ...] = ()) -> Any:
    """Return `base` with `patch` laid over it.

    Mappings merge key by key; anything else replaces. Two exceptions: a patch that names another
    component (another `name`) replaces the whole of it, since settings of the one mean nothing to
    the other; and a searched path's values are replaced as one, or removed by null.

    Args:
        base: what the file says.
        patch: a scale, or what flags say; its keys may be dotted paths.
        at: where both stand in the file.
    """
    if not isinstance(patch, Mapping):
        return patch
    patch = _expand_dotted_keys(patch, at)
    merged = _part_left_in_place(base, patch)
    for key, value in patch.items():
        before = merged.get(key)
        if at in PATHS_BELOW:
            merged[key] = value
            if value is None:
                del merged[key]
        else:
            merged[key] = override_document(before, value, at=(*at, key))
        _move_line(merged, before, patch, key)
    return merged


def _combine_patches(first: Any, second: Any, at: tuple[str, ...] = ()) -> Any:
    """Return two patches as one, the second the stronger; nulls stay, to remove what they meet."""
    if not isinstance(second, Mapping):
        return second
    merged = _part_left_in_place(first, second)
    for key, value in second.items():
        before = merged.get(key)
        merged[key] = value if at in PATHS_BELOW else _combine_patches(before, value, (*at, key))
        _move_line(merged, before, second, key)
    return merged


def _part_left_in_place(base: Any, patch: Mapping[str, Any]) -> DocumentSection:
    """Return what of `base` a patch leaves in place: nothing, if it names another component."""
    if not isinstance(base, Mapping) or _names_another_component(base, patch):
        return DocumentSection()
    return DocumentSection(base, getattr(base, "lines", {}))


def _names_another_component(base: Mapping[str, Any], patch: Mapping[str, Any]) -> bool:
    return "name" in base and patch.get("name", base["name"]) != base["name"]


def _move_line(merged: DocumentSection, before: Any, patch: Mapping[str, Any], key: str) -> None:
    """Let the key have the patch's line, unless the patch only changes a part of its value."""
    value, line = patch[key], getattr(patch, "lines", {}).get(key)
    part = isinstance(before, Mapping) and isinstance(value, Mapping)
    if line is not None and not (
        part and not _names_another_component(before, value) and key in merged.lines
    ):
        merged.lines[key] = line


def _expand_dotted_keys(patch: Mapping[str, Any], at: tuple[str, ...]) -> Mapping[str, Any]:
    """Return the patch with its dotted keys as mappings: ``{a.b: 1, a.c: 2}`` is one `a`."""
    if at in PATHS_BELOW or not any("." in key for key in patch):
        return patch
    expanded = DocumentSection()
    for key, value in patch.items():
        line = getattr(patch, "lines", {}).get(key)
        expanded = _combine_patches(expanded, _nest_path(key, value, at, line), at)
    return expanded


def _nest_path(path: str, value: Any, at: tuple[str, ...], line: int | None) -> DocumentSection:
    """Return ``{a: {b: value}}`` for the path ``a.b``; below the space, a path is one key."""
    head, _, tail = (path, "", "") if at in PATHS_BELOW else path.partition(".")
    inner = _nest_path(tail, value, (*at, head), line) if tail else value
    return DocumentSection({head: inner}, {} if line is None else {head: line})


def parse_flags(settings: Iterable[str]) -> DocumentSection:
    """Turn ``--set PATH=VALUE`` flags into one override; the value is read as YAML.

    Raises:
        StudyFileError: for a flag without ``=`` or with a value that is not YAML.
    """
    patch = DocumentSection()
    for setting in settings:
        path, equals, text = setting.partition("=")
        if not equals or not all(path.split(".")):
            raise StudyFileError(
                "--set", [FileProblem("", f"must be DOTTED.PATH=VALUE, but got `{setting}`")]
            )
        value = _mark_as_flags(parse_yaml(text, f"--set {path}"))
        patch = _combine_patches(patch, _nest_path(path, value, (), FLAG))
    return patch


def _mark_as_flags(value: Any) -> Any:
    """Return data in which a flag, not the file, says every key."""
    if isinstance(value, Mapping):
        return DocumentSection(
            {k: _mark_as_flags(v) for k, v in value.items()}, dict.fromkeys(value, FLAG)
        )
    return [_mark_as_flags(inner) for inner in value] if isinstance(value, list) else value


def line_of(document: Any, path: Iterable[str | int]) -> int | None:
    """Return the line of the deepest part of `path` (keys, and indices of lists) that is there."""
    line = None
    for part in path:
        if isinstance(part, int) and isinstance(document, list) and part < len(document):
            document = document[part]
        elif isinstance(part, str) and isinstance(document, DocumentSection) and part in document:
            line = document.lines.get(part, line)
            document = document[part]
        else:
            break
    return line


def as_plain_data(value: Any) -> Any:
    """Return the data as plain dicts and lists."""
    if isinstance(value, Mapping):
        return {key: as_plain_data(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [as_plain_data(inner) for inner in value]
    return value
