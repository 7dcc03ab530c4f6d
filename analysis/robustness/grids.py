"""The robustness of configurations as tables: mean ± standard deviation over seeds."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from analysis.record.names import CONFIGURATION, SEED
from analysis.robustness.scores import ERROR
from analysis.statistics.summary import SeedSummary, summarise_seeds
from analysis.tables.display_names import with_unit
from analysis.tables.printed import setting_text, spread_text
from analysis.tables.rendering import TableCell, TableGrid
from analysis.tables.seed_values import first_trial
from trainables.metrics import TEST_ERROR
from trainables.robustness_document import CLEAN, CORRUPTION, FGSM, OCCLUSION, PERTURBATION_KEYS

Chosen = Callable[[pd.DataFrame], "pd.Series[bool]"]


def robustness_grid(rows: pd.DataFrame, frame: pd.DataFrame, factors: Sequence[str]) -> TableGrid:
    """Return a row per configuration: the error on clean, attacked, corrupted and occluded images.

    Args:
        rows: one per trial and perturbation: `configuration`, `seed`, `kind`, `name`, `severity`
            and the scores.
        frame: the trials, for the configurations' settings.
        factors: what names a configuration.
    """
    columns: dict[str, Chosen] = {"clean": lambda r: r["kind"] == CLEAN}
    for pixels in sorted(rows[rows["kind"] == FGSM]["severity"].unique()):
        columns[f"FGSM {pixels}/255"] = _attack_of(int(pixels))
    columns["corruptions"] = lambda r: r["kind"] == CORRUPTION
    columns["occlusion"] = lambda r: r["kind"] == OCCLUSION
    return _grid(rows, frame, factors, columns, title="Robustness", notes=_notes(rows))


def corruption_grid(rows: pd.DataFrame, frame: pd.DataFrame, factors: Sequence[str]) -> TableGrid:
    """Return a row per configuration: the error under each corruption, over its severities.

    Arguments as for `robustness_grid`.
    """
    names = dict.fromkeys(rows[rows["kind"] == CORRUPTION]["name"])
    columns = {name.replace("_", " "): _corruption_of(name) for name in names}
    note = "Each corruption over its severities, each seed's mean first."
    return _grid(rows, frame, factors, columns, title="By corruption", notes=[note])


def severity_grid(rows: pd.DataFrame, frame: pd.DataFrame, factors: Sequence[str]) -> TableGrid:
    """Return a row per configuration and perturbation, for programs to read.

    Arguments as for `robustness_grid`.
    """
    lines = []
    for key, held in rows.groupby(CONFIGURATION, sort=False):
        what = _words_of(str(key), frame, factors)
        for where, part in held.groupby(list(PERTURBATION_KEYS), sort=False):
            cells = [what, *map(str, where)]
            summary = summarise_seeds(part[ERROR])
            lines.append([*map(TableCell, cells), _cell_of(summary)])
    header = ["configuration", *PERTURBATION_KEYS, with_unit(TEST_ERROR)]
    return TableGrid([("", name) for name in header], lines, numeric=[False] * 3 + [True] * 2)


def _grid(
    rows: pd.DataFrame,
    frame: pd.DataFrame,
    factors: Sequence[str],
    columns: dict[str, Chosen],
    *,
    title: str,
    notes: Sequence[str],
) -> TableGrid:
    lines = []
    for key, held in rows.groupby(CONFIGURATION, sort=False):
        cells = [TableCell(_words_of(str(key), frame, factors))]
        for chosen in columns.values():
            by_seed = held[chosen(held)].groupby(SEED)[ERROR].mean()
            cells.append(_cell_of(summarise_seeds(by_seed)))
        lines.append([*cells, TableCell(str(held[SEED].nunique()))])
    group = with_unit(TEST_ERROR)
    header = [("", "configuration"), *((group, name) for name in columns), ("", "seeds")]
    return TableGrid(
        header=header,
        rows=lines,
        title=title,
        notes=list(notes),
        numeric=[False] + [True] * (len(header) - 1),
    )


def _cell_of(summary: SeedSummary) -> TableCell:
    numbers = {"mean": summary.mean, "sd": summary.sd, "n": float(summary.n)}
    return TableCell(spread_text(summary), numbers=numbers)


def _words_of(key: str, frame: pd.DataFrame, factors: Sequence[str]) -> str:
    return setting_text(first_trial(frame, key), factors)


def _notes(rows: pd.DataFrame) -> list[str]:
    corrupted, occluded = (rows[rows["kind"] == kind] for kind in (CORRUPTION, OCCLUSION))
    severities = np.unique(corrupted["severity"])
    return [
        "Mean ± standard deviation over seeds of the weights that the trials have kept, in fp32.",
        "FGSM: one step along the sign of the gradient, of so many of 255 grey levels.",
        f"Corruptions: the mean over {corrupted['name'].nunique()} common corruptions at "
        f"{len(severities)} severities (Hendrycks & Dietterich 2019). Occlusion: the mean over "
        f"{occluded['severity'].nunique()} sizes of a black square in the middle.",
    ]


def _attack_of(pixels: int) -> Chosen:
    return lambda rows: (rows["kind"] == FGSM) & (rows["severity"] == pixels)


def _corruption_of(name: str) -> Chosen:
    return lambda rows: (rows["kind"] == CORRUPTION) & (rows["name"] == name)
