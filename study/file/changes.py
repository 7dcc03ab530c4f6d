"""What changed in a study since its last launch, and what that means for what is on record."""

from collections.abc import Mapping
from typing import Any

import yaml

from analysis.counted import count_text
from trainables.configuration import flatten_settings

MEANING = {
    "trial": "trials of the old value no longer belong to the study",
    "search.space": "configurations outside it no longer belong to the study",
    "search.seeds": "configurations are judged over these; trials of other seeds do not belong",
    "search.configurations": "the first so many belong to the study",
    "search.objective": "configurations are judged anew",
    "search.constraints": "configurations are judged anew",
    "search.early_stopping": "configurations that the old rule stopped are gone on with",
}
"""What holds of a change whatever else has changed; how many trials stay is told by itself.

Longest path first wins; what is not listed changes nothing that was trained.
"""


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
    """Return a value as a study file would hold it, in one line."""
    if path not in flat:
        return "(none)"
    as_item = yaml.safe_dump([flat[path]], default_flow_style=True, sort_keys=False, width=10**6)
    return str(as_item).strip()[1:-1]


def _meaning_of(path: str) -> str:
    for prefix, meaning in sorted(MEANING.items(), key=lambda item: -len(item[0])):
        if path == prefix or path.startswith(f"{prefix}."):
            return f" ({meaning})"
    return ""
