"""The JSON Schema of study files, with which editors complete and check them.

Pydantic gives the schema of what a file says at its root. What a scale overrides and what is
searched have other shapes, which are made from it here: a scale may say any part of it, a search
lists or bounds the values of any setting.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pydantic

from study.file.names import LONGEST_NAME, NAME_PATTERN
from study.file.scales import FIXED_KEYS
from study.file.schema_sharing import share_repeats
from study.file.settings import Study
from trainables.configuration import Configuration

Schema = dict[str, Any]
NULL: Schema = {"type": "null"}
RANGE: Schema = {
    "type": "object",
    "description": "Numbers from low to high, both included; two integers make a range of integers "
    "where the setting takes them.",
    "properties": {
        "low": {"type": "number"},
        "high": {"type": "number"},
        "step": {"type": "number", "exclusiveMinimum": 0},
        "log": {"type": "boolean", "description": "Whether the logarithm is spread evenly."},
    },
    "required": ["low", "high"],
    "additionalProperties": False,
}
PATCH = "Patch"
"""Ends the names of what a scale may say of a part."""
ALTERNATIVE = "Alternative"
"""Ends the names of components that a search chooses among."""
COMPONENT_NAME = r"\btrainables__(datasets|networks|regularizers)__(\w+?)__Settings"
"""How pydantic names the settings of a component, by the module."""


def json_schema() -> Schema:
    """Return the JSON Schema of study files, for editors: what repeats in it stands once."""
    whole = whole_schema()
    in_order = dict(sorted(whole["$defs"].items(), key=lambda item: _place_of(item[0])))
    shared = share_repeats(_with_short_names({**whole, "$defs": in_order}))
    return {**shared, "title": whole["title"], "$defs": dict(sorted(shared["$defs"].items()))}


def _place_of(name: str) -> tuple[int, str]:
    """Return the place of a definition among all: what the others are made from comes first."""
    made = (name in ("Space", f"Space{PATCH}"), name.endswith(PATCH), name.endswith(ALTERNATIVE))
    return (len(made) + 1 if name == "Scale" else sum(made)), name


def _with_short_names(schema: Schema) -> Schema:
    """Return the schema with definitions of components named `regularizers.lamix` and the like."""
    text = json.dumps(schema)
    return dict(json.loads(re.sub(COMPONENT_NAME, r"\1.\2", text)))


def whole_schema() -> Schema:
    """Return the JSON Schema of study files with every part written out where it belongs."""
    schema = pydantic.TypeAdapter(Study).json_schema()
    trial = pydantic.TypeAdapter(Configuration).json_schema(ref_template="#/$defs/{model}")
    definitions: dict[str, Schema] = schema["$defs"] | trial.pop("$defs")
    trial.pop("required", None)  # what is searched need not be given
    definitions |= {"Trial": trial, "Range": RANGE}
    schema["properties"]["trial"] = _reference("Trial")
    _add_space(definitions)
    _add_patches(schema, definitions)
    schema["$defs"] = dict(sorted(definitions.items()))
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Study file"
    # An included file may say all the rest.
    schema["anyOf"] = [
        {"required": ["study", "question", "trial", "search"]},
        {"required": ["include"]},
    ]
    schema.pop("required", None)
    return schema


def _reference(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _name_in(node: Mapping[str, Any]) -> str | None:
    """Return the name of the definition that a node refers to, or None."""
    return node["$ref"].rpartition("/")[2] if "$ref" in node else None


def _members(node: Mapping[str, Any]) -> list[Schema]:
    """Return the alternatives of a node, or the node alone."""
    members = node.get("oneOf") or node.get("anyOf")
    return [inner for member in members for inner in _members(member)] if members else [dict(node)]


def _any_of(nodes: list[Schema]) -> Schema:
    distinct = [node for number, node in enumerate(nodes) if node not in nodes[:number]]
    return distinct[0] if len(distinct) == 1 else {"anyOf": distinct}


def _nodes_by_path(name: str, definitions: Mapping[str, Schema]) -> dict[str, Schema]:
    """Return dotted path → schema of all settings below a definition, those of components too."""

    def visit(within: str, prefix: str) -> Iterator[tuple[str, Schema]]:
        for key, node in definitions[within].get("properties", {}).items():
            yield f"{prefix}{key}", node
            for member in _members(node):
                if inner := _name_in(member):
                    yield from visit(inner, f"{prefix}{key}.")

    found: dict[str, list[Schema]] = {}
    for path, node in visit(name, ""):
        found.setdefault(path, []).extend(_members(node))
    return {path: _any_of(nodes) for path, nodes in found.items()}


def _add_space(definitions: dict[str, Schema]) -> None:
    """Define what may be searched: any setting of a trial, by its path."""
    paths = _nodes_by_path("Trial", definitions)
    properties = {path: _domain_of(node, definitions) for path, node in paths.items()}
    section = definitions["SearchSettings"]["properties"]["space"]
    definitions["Space"] = {
        "type": "object",
        "description": section["description"],
        "properties": properties,
        "additionalProperties": False,
    }
    definitions[f"Space{PATCH}"] = {
        **definitions["Space"],
        "properties": {
            path: _any_of([_reference(f"Space/properties/{path}"), NULL]) for path in properties
        },
    }
    definitions["SearchSettings"]["properties"]["space"] = _reference("Space")


def _domain_of(node: Schema, definitions: dict[str, Schema]) -> Schema:
    """Return the schema of the values that a search may try for a setting."""
    choices = [_choice_of(member, definitions) for member in _members(node)]
    nodes: list[Schema] = [{"type": "array", "minItems": 1, "items": _any_of(choices)}]
    if any(member.get("type") in ("number", "integer") for member in _members(node)):
        nodes.append(_reference("Range"))
    return _any_of(nodes)


def _choice_of(member: Schema, definitions: dict[str, Schema]) -> Schema:
    """Return a member; of a component, one whose settings may themselves be searched."""
    name = _name_in(member)
    if name is None or "name" not in definitions[name]["properties"]:
        return member
    alternative = f"{name}{ALTERNATIVE}"
    if alternative not in definitions:
        original = definitions[name]
        definitions[alternative] = {
            **original,
            "properties": {
                key: inner if key == "name" else _any_of([inner, _domain_of(inner, definitions)])
                for key, inner in original["properties"].items()
            },
            "required": ["name"],
        }
    return _reference(alternative)


def _add_patches(schema: Schema, definitions: dict[str, Schema]) -> None:
    """Define what a scale may say: any part of a file but its name, its scales and its includes."""
    for name in list(definitions):
        if name not in ("Space", f"Space{PATCH}", "Range") and not name.endswith(ALTERNATIVE):
            definitions[f"{name}{PATCH}"] = _patch_of(definitions[name], definitions)
    open_keys = {key: v for key, v in schema["properties"].items() if key not in FIXED_KEYS}
    definitions["Root"] = {"type": "object", "properties": open_keys}
    definitions["Scale"] = {
        **_patch_of(definitions["Root"], definitions),
        "description": "What this scale overrides; keys may be dotted paths.",
        "additionalProperties": False,
    }
    trial = definitions[f"Trial{PATCH}"]["properties"]
    scale = definitions["Scale"]["properties"]
    for path, node in _nodes_by_path("Root", definitions).items():
        if path.startswith("trial."):
            inner = path.removeprefix("trial.")
            trial.setdefault(inner, _any_of([_patch_node(node, definitions), NULL]))
            scale[path] = _reference(f"Trial{PATCH}/properties/{inner}")
        elif path.startswith("search.space."):
            inner = path.removeprefix("search.space.")
            scale[path] = _reference(f"Space{PATCH}/properties/{inner}")
        else:
            scale[path] = _any_of([_patch_node(node, definitions), NULL])
    del definitions["Root"]
    schema["properties"]["scales"] |= {
        "additionalProperties": {"anyOf": [_reference("Scale"), NULL]},
        "propertyNames": {"pattern": NAME_PATTERN, "maxLength": LONGEST_NAME},
    }


def _patch_of(original: Schema, definitions: Mapping[str, Schema]) -> Schema:
    patched = {key: value for key, value in original.items() if key != "required"}
    patched["properties"] = {
        key: _any_of([_patch_node(node, definitions), NULL])
        for key, node in original.get("properties", {}).items()
    }
    return patched | {"patternProperties": {r"^[^.]+\.": {}}}


def _patch_node(node: Any, definitions: Mapping[str, Schema]) -> Any:
    """Return a node whose references are to patches; of components, any may be meant."""
    if isinstance(node, list):
        return [_patch_node(inner, definitions) for inner in node]
    if not isinstance(node, dict):
        return node
    if name := _name_in(node):
        return {**node, "$ref": f"#/$defs/{name}{PATCH}"}
    left_out = ("discriminator", "default", "title")
    patched = {k: _patch_node(v, definitions) for k, v in node.items() if k not in left_out}
    if "oneOf" in patched:
        patched["anyOf"] = patched.pop("oneOf")
    return patched
