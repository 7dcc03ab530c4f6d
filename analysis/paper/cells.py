"""The paper's own numbers, and which configuration of ours each of them belongs to.

"Bypassing the Random Input Mixing in Mixup", under review at ICLR 2021, Tables 1 to 8. `paper.csv`
holds one row per cell: table, dataset, network, method, mean and standard deviation of the test
error in percent over its runs, and a note. The paper does not say whether its error is that of the
last or of the best epoch; ours is the last epoch's (see `analysis.tables`). `independent.csv` holds
what others report for the same methods, with another network and recipe.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.paper.comparable import PaperConfiguration, paper_configurations
from analysis.paper.methods import method_name
from analysis.statistics.published import CellMargin, PublishedCell, equivalence_margin

CELLS = Path(__file__).with_name("paper.csv")
INDEPENDENT = Path(__file__).with_name("independent.csv")


@dataclass(frozen=True)
class TableLayout:
    """How a table of the paper is laid out, and the training that it tells of."""

    caption: str
    rows: tuple[str, ...]
    """What tells the rows apart: some of `dataset`, `network` and `method`."""
    columns: str
    """What tells the columns apart."""
    epochs: int = 400
    copied_from: Mapping[str, str] = field(default_factory=dict)
    """From methods to the table whose trials belong in their cells."""


TABLES = {
    "table1": TableLayout("Random input mixing (Table 1)", ("network", "method"), "dataset"),
    "table2": TableLayout("Other networks on CIFAR-100 (Table 2)", ("network",), "method"),
    "table3": TableLayout(
        "Learning to mix (Table 3)",
        ("network", "method"),
        "dataset",
        epochs=600,
        copied_from={"vanilla": "table1"},
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


def margin_of(cell: "pd.Series[Any]") -> CellMargin:
    """Return the margin of a cell, by its own numbers and those of its row."""
    same = ("table", "dataset", "network")
    row = all_cells()
    for name in same:
        row = row[row[name] == cell[name]]
    return equivalence_margin(published_numbers(cell), [float(mean) for mean in row["mean"]])


def cell_configurations(table: str) -> dict[tuple[str, str, str], PaperConfiguration]:
    """Return the setting of each cell of a table by its data set, network and method.

    The setting is that of the study whose trials belong in the cell: the paper's Table 3 repeats
    the vanilla rows of Table 1.
    """
    layout = TABLES[table]
    found = {}
    for study in (table, *layout.copied_from.values()):
        for wanted in paper_configurations(study):
            method = method_name(wanted)
            if method is not None and layout.copied_from.get(method, table) == study:
                found[wanted.dataset, wanted.network, method] = wanted
    return found


@dataclass(frozen=True)
class IndependentNumber:
    """An error that others report for a method, in percent."""

    error: float
    epochs: int
    source: str
    setting: str


INDEPENDENT_SETTING = (
    "OpenMixup: ResNet-18, SGD with a cosine schedule, weight decay 1e-4, batch 100, median of the "
    "last ten epochs, CutMix with α = .2, a single number without a spread; CIFAR with learning "
    "rate .1, Tiny-ImageNet with .2 and random resized crops"
)


def independent_number(
    dataset: str, network: str, method: str, *, epochs: int
) -> IndependentNumber | None:
    """Return what others report for a cell, at the nearest length of training, or None."""
    rows = _independent_numbers()
    for name, value in (("dataset", dataset), ("network", network), ("method", method)):
        rows = rows[rows[name] == value]
    if rows.empty:
        return None
    row = rows.iloc[int((rows["epochs"] - epochs).abs().to_numpy().argmin())]
    return IndependentNumber(
        float(row["error_percent"]), int(row["epochs"]), str(row["source"]), str(row["setting"])
    )


@cache
def _independent_numbers() -> pd.DataFrame:
    return pd.read_csv(INDEPENDENT, keep_default_na=False)
