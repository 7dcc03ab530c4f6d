"""Names of studies and scales: parts of paths, of queries to the record and of addresses."""

import re

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
LONGEST_NAME = 100
"""Characters."""

DEFAULT_SCALE = "quick"
"""What runs of a file with scales where none is named."""
PAPER_SCALE = "paper"
"""The paper's setting."""
WHOLE_SCALE = "full"
"""The scale name of a file without scales: it runs as it stands."""


def is_file_name(plugin: str) -> bool:
    """Return whether a plugin is named by its file, as in ./methods.py, and not by its module."""
    return plugin.endswith(".py") or "/" in plugin


def name_rule(name: str) -> str | None:
    """Return what is wrong with a name, or None."""
    if not re.fullmatch(NAME_PATTERN, name) or name.endswith("\n"):
        return f"must be letters and digits, then also `_`, `.` and `-`, but got `{name[:60]}`"
    if len(name) > LONGEST_NAME:
        return f"must have at most {LONGEST_NAME} characters, but got {len(name):,}"
    return None
