"""What changed in a study since its last launch, and what that means for what is on record."""

from collections.abc import Mapping
from typing import Any

from analysis.counted import count_text
from trainables.configuration import flatten_settings

MEANING = {
    "trial": "the trials are others now: those trained before no longer belong",
    "search.space": "what was trained and still lies in the space is kept",
    "search.seeds": "every configuration is judged over the new seeds; trained ones are kept",
    "search.configurations": "only the difference is trained",
    "search.objective": "configurations are judged anew, from what is on record",
    "search.constraints": "configurations are judged anew, from what is on record",
    "search.early_stopping": "configurations that the old rule stopped are gone on with",
}
"""Longest path first wins; what is not listed changes nothing that was trained."""


def describe_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each setting that differs between two resolved studies."""
    old, new = _flatten_study(before), _flatten_study(now)
    return [
        f"{path}: {_show_value(old, path)} → {_show_value(new, path)}{_meaning_of(path)}"
        for path in dict.fromkeys([*old, *new])
        if old.get(path, _ABSENT) != new.get(path, _ABSENT)
    ]


_ABSENT = object()


def _flatten_study(resolved: Mapping[str, Any]) -> dict[str, Any]:
    """Return dotted path → value; a searched path is one key with its whole range."""
    search = dict(resolved.get("search", {}))
    space = search.pop("space", {})
    rest = {**resolved, "search": search}
    if isinstance(claims := rest.get("claims"), Mapping):
        rest["claims"] = f"{claims['file']}, {count_text(len(claims['cells']), 'cell')}"
    return {
        **flatten_settings(rest),
        **{f"search.space.{path}": value for path, value in space.items()},
    }


def _show_value(flat: Mapping[str, Any], path: str) -> str:
    return str(flat[path]) if path in flat else "(none)"


def _meaning_of(path: str) -> str:
    for prefix, meaning in sorted(MEANING.items(), key=lambda item: -len(item[0])):
        if path == prefix or path.startswith(f"{prefix}."):
            return f" ({meaning})"
    return ""
