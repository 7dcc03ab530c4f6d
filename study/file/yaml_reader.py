"""YAML 1.2 as data that remembers its lines, within limits that no study file comes near.

PyYAML turns the text into events. What they mean is decided here, since PyYAML itself reads
YAML 1.1, where `010` is 8, `1:30` is 90, `on` is true and `1e-3` is a text. Source: YAML 1.2.2,
§10.3 (core schema); merge keys as in YAML 1.1.
"""

import math
import re
from collections.abc import Iterator
from typing import Any, NoReturn

import yaml
from yaml.events import (
    AliasEvent,
    CollectionStartEvent,
    DocumentEndEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from study.file.problems import FileProblem, StudyFileError, is_hidden
from study.file.sections import DocumentSection, IncludedLine

MOST_CHARACTERS = 500_000
"""Of a whole file."""
MOST_VALUES = 10_000
"""Of a file with its aliases written out."""
MOST_LEVELS = 50
"""Of values within values."""
LONGEST_TEXT = 10_000
"""Characters of one value."""
LONGEST_KEY = 200
"""Characters of one key."""
LARGEST_WHOLE = 2**53
"""Up to which every whole number is a fraction's number too."""

NULLS = frozenset(["", "~", "null", "Null", "NULL"])
FLAGS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
DECIMAL = re.compile(r"[-+]?[0-9]+")
OTHER_BASE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
FRACTION = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
UNBOUNDED = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
TAG = "tag:yaml.org,2002:"
KINDS: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (float, int),
    "bool": (bool,),
    "null": (type(None),),
}
MERGE_KEY = "<<"
REMEDIES = {
    "mapping values are not allowed": "a text with `: ` in it needs quotes, and a line that "
    "is no part of the one before must not be indented deeper",
    "cannot start any token": "a text that begins so needs quotes",
}
"""What to do, by what PyYAML says."""

_Parser = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parse_yaml(text: str, file: str, *, included: bool = False) -> Any:
    """Parse YAML 1.2 into sections, lists, texts, numbers, true, false and None.

    Args:
        text: one document.
        file: its name, for messages.
        included: whether the lines are to name the file, since they end up among another's.

    Raises:
        StudyFileError: naming the line where the text stops being YAML, or exceeds a limit.
    """
    if len(text) > MOST_CHARACTERS:
        rule = f"has {len(text):,} characters; a study file has at most {MOST_CHARACTERS:,}"
        raise StudyFileError(file, [FileProblem("", rule)])
    try:
        return _DocumentBuilder(yaml.parse(text, Loader=_Parser), file, included).build()
    except yaml.MarkedYAMLError as error:
        # Where a text breaks off, the mark may lie behind its last line.
        last = text.count("\n") + 1
        line = min(error.problem_mark.line + 1, last) if error.problem_mark else None
        remedy = _remedy_for(str(error.problem), text.split("\n")[line - 1] if line else "")
        rule = f"this is not YAML: {error.problem}{remedy}"
        raise StudyFileError(file, [FileProblem("", rule, line)]) from error
    except (yaml.YAMLError, ValueError) as error:
        first = str(error).partition("\n")[0]
        raise StudyFileError(file, [FileProblem("", f"this is not YAML: {first}")]) from error


def _remedy_for(problem: str, line: str) -> str:
    if line.lstrip(" ").startswith("\t"):
        return "; indent with spaces, not with tabs"
    found = (remedy for part, remedy in REMEDIES.items() if part in problem)
    return "".join(f"; {remedy}" for remedy in found)


class _DocumentBuilder:
    """Builds the data of one document from its events."""

    def __init__(self, events: Iterator[Event], file: str, included: bool) -> None:
        self.events = events
        self.file = file
        self.included = included
        self.anchors: dict[str, tuple[Any, int]] = {}
        """What each anchor stands for, and how many values that is."""
        self.open: set[str] = set()
        self.values = 0

    def build(self) -> Any:
        """Return the document's data; None for a text without one."""
        next(self.events)
        if isinstance(next(self.events), StreamEndEvent):
            return None
        value = self._value(next(self.events), 0)
        while isinstance(event := next(self.events), DocumentEndEvent):
            pass
        if not isinstance(event, StreamEndEvent):
            self._refuse("holds several documents; leave out the `---` between them", event)
        return value

    def _value(self, event: Event, level: int) -> Any:
        if level > MOST_LEVELS:
            self._refuse(f"values lie within values at more than {MOST_LEVELS} levels", event)
        before = self.values
        self._count(1, event)
        if isinstance(event, AliasEvent):
            return self._aliased(event)
        assert isinstance(event, ScalarEvent | CollectionStartEvent)
        anchor = event.anchor
        if anchor is not None:
            self.open.add(anchor)
        if isinstance(event, ScalarEvent):
            value = self._scalar(event)
        elif isinstance(event, SequenceStartEvent):
            value = self._sequence(event, level)
        else:
            assert isinstance(event, MappingStartEvent)
            value = self._section(event, level)
        if anchor is not None:
            self.open.discard(anchor)
            self.anchors[anchor] = value, self.values - before
        return value

    def _count(self, more: int, event: Event) -> None:
        self.values += more
        if self.values > MOST_VALUES:
            rule = f"more than {MOST_VALUES:,} values, aliases written out"
            self._refuse(f"a study file does not hold {rule}", event)

    def _aliased(self, event: AliasEvent) -> Any:
        if event.anchor in self.open:
            rule = f"this is not YAML: `*{event.anchor}` stands within what it stands for"
            self._refuse(rule, event)
        if event.anchor not in self.anchors:
            self._refuse(f"this is not YAML: there is no anchor `&{event.anchor}` above", event)
        value, size = self.anchors[event.anchor]
        self._count(size, event)
        return value

    def _sequence(self, event: SequenceStartEvent, level: int) -> list[Any]:
        self._check_tag(event, "seq")
        items = []
        while not isinstance(item := next(self.events), SequenceEndEvent):
            items.append(self._value(item, level + 1))
        return items

    def _section(self, event: MappingStartEvent, level: int) -> DocumentSection:
        self._check_tag(event, "map")
        own, merged = DocumentSection(), DocumentSection()
        while not isinstance(key_event := next(self.events), MappingEndEvent):
            key = self._key(key_event)
            line = _line_of(key_event)
            if key in own or (merge := _is_merge_key(key_event)) and merged:
                self._refuse(f"this is not YAML: `{key}` is given twice", key_event)
            value = self._value(next(self.events), level + 1)
            if merge:
                merged = self._merged(value, key_event)
            else:
                own[key] = value
                own.lines[key] = IncludedLine(line, self.file) if self.included else line
        return _lay_over(merged, own)

    def _key(self, event: Event) -> str:
        """Return a key as it is written: `on` and `1` are texts there."""
        if isinstance(event, AliasEvent):
            key = self._aliased(event)
        elif isinstance(event, ScalarEvent):
            key = event.value
            if event.anchor is not None:
                self.anchors[event.anchor] = key, 1
        else:
            key = None
        if not isinstance(key, str):
            self._refuse("a key is a text, not a list or a mapping", event)
        self._count(1, event)
        self._check_text(key, LONGEST_KEY, event)
        return key

    def _merged(self, value: Any, event: Event) -> DocumentSection:
        """Return what a merge key takes over; of several mappings the first is the strongest."""
        merged = DocumentSection()
        for source in value if isinstance(value, list) else [value]:
            if not isinstance(source, DocumentSection):
                self._refuse("`<<` takes over a mapping, or a list of mappings", event)
            merged = _lay_over(source, merged)
        return merged

    def _scalar(self, event: ScalarEvent) -> Any:
        text: str = event.value
        self._check_text(text, LONGEST_TEXT, event)
        if event.tag in (None, "!"):
            return self._plain(text, event) if event.implicit[0] else text
        name = event.tag.removeprefix(TAG)
        if name == "str":
            return text
        if name not in KINDS:
            self._check_tag(event, "str")
        value: Any = self._plain(text, event)
        if not isinstance(value, KINDS[name]) or (isinstance(value, bool) and name != "bool"):
            self._refuse(f"`{text}` is no !!{name}", event)
        return float(text) if name == "float" else value

    def _check_tag(self, event: ScalarEvent | CollectionStartEvent, name: str) -> None:
        if event.tag not in (None, "!", f"{TAG}{name}"):
            shown = f"!!{event.tag.removeprefix(TAG)}" if TAG in event.tag else event.tag
            self._refuse(f"this is not YAML: the tag `{shown}` means nothing here", event)

    def _plain(self, text: str, event: ScalarEvent) -> Any:
        """Return what an unquoted value stands for."""
        if text in NULLS:
            return None
        if text in FLAGS:
            return FLAGS[text]
        if DECIMAL.fullmatch(text):
            return self._whole(text, 10, event)
        if OTHER_BASE.fullmatch(text):
            return self._whole(text, 0, event)
        if FRACTION.fullmatch(text):
            return self._fraction(text, event)
        return float(text.replace(".", "")) if UNBOUNDED.fullmatch(text) else text

    def _whole(self, text: str, base: int, event: ScalarEvent) -> int:
        # Python itself refuses to convert very many digits.
        number = int(text, base) if len(text) < 100 else LARGEST_WHOLE + 1
        if abs(number) > LARGEST_WHOLE:
            rule = f"whole numbers lie within ±{LARGEST_WHOLE}, but got `{_shorten(text)}`"
            self._refuse(rule, event)
        return number

    def _fraction(self, text: str, event: ScalarEvent) -> float:
        number = float(text)
        digits = re.split("[eE]", text)[0]
        if math.isinf(number) or (number == 0 and re.search("[1-9]", digits)):
            self._refuse(f"`{_shorten(text)}` is beyond what a number can hold", event)
        return number

    def _check_text(self, text: str, longest: int, event: Event) -> None:
        if len(text) > longest:
            rule = f"a text has at most {longest:,} characters here, but got {len(text):,}"
            self._refuse(rule, event)
        if text.isprintable():
            return
        for character in text:
            if is_hidden(character) and character not in "\n\t":
                rule = f"a text holds no control characters, but got U+{ord(character):04X}"
                self._refuse(rule, event)

    def _refuse(self, rule: str, event: Event) -> NoReturn:
        raise StudyFileError(self.file, [FileProblem("", rule, _line_of(event))])


def _line_of(event: Event) -> int:
    assert event.start_mark is not None
    return event.start_mark.line + 1


def _is_merge_key(event: Event) -> bool:
    return isinstance(event, ScalarEvent) and event.implicit[0] and event.value == MERGE_KEY


def _lay_over(weaker: DocumentSection, stronger: DocumentSection) -> DocumentSection:
    """Return both mappings as one, the stronger one's keys last."""
    if not weaker:
        return stronger
    left = {key: value for key, value in weaker.items() if key not in stronger}
    return DocumentSection({**left, **stronger}, {**weaker.lines, **stronger.lines})


def _shorten(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}…"
