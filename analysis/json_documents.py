"""What commands say to programs by `--json`: one document each, with a name and a version.

`docs/json/` has a JSON Schema of each. A document gains keys within a version; a key that changes
its meaning or goes away is a new version.
"""

import json
from collections.abc import Mapping
from typing import Any

VERSION = 1

Document = dict[str, Any]


def named_document(name: str, keys: Mapping[str, Any]) -> Document:
    """Return a document.

    Args:
        name: of the document, which is the command's.
        keys: what it holds beside its name and version.
    """
    return {"document": name, "version": VERSION, **keys}


def refusal_document(document: str, message: str, status: int) -> Document:
    """Return why a command has started nothing.

    Args:
        document: that the command would have printed.
        message: in words.
        status: the exit status.
    """
    return named_document("refusal", {"of": document, "status": status, "message": message})


def print_document(document: Mapping[str, Any]) -> None:
    """Print a document, the only thing on the standard output.

    Its text is ASCII, other characters escaped: a terminal's substitute for one may be a quote.
    """
    print(json.dumps(document, indent=2))
