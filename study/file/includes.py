"""Files that a study file is laid over: what several studies share is written once."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from study.file import document
from study.file.names import is_file_name
from study.file.problems import FileProblem, StudyFileError
from study.file.sections import DocumentSection

KEY = "include"
MOST_FILES = 20
"""That one study file includes, directly and by what it includes."""


def read_with_includes(path: Path) -> DocumentSection:
    """Read a study file and lay it over the files that it includes.

    The file has the last word; of several included ones, a later one is laid over the earlier.
    The scales of all are kept, those of one name laid over each other.

    Raises:
        StudyFileError: if a file cannot be read, or includes itself.
    """
    return _read_layer(path, [], [])


def _read_layer(path: Path, above: list[Path], read: list[Path]) -> DocumentSection:
    own = document.read_document(path, included=bool(above))
    if above:
        _anchor_plugins(own, path)
    given = own.pop(KEY, None)
    line = own.lines.pop(KEY, None)
    base = DocumentSection()
    for name in _names_of(given, path, line):
        inner = path.parent / name
        chain = [*above, path]
        if any(_is_same_file(inner, outer) for outer in chain):
            _refuse(path, f"`{name}` includes itself", line)
        read.append(inner)
        if len(read) > MOST_FILES:
            _refuse(path, f"more than {MOST_FILES} files are included", line)
        base = _lay_over(base, _read_included(inner, name, chain, read, line))
    return _lay_over(base, own) if base else own


def _anchor_plugins(own: DocumentSection, path: Path) -> None:
    """Let the files among an included file's plugins be seen from that file."""
    for part in (own, *_mappings_in(own.get("scales"))):
        given = part.get("plugins")
        if isinstance(given, list):
            part["plugins"] = [
                str((path.parent / name).absolute())
                if isinstance(name, str) and is_file_name(name)
                else name
                for name in given
            ]


def _mappings_in(scales: Any) -> list[dict[str, Any]]:
    values = scales.values() if isinstance(scales, Mapping) else ()
    return [value for value in values if isinstance(value, dict)]


def _names_of(given: Any, path: Path, line: int | None) -> list[str]:
    names = [given] if isinstance(given, str) else given or []
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        _refuse(path, f"must be a file's name or a list of them, but got `{given}`", line)
    return names


def _read_included(
    inner: Path, name: str, chain: list[Path], read: list[Path], line: int | None
) -> DocumentSection:
    if not os.path.exists(inner):
        _refuse(chain[-1], f"there is no file `{name}`, seen from {chain[-1].parent}", line)
    return _read_layer(inner, chain, read)


def _is_same_file(first: Path, second: Path) -> bool:
    try:
        return first.samefile(second)
    except (OSError, ValueError):
        return False


def _lay_over(base: DocumentSection, own: DocumentSection) -> DocumentSection:
    """Return a file laid over what it includes; scales wait for what they will be laid over."""
    scales = _lay_scales_over(base.get("scales"), own)
    bare = DocumentSection({k: v for k, v in own.items() if k != "scales"}, own.lines)
    laid: DocumentSection = document.override_document(base, bare)
    if scales is not None:
        laid["scales"] = scales
    return laid


def _lay_scales_over(before: Any, own: DocumentSection) -> Any:
    now = own.get("scales", before)
    if not isinstance(before, Mapping) or not isinstance(now, Mapping) or now is before:
        return now
    scales = DocumentSection(before, getattr(before, "lines", {}))
    for name, patch in now.items():
        scales[name] = document.combine_patches(before.get(name), patch)
    scales.lines |= getattr(now, "lines", {})
    return scales


def _refuse(path: Path, rule: str, line: int | None) -> NoReturn:
    raise StudyFileError(str(path), [FileProblem(KEY, rule, line)])
