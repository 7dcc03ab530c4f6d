"""Documents of commands against their schemas in docs/json."""

import json
from pathlib import Path
from typing import Any

import jsonschema

SCHEMAS = Path(__file__).parents[1] / "docs" / "json"


def checked(text: str) -> dict[str, Any]:
    """Return the one document that a command has printed, valid by its own schema."""
    document: dict[str, Any] = json.loads(text)
    schema = json.loads((SCHEMAS / f"{document['document']}.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(document)
    return document
