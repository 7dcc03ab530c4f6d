"""Directives that write the reference from the code: settings from their classes, commands' help.

`settings-reference` takes the name of a definition in the JSON Schema of study files, or a
part of a trial, whose components it lists one by one. `metrics-reference` lists what a trial
measures. `command-help` takes a module and shows what its `--help` prints.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from study.file.schema import whole_schema
from trainables import metrics

ROOT = Path(__file__).parents[2]
HELP_WIDTH = "88"
ELSEWHERE = {
    "Trial": "a mapping: the parts of a trial",
    "Scale": "a mapping: what the scale overrides",
    "Space": "a mapping: path → range or list of choices",
}
"""Definitions that have pages of their own, and the words that stand for each."""
ROOT_PATHS = {"Study": "root", "TrainingSettings": "training", "DiagnosticsSettings": "diagnostics"}
"""Definitions that a page begins with, and where in a file each stands."""
COMPONENT_PARTS = ("dataset", "network", "regularizer")
TYPE_WORDS = {
    "integer": "an integer",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "object": "a mapping",
}
BOUNDS = {
    "minimum": "from {}",
    "exclusiveMinimum": "above {}",
    "maximum": "to {}",
    "exclusiveMaximum": "below {}",
}

Schema = Mapping[str, Any]


@cache
def study_schema() -> Schema:
    """Return the JSON Schema of study files."""
    return whole_schema()


def definition(name: str) -> Schema:
    """Return a definition of the schema; `Study` is the schema's root."""
    if name == "Study":
        return {**study_schema(), "description": "A study file, resolved for one scale."}
    found: Schema = study_schema()["$defs"][name]
    return found


def referred_name(schema: Schema) -> str | None:
    """Return the name of the definition that a schema refers to, or None."""
    return str(schema["$ref"]).rpartition("/")[2] if "$ref" in schema else None


def anchor_of(name: str) -> str:
    """Return the link target of a definition's section."""
    return f"settings-{name.lower()}"


def value_words(schema: Schema) -> str:
    """Return in words what a value may be."""
    members = schema.get("anyOf") or schema.get("oneOf")
    if members:
        words = [value_words(member) for member in members]
        listed = {f"a list, of each {word}" for word in words}
        return " or ".join(dict.fromkeys("a list of these" if w in listed else w for w in words))
    if name := referred_name(schema):
        return ELSEWHERE.get(name, f"[{name}](#{anchor_of(name)})")
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    kind = str(schema.get("type", "any value"))
    if kind == "array":
        return f"a list, of each {value_words(schema.get('items', {}))}"
    bounds = [text.format(schema[key]) for key, text in BOUNDS.items() if key in schema]
    return " ".join([TYPE_WORDS.get(kind, kind), *bounds])


def default_words(key: str, owner: Schema) -> str:
    """Return the default of a setting, or that it must be given."""
    schema = owner["properties"][key]
    if "default" in schema:
        return f"default `{json.dumps(schema['default'], ensure_ascii=False)}`"
    return "must be given" if key in owner.get("required", ()) else ""


def description_of(schema: Schema) -> str:
    """Return what a definition or a setting says of itself, or what it refers to says."""
    name = referred_name(schema)
    text = schema.get("description") or (definition(name).get("description") if name else "")
    return " ".join(str(text).split())


def settings_table(name: str) -> Iterator[str]:
    """Yield the lines of a definition's table: key, value with default, meaning."""
    owner = definition(name)
    rows = [
        (key, schema)
        for key, schema in owner.get("properties", {}).items()
        if not (key == "name" and "const" in schema)
    ]
    if not rows:
        yield "No settings of its own."
        return
    yield "| key | value | meaning |"
    yield "|---|---|---|"
    for key, schema in rows:
        meaning = description_of(schema)
        value = "; ".join(filter(None, [value_words(schema), default_words(key, owner)]))
        cells = (f"`{key}`", value, meaning)
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def component_names(part: str) -> list[str]:
    """Return the definitions among which a part of a trial chooses, such as all networks."""
    schema = definition("Trial")["properties"][part]
    return [name for member in schema["oneOf"] if (name := referred_name(member))]


def reached_names(name: str) -> dict[str, str]:
    """Return what a definition refers to, and what that refers to, each with its path of keys."""
    found: dict[str, str] = {}

    def walk(node: Any, path: str) -> None:
        if isinstance(node, Mapping):
            reached = referred_name(node)
            if reached and reached not in found and reached not in ELSEWHERE:
                found[reached] = path
                walk_properties(reached, f"{path}.")
            for inner in node.values():
                walk(inner, path)
        elif isinstance(node, list):
            for inner in node:
                walk(inner, path)

    def walk_properties(owner: str, prefix: str) -> None:
        for key, schema in definition(owner).get("properties", {}).items():
            walk(schema, f"{prefix}{key}")

    walk_properties(name, "")
    return found


def definition_section(name: str, path: str | None = None) -> Iterator[str]:
    """Yield a section on a definition: its path in a study file, its purpose, its keys."""
    owner = definition(name)
    title = owner["properties"].get("name", {}).get("const", name)
    heading = f"`{title}`" if path is None else f"`{path}`: {title}"
    purpose = description_of(owner)
    yield from (f"({anchor_of(name)})=", f"## {heading}", "", purpose, "")
    yield from (*settings_table(name), "")


class SettingsReference(SphinxDirective):
    """All keys of a definition and of those it refers to, or of each component of a part."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Write the tables."""
        name = self.arguments[0]
        if name in COMPONENT_PARTS:
            components = component_names(name)
            reached = {
                inner: path for of in components for inner, path in reached_names(of).items()
            }
            lines = [line for each in components for line in definition_section(each)]
        else:
            reached = reached_names(name)
            lines = list(definition_section(name, ROOT_PATHS[name]))
        lines += [line for each, path in reached.items() for line in definition_section(each, path)]
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


def metrics_table() -> Iterator[str]:
    """Yield the lines of a table over all metrics."""
    yield "| metric | meaning | unit | better | may be the objective |"
    yield "|---|---|---|---|---|"
    for name, metric in metrics.METRICS.items():
        objective = "yes" if metric.objective else ""
        cells = (f"`{name}`", metric.label, metric.unit, metric.better or "", objective)
        yield f"| {' | '.join(cells)} |"


class MetricsReference(SphinxDirective):
    """All metrics of a trial."""

    def run(self) -> list[nodes.Node]:
        """Write the table."""
        return self.parse_text_to_nodes("\n".join(metrics_table()))


class CommandHelp(SphinxDirective):
    """What a command prints for `--help`."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Run the command and show its words."""
        shown = subprocess.run(
            [sys.executable, "-m", self.arguments[0], "--help"],
            cwd=ROOT,
            env={**os.environ, "COLUMNS": HELP_WIDTH},
            capture_output=True,
            text=True,
            check=True,
        )
        return [nodes.literal_block(shown.stdout, shown.stdout, language="text")]


def setup(app: Sphinx) -> dict[str, bool]:
    """Make the directives known to Sphinx."""
    app.add_directive("settings-reference", SettingsReference)
    app.add_directive("metrics-reference", MetricsReference)
    app.add_directive("command-help", CommandHelp)
    return {"parallel_read_safe": True}
