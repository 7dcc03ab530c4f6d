"""Values as the record holds them: each way of writing a value stands beside its inverse."""

import json
import math
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

# MLflow's SQL store writes an infinite metric as the largest float.
LARGEST = 1.79769e308
WORDS = {
    "True": True,
    "False": False,
    "None": None,
    "nan": math.nan,
    "inf": math.inf,
    "-inf": -math.inf,
}
"""What Python writes and JSON does not read."""


def param_text(value: Any) -> str:
    """Return a param's text: a list or tuple as JSON, everything else as Python prints it.

    >>> param_text(0.5), param_text(True), param_text(None), param_text((100, 150))
    ('0.5', 'True', 'None', '[100, 150]')
    """
    if isinstance(value, tuple | list):
        return json.dumps(list(value))
    return str(value)


def typed_param(text: str) -> Any:
    """Return the value that a param's text stands for: a number, bool, None, list, or the text.

    The inverse of `param_text`, but that a tuple becomes a list, and a text that reads as a number,
    a bool or None becomes that.

    >>> typed_param("0.5"), typed_param("True"), typed_param("none"), typed_param("[100, 150]")
    (0.5, True, 'none', [100, 150])
    """
    return _read_param(text) if text.startswith(("[", "{")) else _scalar_param(text)


def _read_param(text: str) -> Any:
    if text in WORDS:
        return WORDS[text]
    try:
        return json.loads(text)
    except ValueError:
        return text


_scalar_param = lru_cache(maxsize=4096)(_read_param)
"""The trials of a study have nearly all their values in common; a list is made anew each time."""


def nested_settings(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings by their parts.

    >>> nested_settings({"training.epochs": 1, "training.clip": None})
    {'training': {'epochs': 1, 'clip': None}}
    """
    nested: dict[str, Any] = {}
    for path, value in flat.items():
        *parents, name = path.split(".")
        part = nested
        for parent in parents:
            part = part.setdefault(parent, {})
        part[name] = value
    return nested


def flag_text(value: bool) -> str:
    """Return a flag's text."""
    return str(value).lower()


def is_flag(text: str | None) -> bool:
    """Return whether a flag's text, which may be missing, says that the flag is set."""
    return text is not None and text.lower() == "true"


def digests_text(digests: Iterable[str]) -> str:
    """Return a list of digests as a tag holds it, without doubles.

    >>> digests_text(["b2", "a1", "b2"])
    'b2, a1'
    """
    return ", ".join(dict.fromkeys(digests))


def digests_of(text: str | None) -> tuple[str, ...]:
    """Return the digests that a tag lists, which may be missing."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def metric_value(stored: float) -> float:
    """Return the value of a metric that the store may have cut to the largest float."""
    return math.copysign(math.inf, stored) if abs(stored) >= LARGEST else stored
