"""What is wrong with the settings that need no component: told before torch is loaded.

Networks, regularizers and data sets import torch, which takes seconds. A mistake in any other key
is told without them; `study.file.rules` then checks everything.
"""

from collections.abc import Mapping
from functools import cache

import pydantic

from study.file import document
from study.file.annotations import drop_nulls, setting_paths
from study.file.messages import MOST_PROBLEMS, problems_of
from study.file.problems import FileProblem, StudyFileError
from study.file.reading import ReadStudy, blame_flags
from study.file.sections import DocumentSection
from study.file.settings import Study
from trainables.recipe import TrainingSettings
from trainables.settings import parse_settings

COMPONENTS = ("trial.dataset", "trial.network", "trial.regularizer", "trial.training")


def take_first_look(read: ReadStudy) -> None:
    """Check what can be checked without a component.

    Raises:
        StudyFileError: with every mistake among that.
    """
    problems = find_first_problems(read.resolved)
    if problems:
        raise StudyFileError(read.file, blame_flags(problems, read, find_first_problems))


def find_first_problems(resolved: DocumentSection) -> list[FileProblem]:
    """Return the mistakes in the keys of the file itself and in `trial.training`."""
    plain = drop_nulls(document.as_plain_data(resolved), Study)
    found = _mistakes(plain, Study, "")
    trial = plain.get("trial")
    training = trial.get("training") if isinstance(trial, Mapping) else None
    if isinstance(training, Mapping):
        found += _mistakes(
            drop_nulls(training, TrainingSettings), TrainingSettings, "trial.training"
        )
    return [
        FileProblem.at(path, rule, document.line_of(resolved, document.keys_to(path)))
        for path, rule in found[:MOST_PROBLEMS]
    ]


def _mistakes(plain: object, kind: type, prefix: str) -> list[tuple[str, str]]:
    """Return path and rule of the mistakes of single settings.

    How the settings of a trial go together depends on what is searched: that is checked later.
    """
    try:
        parse_settings(kind, plain)
    except pydantic.ValidationError as error:
        found = problems_of(error, kind, tree=_outer_paths())
        return [(f"{prefix}.{path}".strip("."), rule) for path, rule in found if path or not prefix]
    return []


@cache
def _outer_paths() -> tuple[str, ...]:
    """Return the paths of all settings that are known without a component."""
    training = setting_paths(TrainingSettings, "trial.training.")
    return (*setting_paths(Study), *COMPONENTS, *training)
