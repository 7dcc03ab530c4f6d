"""A study file as plain data that remembers its lines: reading, overriding, looking lines up."""

import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from study.file.problems import FileProblem, StudyFileError
from study.file.sections import DocumentSection
from study.file.yaml_reader import LONGEST_KEY, MOST_CHARACTERS, parse_yaml

FLAG = 0
"""Stands for a line where a `--set` flag says it."""

PATHS_BELOW = (
    ("search", "space"),
    ("search", "enqueue"),
    ("search", "seeds", "decide", "against"),
    ("ablate", "from"),
    ("ablate", "to"),
)
"""Where keys are themselves dotted paths, which start at `trial`."""


def read_document(path: Path, *, included: bool = False) -> DocumentSection:
    """Read a study file into sections.

    Raises:
        StudyFileError: if the file cannot be read, is not YAML or is no mapping.
    """
    document = parse_yaml(read_text(path), str(path), included=included)
    if not isinstance(document, DocumentSection):
        rule = "must be a mapping with the keys study, trial, search, …"
        raise StudyFileError(str(path), [FileProblem("", rule)])
    return document


def read_text(path: Path) -> str:
    """Return the text of a file; of one that is too long, only as much as shows that.

    Raises:
        StudyFileError: if it cannot be read.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe may never end, nor ever begin
            rule = "cannot be read: it is not a regular file"
            raise StudyFileError(str(path), [FileProblem("", rule)])
        with path.open(encoding="utf-8-sig") as file:
            return file.read(MOST_CHARACTERS + 1)
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        rule = f"byte {error.object[error.start]:#04x} is no UTF-8; save the file as UTF-8"
        raise StudyFileError(str(path), [FileProblem("", rule, line)]) from error
    except (OSError, ValueError) as error:
        raise StudyFileError(str(path), [FileProblem("", f"cannot be read: {error}")]) from error


def override_document(base: Any, patch: Any, *, at: tuple[str, ...] = ()) -> Any:
    """Return `base` with `patch` laid over it.

    Mappings merge key by key; all else replaces, an empty mapping too. Two exceptions: a patch that
    names another component (another `name`) replaces the whole of it, since settings of the one
    mean nothing to the other; and a searched path's values are replaced as one, or removed by null.

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
        elif _is_empty(value):
            merged[key] = DocumentSection()
        else:
            merged[key] = override_document(before, value, at=(*at, key))
        _move_line(merged, before, patch, key)
    return merged


def combine_patches(first: Any, second: Any, at: tuple[str, ...] = ()) -> Any:
    """Return two patches as one, the second the stronger; nulls stay, to remove what they meet."""
    if not isinstance(second, Mapping):
        return second
    merged = _part_left_in_place(first, second)
    for key, value in second.items():
        before = merged.get(key)
        replaced = at in PATHS_BELOW or _is_empty(value)
        merged[key] = value if replaced else combine_patches(before, value, (*at, key))
        _move_line(merged, before, second, key)
    return merged


def _is_empty(value: Any) -> bool:
    return isinstance(value, Mapping) and not value


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
        expanded = combine_patches(expanded, _nest_path(key, value, at, line), at)
    return expanded


def _nest_path(path: str, value: Any, at: tuple[str, ...], line: int | None) -> DocumentSection:
    """Return ``{a: {b: value}}`` for the path ``a.b``; below the space, a path is one key."""
    whole = at in PATHS_BELOW or not all(path.split("."))
    head, _, tail = (path, "", "") if whole else path.partition(".")
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
        if not equals or not all(path.split(".")) or len(path) > LONGEST_KEY:
            rule = f"must be DOTTED.PATH=VALUE, but got `{setting[:200]}`"
            raise StudyFileError("--set", [FileProblem("", rule)])
        value = _mark_as_flags(parse_yaml(text, f"--set {path}"))
        patch = combine_patches(patch, _nest_path(path, value, (), FLAG))
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


def keys_to(path: str) -> list[str | int]:
    """Return the keys and indices that lead to a path; below the space, a path is one key."""
    for above in PATHS_BELOW:
        prefix = f"{'.'.join(above)}."
        if path.startswith(prefix):
            return [*above, path.removeprefix(prefix)]
    if enqueued := re.fullmatch(r"search\.enqueue\[(\d+)\]\.(.+)", path):
        return ["search", "enqueue", int(enqueued[1]), enqueued[2]]
    return [int(n) if n else key for key, n in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path)]


def as_plain_data(value: Any) -> Any:
    """Return the data as plain dicts and lists."""
    if isinstance(value, Mapping):
        return {key: as_plain_data(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [as_plain_data(inner) for inner in value]
    return value
