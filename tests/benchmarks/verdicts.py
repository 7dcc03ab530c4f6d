"""Do the verdicts of a report contradict the truth? On made-up trials whose truth is known.

    python -m tests.benchmarks.verdicts [--cells N] [--tables N] [--out FILE]

Trials are rows of a data frame with all settings of the paper, so that each verdict goes the way of
a report. It depends on its seeds alone. Written below `tests/benchmarks/results/`.
"""

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.paper import cells
from analysis.paper.reading_words import readings_sentence
from analysis.paper.readings import judge_readings
from analysis.paper.reproduction import WantedCell, compared_cell
from analysis.paper.table_claims import judge_claim
from analysis.paper.table_rows import TABLE_CLAIMS, ClaimKind, MethodClaim, table_rows
from analysis.paper.verdict import Verdict
from analysis.statistics.claims import ClaimVerdict
from analysis.statistics.published import PublishedCell, equivalence_margin
from tests.analysis.paper_trials import frame_of, paper_trial, with_seeds
from tests.analysis.readings_trials import SMALL, made_up_readings
from tests.benchmarks.simulation import header, write_results

KINDS = {"equal": 0.0, "just within the margin": 0.95, "just beyond it": 1.05}
"""The true difference in margins."""
WRONG = {
    "equal": Verdict.NOT_REPRODUCED,
    "just within the margin": Verdict.NOT_REPRODUCED,
    "just beyond it": Verdict.REPRODUCED,
}
"""What contradicts the truth."""
SEEDS = 5
TABLE = "table1"


def main() -> None:
    """Simulate and write the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.verdicts", description=__doc__
    )
    parser.add_argument("--cells", type=int, default=400)
    parser.add_argument("--tables", type=int, default=100)
    parser.add_argument("--out", type=Path, metavar="FILE")
    options = parser.parse_args()
    write_results(_sections(options.cells, options.tables), "verdicts", options.out)


def cell_verdicts(kind: str, count: int, *, seed: int = 0) -> Counter[Verdict]:
    """Return how often each verdict fell on cells of a kind.

    Five published runs and five of ours are drawn around the mean and spread of a random cell of
    the paper, ours shifted by the kind's share of the margin.
    """
    rng = np.random.default_rng(seed)
    paper = cells.all_cells()
    found: Counter[Verdict] = Counter()
    for number in range(count):
        cell = paper.iloc[int(rng.integers(len(paper)))]
        place = cell["dataset"], cell["network"], cell["method"]
        runs = rng.normal(cell["mean"], cell["sd"], SEEDS)
        published = PublishedCell(float(runs.mean()), float(runs.std(ddof=1)), SEEDS)
        margin = equivalence_margin(published)
        shift = KINDS[kind] * margin.points * rng.choice([-1, 1])
        settings = cells.cell_configurations(cell["table"])[place]
        ours = rng.normal(cell["mean"] + shift, cell["sd"], SEEDS)
        frame = frame_of(with_seeds(settings.settings, ours, configuration=str(number)))
        wanted = WantedCell(*place, published, margin, settings)
        compared = compared_cell(
            wanted, [(frame, "", frame.iloc[0])], seeds=SEEDS, test="test_error_last"
        )
        found[compared.judgements[0].verdict] += 1
    return found


def made_up_table(rng: np.random.Generator, *, behind: float) -> pd.DataFrame:
    """Return trials of Table 1 in which all methods of a row are alike but LaMix.

    Args:
        rng: of the draws; seeds are shared by the methods of a row, and correlate.
        behind: by how many margins LaMix truly errs more.
    """
    groups = []
    held = cells.table_cells(TABLE)
    for (dataset, network), row in held.groupby(["dataset", "network"], sort=False):
        rivals = row[row["method"] != "lamix"]
        best = rivals.sort_values("mean").iloc[0]
        margin = cells.margin_of(best).points
        luck = rng.normal(0, best["sd"], SEEDS)
        for method in row["method"]:
            mean = best["mean"] + (behind * margin if method == "lamix" else 0.0)
            errors = np.maximum(mean + luck + rng.normal(0, best["sd"], SEEDS), 0.0)
            settings = paper_trial(TABLE, str(dataset), str(network), method)
            groups.append(
                with_seeds(settings, errors, configuration=f"{dataset}-{network}-{method}")
            )
    return frame_of(*groups)


def null_tables(count: int, *, seed: int = 1) -> tuple[int, int]:
    """Return in how many null tables LaMix is said to be better than a rival, than all of a row."""
    rng = np.random.default_rng(seed)
    claim = MethodClaim("lamix", TABLE_CLAIMS[TABLE].rivals, ClaimKind.BETTER)
    some = every = 0
    for _ in range(count):
        judged = judge_claim(
            table_rows(made_up_table(rng, behind=0.0), TABLE), claim, forecast=False
        )
        assert judged is not None
        better = [
            [c.better is ClaimVerdict.SUPPORTED for c in row.judgement.rivals]
            for row in judged.rows
        ]
        some += any(any(row) for row in better)
        every += any(all(row) for row in better)
    return some, every


def tables_behind(count: int, *, behind: float, seed: int = 2) -> Counter[ClaimVerdict]:
    """Return the verdicts on "on par" where LaMix truly lies `behind` margins behind."""
    rng = np.random.default_rng(seed)
    found: Counter[ClaimVerdict] = Counter()
    for _ in range(count):
        frame = made_up_table(rng, behind=behind)
        judged = judge_claim(table_rows(frame, TABLE), TABLE_CLAIMS[TABLE], forecast=False)
        assert judged is not None
        rows = {row.verdict for row in judged.rows}
        supported = ClaimVerdict.SUPPORTED in rows
        found[ClaimVerdict.SUPPORTED if supported else judged.verdict] += 1
    return found


def null_readings(count: int, *, behind: float, seed: int = 3) -> tuple[int, int]:
    """Return in how many studies of readings that are all alike a dependence is claimed.

    Args:
        count: of studies, each with three kinds of LaMix in four settings of two data sets.
        behind: by how many points LaMix truly errs more than its rivals, in every case.
        seed: of the draws.

    Returns:
        How many answer yes, and how many tell some alternative apart from the base.
    """
    yes = told = 0
    for number in range(count):
        frame = made_up_readings(
            SMALL, lambda settings: behind, seeds=SEEDS, noise=0.2, seed=1000 * seed + number
        )
        judged = judge_readings(frame, SMALL)
        assert judged is not None
        yes += readings_sentence(judged).startswith("Yes")
        told += any(effect.is_told for value in judged.values for effect in value.effects)
    return yes, told


def _sections(count: int, tables: int) -> Iterator[str]:
    yield header("Do the verdicts hold?", "Cells and claims on made-up trials of known truth")
    yield (
        f"\n## Cells\n\n{count} of each kind, {SEEDS} published runs and {SEEDS} of ours around a "
        "random cell of the paper.\n\n| truth | reproduced | not reproduced | underpowered | "
        "contradict the truth |\n|---|---|---|---|---|"
    )
    for kind in KINDS:
        found = cell_verdicts(kind, count)
        wrong = found[WRONG[kind]] / count
        shown = (Verdict.REPRODUCED, Verdict.NOT_REPRODUCED, Verdict.UNDERPOWERED)
        yield f"| {kind} | {' | '.join(str(found[v]) for v in shown)} | {wrong:.1%} |"
    some, every = null_tables(tables)
    yield (
        f"\n## Claims\n\n{tables} tables of ten rows and three rivals, no difference anywhere: "
        f"LaMix is said to err less than some rival in {some}, than every rival of a row in "
        f"{every}.\n\n| LaMix truly behind | some row said to be on par | claim contradicted | "
        "undecided |\n|---|---|---|---|"
    )
    found_tables = tables_behind(tables, behind=1.0)
    shown_tables = (ClaimVerdict.SUPPORTED, ClaimVerdict.CONTRADICTED, ClaimVerdict.UNDECIDED)
    yield f"| 1 margin | {' | '.join(str(found_tables[v]) for v in shown_tables)} |"
    yield (
        f"\n## Readings\n\n{tables} studies of twelve readings on two data sets, all alike.\n\n"
        "| LaMix truly behind | a dependence is claimed | some alternative told apart |\n"
        "|---|---|---|"
    )
    for behind in (0.0, 0.52):
        yes, told = null_readings(tables, behind=behind)
        yield f"| {behind:g} points | {yes} | {told} |"


if __name__ == "__main__":
    main()
