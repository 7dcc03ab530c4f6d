"""A study file at one scale as plain data, before anything of it is known to be right.

Nothing here, nor in what it imports, loads a component or pydantic: what is wrong with the text of
a file is said at once.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from analysis.paper.claims_file import ClaimsFileError, PublishedRow, read_claims
from study.file import document, includes
from study.file.problems import FileProblem, StudyFileError
from study.file.scales import choose_scale
from study.file.sections import DocumentSection

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
    file = str(path)
    base = includes.read_with_includes(path)
    name, patch = choose_scale(base, scale, file)
    plain = document.override_document(base, patch)
    flags = document.parse_flags(overrides)
    for key, rule in FLAGLESS.items():
        if key in flags:
            raise StudyFileError(file, [FileProblem(key, rule, document.FLAG)])
    resolved = document.override_document(plain, flags)
    claims = _read_claims(resolved, path)
    return ReadStudy(file, name, resolved, plain, document.read_text(path), claims)


def _read_claims(resolved: DocumentSection, path: Path) -> tuple[PublishedRow, ...]:
    """Return the published cells of the file that `claims` names; none where there is no such key.

    Raises:
        StudyFileError: if the file is missing or cannot be used.
    """
    claims = resolved.get("claims")
    if not isinstance(claims, str):
        return ()  # another value is refused for what it is
    line = document.line_of(resolved, ("claims",))
    if not os.path.isfile(path.parent / claims):
        rule = f"there is no file `{claims}`, seen from {path.parent}"
        raise StudyFileError(str(path), [FileProblem.at("claims", rule, line)])
    try:
        return tuple(read_claims(path.parent / claims))
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
