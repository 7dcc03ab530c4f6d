"""The paper's names of methods, from the settings of a regularizer."""

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from analysis.paper.comparable import (
    REGULARIZER,
    PaperConfiguration,
    differing_settings,
    paper_configurations,
    paper_studies,
)
from analysis.tables.display_names import display_name

if TYPE_CHECKING:
    import pandas as pd


def method_of(settings: "Mapping[str, Any] | pd.Series[Any]") -> str | None:
    """Return the paper's name of the method that a trial's settings describe.

    Every setting of the regularizer must be the paper's, its loss included.

    Args:
        settings: params of a trial under their dotted names. A setting that is not there has its
            default.

    Returns:
        A word of the column `method`, or None where the paper has no such method.
    """
    for method, wanted in _paper_methods():
        if not differing_settings(settings, wanted, part=REGULARIZER):
            return method
    return None


def method_name(wanted: PaperConfiguration) -> str | None:
    """Return the paper's name of the method of a shipped configuration.

    None is for a control that the paper lacks, and for the values of β in Fig. 4.
    """
    held = {path.removeprefix(REGULARIZER): value for path, value in wanted.settings.items()}
    name = str(held["name"])
    if held.get("mixing") == "puzzlemix":
        return "lamix_puzzlemix"
    if held.get("smoothing"):
        return f"{name}+smoothing={held['smoothing']:g}"
    if name != "lamix":
        return name
    if not held["original_batches"]:
        return "lamix without original samples"
    if held["beta"] == 1 or held["global_label"] == "none":
        return "lamix without global soft label"
    return name if held["beta"] == 0.5 and held["global_label"] == "learned" else None


def method_word(name: str) -> str:
    """Return a data set, network or method as a reader knows it."""
    base, plus, smoothing = name.partition("+smoothing=")
    if plus:
        return f"{display_name(base)} + smoothing {smoothing}"
    base, without, what = name.partition(" without ")
    return f"{display_name(base)} w/o {what}" if without else display_name(name)


@cache
def _paper_methods() -> tuple[tuple[str, PaperConfiguration], ...]:
    """Return each way in which the paper sets a regularizer, once."""
    found: dict[tuple[tuple[str, str], ...], tuple[str, PaperConfiguration]] = {}
    for study in paper_studies():
        for wanted in paper_configurations(study):
            own = {p: v for p, v in wanted.settings.items() if p.startswith(REGULARIZER)}
            key = tuple(sorted((path, str(value)) for path, value in own.items()))
            default = frozenset(path for path in wanted.default if path in own)
            if (method := method_name(wanted)) is not None:
                found.setdefault(key, (method, PaperConfiguration(own, default)))
    return tuple(found.values())
