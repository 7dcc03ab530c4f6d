"""A table of published numbers with ours beside it: each cell, each configuration that matches it.

Several configurations may match a cell: they are readings, and each has a line of its own. None is
chosen, by validation or by test error.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.counted import count_text
from analysis.paper import cells
from analysis.paper.cells import IndependentNumber
from analysis.paper.comparable import (
    PRECISION_SETTING,
    PaperConfiguration,
    difference_text,
    differing_settings,
    nearest_configuration,
)
from analysis.paper.verdict import CellJudgement, Verdict, judge_values
from analysis.record.names import CONFIGURATION, OUTCOME, PRECISION
from analysis.statistics.published import CellMargin, PublishedCell
from analysis.statistics.summary import SeedSummary, summarise_seeds
from analysis.tables.configurations import LOST, hashable_value
from analysis.tables.seed_values import by_seed, completed_trials
from trainables.metrics import TEST_ERROR_LAST, TEST_ERRORS

PAPER_SCALE = "paper"
"""The scale at which a study has the paper's setting."""


@dataclass(frozen=True)
class CellReading:
    """One configuration of ours that stands beside a published cell."""

    configuration: str
    source: str
    """The study that trained it, where that is another one; else empty."""
    ours: SeedSummary
    tests: Mapping[str, SeedSummary]
    """By metric, each of the three ways to give a test error."""
    judgement: CellJudgement
    remark: str
    """What does not count and is yet worth saying: a precision of its own."""
    runs: tuple[str, ...]


@dataclass(frozen=True)
class ComparedCell:
    """One published cell and what we found there."""

    dataset: str
    network: str
    method: str
    published: SeedSummary
    readings: tuple[CellReading, ...]
    """Those in the published setting first; none where no trial belongs here."""
    missing: CellJudgement
    """What is said where there is no reading."""
    independent: IndependentNumber | None = None

    @property
    def judgements(self) -> tuple[CellJudgement, ...]:
        """The verdicts of all readings, or that there is none."""
        return tuple(reading.judgement for reading in self.readings) or (self.missing,)

    @property
    def reached(self) -> bool:
        """Whether any trial of ours stands beside the cell."""
        return any(reading.ours.n for reading in self.readings)


@dataclass(frozen=True)
class WantedCell:
    """A published cell and how ours are known to belong to it."""

    dataset: str
    network: str
    method: str
    published: PublishedCell
    margin: CellMargin
    wanted: PaperConfiguration | None
    """What a configuration must be to be compared; None where that is not known."""
    epochs: int | None = None


def compare_table(
    frame: pd.DataFrame,
    table: str,
    *,
    scale: str,
    seeds: int | None = None,
    test: str = TEST_ERROR_LAST,
    elsewhere: Mapping[str, pd.DataFrame] = {},  # noqa: B006  # it is only read
    looks: Sequence[int] = (),
) -> list[ComparedCell]:
    """Return the cells of a table of the paper, each with ours.

    Args:
        frame: trials at one scale, as from `analysis.trials.load`.
        table: `table1` to `table8`.
        scale: of the study: what has no trial is missing at `paper`, and elsewhere not compared.
        seeds: how many a cell is to have; None takes those that there are.
        test: the test error that is compared.
        elsewhere: trials of the other studies that cells of this table are copied from, by study.
        looks: numbers of seeds at which the study was looked at.
    """
    layout = cells.TABLES[table]
    settings = cells.cell_configurations(table)
    sources = [("", frame), *((name, held) for name, held in elsewhere.items())]
    first = [
        (source, row, nearest_configuration(row, settings.values()))
        for source, held in sources
        for _, row in first_trials(held).iterrows()
    ]
    frames = dict(sources)
    compared = []
    for _, cell in cells.table_cells(table).iterrows():
        key = cell["dataset"], cell["network"], cell["method"]
        copied = layout.copied_from.get(cell["method"])
        wanted = WantedCell(
            *key,
            cells.published_numbers(cell),
            cells.margin_of(cell),
            settings.get(key),
            layout.epochs,
        )
        matched = [
            (frames[source], source, row)
            for source, row, near in first
            if near is not None and near is wanted.wanted and source in ("", copied)
        ]
        compared.append(
            compared_cell(
                wanted,
                matched,
                seeds=seeds,
                test=test,
                expected=scale == PAPER_SCALE,
                looks=looks,
            )
        )
    return compared


def compared_cell(
    cell: WantedCell,
    matched: Iterable[tuple[pd.DataFrame, str, "pd.Series[Any]"]],
    *,
    seeds: int | None,
    test: str,
    expected: bool = True,
    looks: Sequence[int] = (),
) -> ComparedCell:
    """Return a cell with all configurations that stand beside it, each with its verdict.

    Args:
        cell: the published cell.
        matched: for each configuration its study's trials, that study's name if it is another one,
            and one of its trials.
        seeds: how many each is to have; None takes those that there are.
        test: the metric that is compared.
        expected: whether the study is to have trials here.
        looks: as for `compare_table`.
    """
    readings = [
        _reading_of(cell, frame, source, row, seeds, test, looks) for frame, source, row in matched
    ]
    readings.sort(key=lambda r: (r.judgement.verdict is Verdict.NOT_COMPARED, bool(r.source)))
    numbers = cell.published
    missing = judge_values(
        [],
        numbers,
        cell.margin,
        planned=seeds,
        differing="" if expected else "no trial here has this data set, network and method",
    )
    other = (
        cells.independent_number(cell.dataset, cell.network, cell.method, epochs=cell.epochs)
        if cell.epochs
        else None
    )
    return ComparedCell(
        dataset=cell.dataset,
        network=cell.network,
        method=cell.method,
        published=SeedSummary(numbers.runs, numbers.mean, numbers.sd, float("nan"), float("nan")),
        readings=tuple(readings),
        missing=missing,
        independent=other,
    )


def tally_sentence(compared: Sequence[ComparedCell], *, of: str = "the paper") -> str:
    """Return one sentence: how many cells came out how.

    Readings in another setting than the published one count only where a cell has no other. A cell
    whose readings disagree is counted as such.
    """
    counts = {verdict: 0 for verdict in Verdict}
    disagreeing = 0
    for cell in compared:
        verdicts = {judgement.verdict for judgement in cell.judgements}
        own = verdicts - {Verdict.NOT_COMPARED} or verdicts
        if len(own) > 1:
            disagreeing += 1
        else:
            counts[next(iter(own))] += 1
    parts = [f"{count} {verdict}" for verdict, count in counts.items() if count]
    if disagreeing:
        parts.append(f"{disagreeing} with readings that disagree")
    return f"Of {count_text(len(compared), 'cell')} of {of}: {', '.join(parts)}."


def first_trials(frame: pd.DataFrame) -> pd.DataFrame:
    """Return one trial of each configuration."""
    return frame.drop_duplicates(CONFIGURATION) if CONFIGURATION in frame else frame.iloc[:0]


def _reading_of(
    cell: WantedCell,
    frame: pd.DataFrame,
    source: str,
    row: "pd.Series[Any]",
    seeds: int | None,
    test: str,
    looks: Sequence[int],
) -> CellReading:
    configuration = str(row[CONFIGURATION])
    ours = frame[frame[CONFIGURATION] == configuration]
    lost = int(ours[OUTCOME].isin(LOST).sum()) if OUTCOME in ours else 0
    values = by_seed(frame, configuration, test)
    differing = ""
    if cell.wanted is not None:
        paths = differing_settings(row, cell.wanted)
        differing = difference_text(row, cell.wanted, paths)
    held = {name: summarise_seeds(by_seed(frame, configuration, name)) for name in TEST_ERRORS}
    full = completed_trials(ours)
    return CellReading(
        configuration=configuration,
        source=source,
        ours=summarise_seeds(values),
        tests=held,
        judgement=judge_values(
            list(values),
            cell.published,
            cell.margin,
            planned=seeds,
            failed=lost,
            differing=differing,
            looks=looks,
        ),
        remark=_precision_remark(ours, cell.wanted),
        runs=tuple(full["run_id"]) if "run_id" in full else (),
    )


def _precision_remark(trials: pd.DataFrame, wanted: PaperConfiguration | None) -> str:
    """Return in which precision the trials ran, where the published setting has another."""
    usual = hashable_value(wanted.settings.get(PRECISION_SETTING)) if wanted else None
    column = PRECISION if PRECISION in trials else PRECISION_SETTING
    if usual is None or column not in trials:
        return ""
    used = [str(value) for value in trials[column].dropna().unique() if value != usual]
    return f"trained in {' and '.join(used)}" if used else ""
