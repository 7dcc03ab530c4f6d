"""The key `notify` of a study file: where a word is sent to when a launch is over.

An address of apprise holds what gives access (a token, a password), so it is shown by its scheme
alone: on the screen, in messages and in the file that the record keeps.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from study.file.document import as_plain_data
from study.file.problems import StudyFileError
from study.file.yaml_reader import parse_yaml

KEY = "notify"
HIDDEN = "***"
NAMELESS = "(hidden)"
"""Stands for what has no scheme."""
VARIABLE = re.compile(r"\$\{(\w+)\}")
"""Stands for a variable of the environment."""


class TargetError(ValueError):
    """An address that names a variable which is not set."""


def parse_targets(value: Any) -> Any:
    """Return addresses as a list; one may stand alone.

    Raises:
        ValueError: for anything else, without a word of what was given.
    """
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list | tuple) or not all(isinstance(each, str) for each in given):
        raise ValueError("must be an address of apprise, such as mailto://…, or a list of them")
    return tuple(given)


def shown_target(target: str) -> str:
    """Return an address by its scheme alone; one that is a variable as it is written.

    >>> shown_target("slack://token/channel"), shown_target("${WHERE}")
    ('slack://***', '${WHERE}')
    """
    scheme, mark, _ = target.partition("://")
    if VARIABLE.fullmatch(target):
        return target
    return f"{scheme}://{HIDDEN}" if mark and scheme.isalnum() else NAMELESS


def filled_target(target: str) -> str:
    """Return an address with the variables of the environment that it names.

    Raises:
        TargetError: naming a variable that is not set.
    """

    def value_of(found: re.Match[str]) -> str:
        if found[1] not in os.environ:
            raise TargetError(f"the variable {found[1]} of the environment is not set")
        return os.environ[found[1]]

    return VARIABLE.sub(value_of, target)


def target_problems(targets: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield path and rule of each address to which nothing can be sent."""
    if not targets:
        return
    try:
        import apprise  # late: an extra that few studies need
    except ImportError:
        yield KEY, "needs the package apprise: pip install 'lamix-study[notify]'"
        return
    for index, target in enumerate(targets):
        try:
            understood = apprise.Apprise().add(filled_target(target))
        except TargetError as error:
            yield f"{KEY}[{index}]", str(error)
            continue
        if not understood:
            rule = f"apprise knows no such address, {shown_target(target)}"
            yield f"{KEY}[{index}]", f"{rule}; see https://appriseit.com/services/"


def with_hidden_targets(written: str) -> str:
    """Return the text of a study file with the addresses of all its scales hidden."""
    try:
        document = parse_yaml(written, "")
    except StudyFileError:
        return written  # it is refused, and nothing of it goes on record
    text = hide_targets(written, _targets_of(document))
    if _hides_all(text):
        return text
    # An address that YAML folds or escapes is not found by its text.
    return yaml.safe_dump(_hidden(as_plain_data(document)), sort_keys=False, allow_unicode=True)


def hide_targets(text: str, targets: Sequence[str]) -> str:
    """Return a text with some addresses shown by their schemes alone."""
    for target in sorted(targets, key=len, reverse=True):  # one may begin as another does
        if "://" in target:
            text = text.replace(target, shown_target(target))
    return text


def _hides_all(text: str) -> bool:
    try:
        return all(each == shown_target(each) for each in _targets_of(parse_yaml(text, "")))
    except StudyFileError:
        return False


def _targets_of(document: Any) -> list[str]:
    """Return all addresses of a study file, those of its scales included."""
    sections = [document]
    if isinstance(document, Mapping) and isinstance(document.get("scales"), Mapping):
        sections += document["scales"].values()
    found = [text for each in sections if isinstance(each, Mapping) for text in _texts(each)]
    return list(dict.fromkeys(found))


def _texts(section: Mapping[str, Any]) -> Iterator[str]:
    value = section.get(KEY)
    for each in value if isinstance(value, list | tuple) else [value]:
        if isinstance(each, str):
            yield each


def _hidden(document: dict[str, Any]) -> dict[str, Any]:
    for section in (document, *(document.get("scales") or {}).values()):
        if isinstance(section, dict) and KEY in section:
            section[KEY] = [shown_target(target) for target in _texts(section)]
    return document
