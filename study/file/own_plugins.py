"""The key `plugins` of a study file: its modules are found and imported, their mistakes told."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from study.file import document
from study.file.names import is_file_name
from study.file.problems import FileProblem, StudyFileError
from study.file.reading import ReadStudy
from trainables import plugins
from trainables.own_modules import OwnComponentError, OwnModule, find_file, find_module
from trainables.plugins import OwnSet

KEY = "plugins"


def own_set_of(read: ReadStudy) -> OwnSet:
    """Return the own components that a study may use: installed ones and those of its plugins.

    Raises:
        StudyFileError: if a plugin cannot be found or imported, or a component in it is wrong.
    """
    given = read.resolved.get(KEY)
    own = plugins.installed_set()
    for number, name in enumerate(given if isinstance(given, list) else ()):
        if not isinstance(name, str):
            continue  # the rules for the keys' types tell it
        try:
            own = plugins.set_with([find_plugin(name, Path(read.file).parent)], beside=own)
        except OwnComponentError as error:
            line = document.line_of(read.resolved, (KEY, number))
            raise StudyFileError(
                read.file, [FileProblem.at(f"{KEY}[{number}]", str(error), line)]
            ) from error
    return own


def find_plugin(name: str, folder: Path) -> OwnModule:
    """Return the module that a plugin's name means.

    Args:
        name: of a module, or a file's path.
        folder: from which the path is seen.

    Raises:
        OwnComponentError: if there is none.
    """
    return find_file(folder / name) if is_file_name(name) else find_module(name)


def explain_broken(problems: Sequence[FileProblem], own: OwnSet) -> list[FileProblem]:
    """Return the mistakes; of a name that an installed package declares, why it is not there."""
    return [_explained(problem, own) for problem in problems]


def _explained(problem: FileProblem, own: OwnSet) -> FileProblem:
    for reason in _reasons(problem, own):
        return FileProblem(problem.path, reason, problem.line, problem.file)
    return problem


def _reasons(problem: FileProblem, own: OwnSet) -> Iterator[str]:
    for name, reason in own.broken:
        if f" `{name}`; known: " in problem.rule:
            yield reason
