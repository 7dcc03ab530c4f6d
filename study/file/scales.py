"""The scale of a study file that a launch asks for: its name, and what it overrides."""

from collections.abc import Mapping
from typing import Any, NoReturn

from study.file import document
from study.file.names import DEFAULT_SCALE, PAPER_SCALE, WHOLE_SCALE, name_rule
from study.file.problems import FileProblem, StudyFileError
from study.file.sections import DocumentSection

REQUIRED_SCALES = (DEFAULT_SCALE, PAPER_SCALE)
"""Of a file with scales."""
FIXED_KEYS = ("study", "scales", "include")
"""What a scale cannot override."""


def choose_scale(base: DocumentSection, asked: str | None, file: str) -> tuple[str, Any]:
    """Return the name of the scale, and what it lays over the file.

    Args:
        base: the file.
        asked: the scale asked for; None stands for `quick`, or `full` where there are no scales.
        file: the file's name, for messages.

    Raises:
        StudyFileError: if the file has no such scale, or a wrong one.
    """
    scales = base.get("scales")
    line = document.line_of(base, ("scales",))
    if not scales and (scales is None or isinstance(scales, Mapping)):
        if asked not in (None, WHOLE_SCALE):
            rule = f"the file has no scales, so leave out `--scale {asked}`"
            _refuse(file, "scales", rule, line)
        return WHOLE_SCALE, {}
    if not isinstance(scales, Mapping):
        rule = f"must be a mapping of a name to its overrides, but got `{scales}`"
        _refuse(file, "scales", rule, line)
    for name, patch in scales.items():
        _check_scale(base, name, patch, file)
    missing = [name for name in REQUIRED_SCALES if name not in scales]
    if missing:
        rule = (
            f"a file with scales has quick and paper, but {missing[0]} is missing; a file without "
            "`scales` runs as it stands"
        )
        _refuse(file, "scales", rule, line)
    name = DEFAULT_SCALE if asked is None else asked
    if name not in scales:
        from trainables.settings import nearest_word  # late: its module takes a while to load

        rule = f"there is no scale `{name}`; known: {', '.join(scales)}{nearest_word(name, scales)}"
        _refuse(file, "scales", rule, line)
    return name, scales[name] or {}


def _check_scale(base: DocumentSection, name: str, patch: Any, file: str) -> None:
    line = document.line_of(base, ("scales", name))
    if rule := name_rule(name):
        _refuse(file, f"scales.{name[:60]}", f"a scale's name {rule}", line)
    if patch is not None and not isinstance(patch, Mapping):
        _refuse(
            file, f"scales.{name}", f"a scale is a mapping of overrides, but got `{patch}`", line
        )
    for key in patch or {}:
        head = key.partition(".")[0]
        if head in FIXED_KEYS:
            line = document.line_of(base, ("scales", name, key))
            _refuse(file, f"scales.{name}.{key}", f"a scale cannot override `{head}`", line)


def _refuse(file: str, path: str, rule: str, line: int | None) -> NoReturn:
    raise StudyFileError(file, [FileProblem.at(path, rule, line)])
