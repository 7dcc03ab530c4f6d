"""The paper's own numbers, and which configuration of ours each of them belongs to.

"Bypassing the Random Input Mixing in Mixup", under review at ICLR 2021, Tables 1 to 8. `paper.csv`
holds one row per cell: table, dataset, network, method, mean and standard deviation of the test
error in percent over its runs, and a note. The paper does not say whether its error is that of the
last or of the best epoch; ours is the last epoch's (see `analysis.tables`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.statistics.published import PublishedCell

CELLS = Path(__file__).with_name("paper.csv")


@dataclass(frozen=True)
class TableLayout:
    """How a table of the paper is laid out, and the training that it tells of."""

    caption: str
    rows: tuple[str, ...]
    """What tells the rows apart: some of `dataset`, `network` and `method`."""
    columns: str
    """What tells the columns apart."""
    epochs: int = 400


TABLES = {
    "table1": TableLayout("Random input mixing (Table 1)", ("network", "method"), "dataset"),
    "table2": TableLayout("Other networks on CIFAR-100 (Table 2)", ("network",), "method"),
    "table3": TableLayout(
        "Learning to mix (Table 3)", ("network", "method"), "dataset", epochs=600
    ),
    "table4": TableLayout(
        "Learning to mix on Tiny-ImageNet (Table 4)", ("network", "method"), "dataset", epochs=600
    ),
    "table5": TableLayout("Mixup with label smoothing (Table 5)", ("dataset", "network"), "method"),
    "table6": TableLayout("Random input mixing on Tiny-ImageNet (Table 6)", ("network",), "method"),
    "table7": TableLayout("Without original samples (Table 7)", ("dataset", "network"), "method"),
    "table8": TableLayout(
        "Without the global soft label (Table 8)", ("dataset", "network"), "method"
    ),
}

CLAIMS = {
    "fig2": "The five largest targets: the second largest is .14 on CIFAR-100 and .25 on CIFAR-10.",
    "fig3": "Over 400 epochs the largest training targets lie between .55 and .65; the global "
    "soft labels lie between .14 and .18 early and between .18 and .20 later.",
    "fig4": "On CIFAR-100 with PreAct ResNet-18, β = .5 is best (80.62% accuracy) and accuracy "
    "is similar for β from .3 to .8.",
    "fig5": "Over 2,000 epochs LaMix keeps a higher training loss than Mixup and CutMix and does "
    "not overfit.",
    "fig6": "Label smoothing alone is best at ε = .2 (78.47% accuracy), below LaMix (80.62%).",
    "fig7": "LaMix focuses on narrower regions of the image than Mixup and CutMix.",
    "fig8": "From epoch 400 to 1,000 the classes draw into three tight clusters, farther apart.",
}
"""What the paper says of its figures, whose values it does not print."""


def figure_of(study: str) -> str | None:
    """Return the figure of the paper that a study makes again, by the study's name, or None."""
    head = study.partition("_")[0]
    return head if head in CLAIMS else {"beta": "fig4", "smoothing": "fig6"}.get(study)


@cache
def all_cells() -> pd.DataFrame:
    """Return the paper's cells: `table`, `dataset`, `network`, `method`, `mean`, `sd`, `runs`."""
    names = {"error_percent_mean": "mean", "error_percent_std": "sd"}
    return pd.read_csv(CELLS, keep_default_na=False).rename(columns=names)


def table_cells(name: str) -> pd.DataFrame:
    """Return the cells of one table, in the paper's order.

    Raises:
        KeyError: if the paper has no table of that name.
    """
    if name not in TABLES:
        raise KeyError(f"no table `{name}` in the paper; it has {', '.join(TABLES)}")
    return all_cells()[all_cells()["table"] == name].reset_index(drop=True)


def published_numbers(cell: "pd.Series[Any]") -> PublishedCell:
    """Return the numbers of one row of `cells`."""
    return PublishedCell(float(cell["mean"]), float(cell["sd"]), int(cell["runs"]))


def method_of(settings: "Mapping[str, Any] | pd.Series[Any]") -> str | None:
    """Return the paper's name of the method that a trial's settings describe.

    Args:
        settings: params of a trial under their dotted names. A setting that is not there has its
            default; anything that the paper did not vary must have the paper's value.

    Returns:
        A word of the column `method`, or None where the paper has no such method.
    """
    name = settings.get("regularizer.name")
    base = METHODS.get(str(name), _is_unknown)(_RegularizerSettings(settings))
    smoothing = _RegularizerSettings(settings).number("smoothing", 0.0)
    if base is None or smoothing == 0:
        return base
    return f"{base}+smoothing={smoothing:g}" if name in ("vanilla", "mixup") else None


def match_trials(frame: pd.DataFrame) -> "pd.Series[Any]":
    """Return for each trial the paper's `dataset/network/method`, or None where it has no such."""
    keys = [
        _cell_key(row.get("dataset.name"), row.get("network.name"), method_of(row))
        for _, row in frame.filter(regex="name$|^regularizer").iterrows()
    ]
    return pd.Series(keys, index=frame.index, dtype=object)


def key_of(cell: "pd.Series[Any]") -> str:
    """Return a cell's `dataset/network/method`, as `match` gives it."""
    return f"{cell['dataset']}/{cell['network']}/{cell['method']}"


class _RegularizerSettings:
    """The regularizer's settings of a trial, missing ones at their defaults."""

    def __init__(self, settings: "Mapping[str, Any] | pd.Series[Any]") -> None:
        self._settings = settings

    def value(self, name: str, default: Any) -> Any:
        value = self._settings.get(f"regularizer.{name}", default)
        missing = value is None or (isinstance(value, float) and value != value)
        return default if missing else value

    def number(self, name: str, default: float) -> float:
        return float(self.value(name, default))


def _is_unknown(settings: _RegularizerSettings) -> None:
    del settings


def _is_plain(settings: _RegularizerSettings) -> str:
    del settings
    return "vanilla"


def _uniform_lam(name: str) -> Callable[[_RegularizerSettings], str | None]:
    # "The mixing ratio λ is sampled uniformly between [0, 1]": Beta(1, 1).
    def method(settings: _RegularizerSettings) -> str | None:
        uniform = settings.number("alpha", 1) == 1 and settings.number("probability", 1) == 1
        return name if uniform else None

    return method


def _lamix_method(settings: _RegularizerSettings) -> str | None:
    if settings.value("lam", "uniform") != "uniform" or settings.value(
        "detach_global_label", False
    ):
        return None
    beta, label = settings.number("beta", 0.5), settings.value("global_label", "learned")
    # β = 1 leaves the local label alone, whatever the global one would be.
    local_only = label == "none" or beta == 1
    learned = label == "learned" and beta == 0.5
    if settings.value("mixing", "average") == "puzzlemix":
        return (
            "lamix_puzzlemix" if local_only and settings.value("original_batches", True) else None
        )
    if not settings.value("original_batches", True):
        return "lamix without original samples" if learned else None
    if local_only:
        return "lamix without global soft label"
    return "lamix" if learned else None


METHODS: dict[str, Callable[[_RegularizerSettings], str | None]] = {
    "vanilla": _is_plain,
    "mixup": _uniform_lam("mixup"),
    "cutmix": _uniform_lam("cutmix"),
    "puzzlemix": _uniform_lam("puzzlemix"),
    "lamix": _lamix_method,
}
"""From the name of a regularizer to what the paper calls its settings."""


def _cell_key(dataset: Any, network: Any, method: str | None) -> str | None:
    return f"{dataset}/{network}/{method}" if method else None
