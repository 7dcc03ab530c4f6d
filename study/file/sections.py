"""Mappings of a study file that remember their lines."""

from collections.abc import Mapping
from typing import Any


class IncludedLine(int):
    """A line of a file that the study file includes."""

    file: str

    def __new__(cls, number: int, file: str) -> "IncludedLine":
        """Return the line with its file."""
        line = super().__new__(cls, number)
        line.file = file
        return line


class DocumentSection(dict[str, Any]):
    """A mapping of the file; `lines` holds the line of each key that the file, not a flag, sets."""

    def __init__(self, items: Mapping[str, Any] = {}, lines: Mapping[str, int] = {}) -> None:  # noqa: B006  # both are copied
        super().__init__(items)
        self.lines = dict(lines)
