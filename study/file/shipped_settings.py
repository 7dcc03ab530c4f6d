"""The settings of the shipped studies of the paper at scale `paper`, as data for the analysis.

The analysis imports nothing of `study`; it reads these settings from a file, which is written here.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from study.file.points import grid_points
from study.file.resolved import load_study
from trainables.configuration import as_dict, flatten_settings
from trainables.released_defaults import current_defaults

FOLDER = Path(__file__).resolve().parents[2] / "search_spaces" / "paper"
NUMBERS = ("table*.yaml", "fig4*.yaml", "fig6*.yaml")
"""The studies whose errors are held against the paper's; each searches a grid."""
SCALE = "paper"
PARTS = ("dataset", "network", "regularizer", "training")
"""What of a configuration decides its errors; what it records beside them is left out."""
PACKAGES = {"dataset": "datasets.{}", "network": "networks.{}", "regularizer": "regularizers.{}"}


def shipped_settings() -> dict[str, Any]:
    """Return, by study, its parts and its configurations.

    A part is {`given`: …, `default`: …}, each dotted path → value: what a record may not leave out,
    and what a record of an older version, which has no such setting, means by leaving it out. A
    configuration is the positions of its parts among those of their kind, in the order of `PARTS`.
    """
    defaults = current_defaults()
    files = [file for pattern in NUMBERS for file in sorted(FOLDER.glob(pattern))]
    studies = [load_study(file, scale=SCALE) for file in files]
    return {
        study.name: _without_repeats(
            [as_dict(study.configuration(point)) for point in grid_points(study.space)], defaults
        )
        for study in studies
    }


def settings_text(studies: Mapping[str, Any]) -> str:
    """Return the file's text: one line for each part and each study's configurations."""
    lines = []
    for name, study in studies.items():
        kinds = [
            f'    "{part}": [\n      '
            + ",\n      ".join(_compact(entry) for entry in study[part])
            + "\n    ]"
            for part in PARTS
        ]
        kinds.append(f'    "configurations": {_compact(study["configurations"])}')
        lines.append(f'  "{name}": {{\n' + ",\n".join(kinds) + "\n  }")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _without_repeats(
    configurations: Iterable[Mapping[str, Any]], defaults: Mapping[str, Any]
) -> dict[str, Any]:
    found: dict[str, list[Any]] = {part: [] for part in PARTS}
    rows = []
    for configuration in configurations:
        row = []
        for part in PARTS:
            entry = _described_part(part, configuration[part], defaults)
            if entry not in found[part]:
                found[part].append(entry)
            row.append(found[part].index(entry))
        rows.append(row)
    return {**found, "configurations": rows}


def _described_part(
    part: str, values: Mapping[str, Any], defaults: Mapping[str, Any]
) -> dict[str, Any]:
    plain = json.loads(json.dumps(values))
    owner = PACKAGES.get(part, part).format(values.get("name"))
    flat = flatten_settings(plain, f"{part}.")
    usual = {
        f"{part}.{name}"
        for name, value in plain.items()
        if defaults.get(f"{owner}.{name}", _ABSENT) == value
    }
    return {
        "given": {path: value for path, value in flat.items() if path not in usual},
        "default": {path: value for path, value in flat.items() if path in usual},
    }


_ABSENT = object()
