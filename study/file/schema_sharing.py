"""A JSON Schema made small: what it says several times is said once and referred to.

The same documents are valid before and after, and an editor completes the same keys. Titles are
left out, for they repeat the keys; an editor may show a default in a scale too.
"""

import json
from typing import Any

Schema = dict[str, Any]

LEAST_CHARACTERS = 80
"""A shorter part is as short as a reference to it, and is said again."""
LINE_CHARACTERS = 100
"""What fits into a line of the file stands on one line."""


def share_repeats(schema: Schema) -> Schema:
    """Return a schema in which no part that is longer than a reference to it stands twice.

    A part is referred to where it stands first. Definitions come before all else, in their order.
    """
    ordered = {"$defs": schema["$defs"], **schema}
    return _PartSharing().share(_without_titles(ordered), "#")


class _PartSharing:
    """Knows where each part of a schema stands first."""

    def __init__(self) -> None:
        self._places: dict[str, str] = {}
        """The text of a part → a pointer to it."""

    def share(self, part: Schema, place: str) -> Schema:
        """Return a part, or a reference to an equal one that stands before it.

        Args:
            part: of the schema; it is itself a schema.
            place: a pointer to the part.
        """
        text = json.dumps(part, sort_keys=True)
        if len(text) >= LEAST_CHARACTERS and text in self._places:
            return {"$ref": self._places[text]}
        self._places.setdefault(text, place)
        if "default" in part:  # a note for editors: what has none may refer to what has one
            bare = {key: value for key, value in part.items() if key != "default"}
            self._places.setdefault(json.dumps(bare, sort_keys=True), place)
        return {key: self._share_below(key, value, f"{place}/{key}") for key, value in part.items()}

    def _share_below(self, key: str, value: Any, place: str) -> Any:
        """Return the value of a key of a schema, the schemas in that value shared."""
        if key in ("properties", "$defs"):
            return {name: self.share(v, f"{place}/{_escaped(name)}") for name, v in value.items()}
        if key in ("anyOf", "oneOf"):
            return [self.share(member, f"{place}/{n}") for n, member in enumerate(value)]
        if key in ("items", "additionalProperties") and isinstance(value, dict):
            return self.share(value, place)
        return value


def _escaped(name: str) -> str:
    """Return a name as a step of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")


def _without_titles(node: Any) -> Any:
    """Return a schema without its titles; a setting of that name is no title, but a mapping."""
    if isinstance(node, list):
        return [_without_titles(inner) for inner in node]
    if not isinstance(node, dict):
        return node
    return {
        key: _without_titles(value)
        for key, value in node.items()
        if not (key == "title" and isinstance(value, str))
    }


def dense_json(value: Any, *, indent: int = 0) -> str:
    """Return JSON text in which each part that fits into a line stands on one.

    Args:
        value: plain data.
        indent: spaces before the text's first line.
    """
    flat = json.dumps(value, ensure_ascii=False)
    if indent + len(flat) <= LINE_CHARACTERS or not value or not isinstance(value, dict | list):
        return flat
    begins = " " * (indent + 1)
    if isinstance(value, list):
        lines = [f"{begins}{dense_json(inner, indent=indent + 1)}" for inner in value]
        return "\n".join(("[", ",\n".join(lines), f"{' ' * indent}]"))
    lines = [
        f"{begins}{json.dumps(key, ensure_ascii=False)}: {dense_json(inner, indent=indent + 1)}"
        for key, inner in value.items()
    ]
    return "\n".join(("{", ",\n".join(lines), f"{' ' * indent}}}"))
