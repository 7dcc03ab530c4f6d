"""Whether a configuration has the setting of a cell of the paper, and what differs where not.

`settings.json` holds the configurations of the shipped studies of the paper at scale `paper`;
`make schema` writes it. A configuration is comparable when all its settings are those: of the
images, the network, the regularizer and the training. What it records beside its metrics and
whether it is compiled do not count; the precision is a remark.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.record.names import BETA, DATASET_NAME, GLOBAL_LABEL, NETWORK_NAME, REGULARIZER_NAME
from analysis.tables.configurations import hashable_value
from analysis.tables.display_names import setting_value_text
from analysis.tables.printed import short_name

if TYPE_CHECKING:
    import pandas as pd

SETTINGS = Path(__file__).with_name("settings.json")
PRECISION_SETTING = "training.precision"
RECIPE_SETTING = "training.recipe"
IGNORED = (PRECISION_SETTING, "training.compile", RECIPE_SETTING)
"""`recipe` acts through the settings that it fills in, and those are compared."""
IGNORED_PART = "diagnostics."
PARTS = ("dataset", "network", "regularizer", "training")
REGULARIZER = "regularizer."

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class PaperConfiguration:
    """The settings that a cell of the paper asks for, under their dotted paths."""

    settings: Mapping[str, Any]
    default: frozenset[str]
    """The paths that have their default: a record without them means that."""

    @property
    def dataset(self) -> str:
        """The name of the data set."""
        return str(self.settings[DATASET_NAME])

    @property
    def network(self) -> str:
        """The name of the network."""
        return str(self.settings[NETWORK_NAME])


@cache
def paper_configurations(study: str) -> tuple[PaperConfiguration, ...]:
    """Return the configurations of a shipped study at scale `paper`, in its order.

    Raises:
        KeyError: if the study is none of a table or of Figs. 4 and 6.
    """
    held = _all_settings()[study]
    return tuple(
        _joined([held[part][place] for part, place in zip(PARTS, row, strict=True)])
        for row in held["configurations"]
    )


@cache
def paper_studies() -> tuple[str, ...]:
    """Return the studies whose configurations are known."""
    return tuple(_all_settings())


def differing_settings(
    trial: "Settings | pd.Series[Any]", wanted: PaperConfiguration, *, part: str = ""
) -> tuple[str, ...]:
    """Return the paths of the settings in which a trial is not what the paper's cell asks for.

    Args:
        trial: params under their dotted names, as a row of `analysis.trials.load`.
        wanted: what is asked for.
        part: begins the paths to compare, for example `regularizer.`; empty compares all.
    """
    ours = canonical_settings({str(name): trial[str(name)] for name in trial.keys()})  # noqa: SIM118  # a row is no dict: it yields its values
    theirs = canonical_settings(wanted.settings)
    paths = [
        *theirs,
        *(path for path in ours if path not in theirs and "." in path and _has_value(ours[path])),
    ]
    return tuple(
        path
        for path in paths
        if path.startswith(part) and _counts(path) and not _agrees(ours, theirs, path, wanted)
    )


def difference_text(
    trial: "Settings | pd.Series[Any]", wanted: PaperConfiguration, paths: Sequence[str]
) -> str:
    """Return ``batch_size 1024, the paper's 128; width 2, the paper's 64``."""
    parts = []
    for path in paths:
        own = trial.get(path)
        if not _has_value(own) and path in wanted.default:
            own = wanted.settings[path]
        theirs = wanted.settings.get(path)
        name = short_name(path, [*paths, ""])
        said = f"the paper's {_shown(theirs)}" if path in wanted.settings else "the paper has none"
        parts.append(f"{name} {_shown(own)}, {said}")
    return "; ".join(parts)


def nearest_configuration(
    trial: "Settings | pd.Series[Any]", among: Iterable[PaperConfiguration]
) -> PaperConfiguration | None:
    """Return which of the paper's configurations a trial stands beside, or None.

    It has the same data set, network and regularizer by name, and of those the fewest settings of
    the regularizer that differ; the first of several.
    """
    names = (DATASET_NAME, NETWORK_NAME, REGULARIZER_NAME)
    alike = [
        wanted
        for wanted in among
        if all(str(trial.get(name)) == wanted.settings[name] for name in names)
    ]
    return min(
        alike, key=lambda w: len(differing_settings(trial, w, part=REGULARIZER)), default=None
    )


def canonical_settings(settings: Settings) -> dict[str, Any]:
    """Return the settings with one spelling for what is the same: no global label is β = 1."""
    found = dict(settings)
    if found.get(REGULARIZER_NAME) == "lamix" and (
        found.get(BETA) == 1 or found.get(GLOBAL_LABEL) == "none"
    ):
        found |= {BETA: 1.0, GLOBAL_LABEL: "none"}
    return found


@cache
def _all_settings() -> dict[str, Any]:
    held: dict[str, Any] = json.loads(SETTINGS.read_text(encoding="utf-8"))
    return held


def _joined(parts: Iterable[Mapping[str, Any]]) -> PaperConfiguration:
    parts = list(parts)
    settings = {
        path: value
        for part in parts
        for path, value in {**part["given"], **part["default"]}.items()
    }
    return PaperConfiguration(settings, frozenset(path for p in parts for path in p["default"]))


def _counts(path: str) -> bool:
    return path not in IGNORED and not path.startswith(IGNORED_PART)


def _has_value(value: Any) -> bool:
    return hashable_value(value) is not None


def _agrees(ours: Settings, theirs: Settings, path: str, wanted: PaperConfiguration) -> bool:
    if not _has_value(ours.get(path)) and path in wanted.default:
        return True
    return hashable_value(ours.get(path)) == hashable_value(theirs.get(path))


def _shown(value: Any) -> str:
    return setting_value_text(value) if _has_value(value) else "none"
