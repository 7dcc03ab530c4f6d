"""A study file at one scale as plain data, before anything of it is known to be right.

Nothing here, nor in what it imports, loads a component or pydantic: what is wrong with the text of
a file is said at once.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from analysis.paper.claims_file import ClaimsFileError, PublishedRow, read_claims
from study.file import document, includes
from study.file.locate import find_claims_file
from study.file.problems import FileProblem, StudyFileError
from study.file.scales import choose_scale
from study.file.sections import DocumentSection
from study.file.yaml_reader import parse_yaml

MAPPING = Path("api.Study")
"""Stands for the file of a study that is built in Python."""

FLAGLESS = {
    "scales": "a flag is laid over the scale; set the setting itself, as in search.seeds=5",
    "include": "only a file can include another",
}
"""What no flag sets, and why."""


@dataclass(frozen=True)
class ReadStudy:
    """A study file, read, with a scale and flags laid over it."""

    file: str
    """Where it was."""
    scale: str
    resolved: DocumentSection
    """With the flags."""
    plain: DocumentSection
    """Without the flags."""
    written: str
    """The file's text."""
    claims: tuple[PublishedRow, ...] = ()
    """The published cells that the study is held against."""


def read_study(
    path: Path, *, scale: str | None = None, overrides: tuple[str, ...] = ()
) -> ReadStudy:
    """Read a study file and what it includes, and lay a scale and flags over it.

    Args:
        path: the file.
        scale: one of its scales; None stands for `quick`, or `full` where it has none.
        overrides: ``--set`` flags, ``DOTTED.PATH=VALUE``, laid over the scale.

    Raises:
        StudyFileError: if that is not possible.
    """
    base = includes.read_with_includes(path)
    return _lay_scale(
        base, path, scale=scale, overrides=overrides, written=document.read_text(path)
    )


def read_mapping(
    mapping: Mapping[str, Any], *, scale: str | None = None, overrides: tuple[str, ...] = ()
) -> ReadStudy:
    """Read a study from plain data, as a file would hold it; files are seen from where we are.

    Args:
        mapping: what a study file says.
        scale: as of `read_study`.
        overrides: as of `read_study`.

    Raises:
        StudyFileError: if that is not possible.
    """
    name = str(MAPPING)
    try:
        text = yaml.safe_dump(json.loads(json.dumps(mapping)), sort_keys=False, allow_unicode=True)
    except (TypeError, ValueError, yaml.YAMLError) as error:
        rule = f"must be plain data, as a study file holds it: {error}"
        raise StudyFileError(name, [FileProblem("", rule)]) from error
    base = parse_yaml(text, name)
    if not isinstance(base, DocumentSection):
        rule = "must be a mapping with the keys study, trial, search, …"
        raise StudyFileError(name, [FileProblem("", rule)])
    if "include" in base:
        raise StudyFileError(name, [FileProblem("include", FLAGLESS["include"])])
    return _lay_scale(base, MAPPING, scale=scale, overrides=overrides, written=text)


def _lay_scale(
    base: DocumentSection,
    path: Path,
    *,
    scale: str | None,
    overrides: tuple[str, ...],
    written: str,
) -> ReadStudy:
    file = str(path)
    name, patch = choose_scale(base, scale, file)
    plain = document.override_document(base, patch)
    flags = document.parse_flags(overrides)
    for key, rule in FLAGLESS.items():
        if key in flags:
            raise StudyFileError(file, [FileProblem(key, rule, document.FLAG)])
    resolved = document.override_document(plain, flags)
    claims = _read_claims(resolved, path)
    return ReadStudy(file, name, resolved, plain, written, claims)


def _read_claims(resolved: DocumentSection, path: Path) -> tuple[PublishedRow, ...]:
    """Return the published cells of the file that `claims` names; none where there is no such key.

    Raises:
        StudyFileError: if the file is missing or cannot be used.
    """
    claims = resolved.get("claims")
    if not isinstance(claims, str):
        return ()  # another value is refused for what it is
    line = document.line_of(resolved, ("claims",))
    try:
        return tuple(read_claims(find_claims_file(claims, beside=path.parent)))
    except FileNotFoundError as error:
        raise StudyFileError(str(path), [FileProblem.at("claims", str(error), line)]) from error
    except ClaimsFileError as error:
        raise StudyFileError(
            str(path), [FileProblem.at("claims", f"`{claims}`: {error}", line)]
        ) from error


def blame_flags(
    problems: list[FileProblem],
    read: ReadStudy,
    find: Callable[[DocumentSection], list[FileProblem]],
) -> list[FileProblem]:
    """Return the mistakes, those that the file alone does not have as the flags'."""
    if read.resolved == read.plain:
        return problems
    own = {(problem.path, problem.rule) for problem in find(read.plain)}
    return [
        problem
        if (problem.path, problem.rule) in own
        else replace(problem, line=document.FLAG, file=None)
        for problem in problems
    ]
