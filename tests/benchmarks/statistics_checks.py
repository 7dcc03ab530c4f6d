"""Do intervals, sets and verdicts hold as often as they promise? By simulation.

    python -m tests.benchmarks.statistics_checks [--size FACTOR] [--out FILE]

It depends on its seeds alone. Written below `tests/benchmarks/results/`.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy import special

from analysis.statistics.best_set import compare_with_best
from analysis.statistics.claims import ClaimVerdict, judge_table
from analysis.statistics.intervals import delta_interval, logit_interval
from analysis.statistics.published import PublishedCell, equivalence_margin, judge_cell
from analysis.statistics.sensitivity import sensitivity_curve
from analysis.statistics.summary import t_interval
from tests.benchmarks.made_up_errors import CONDITIONS, draw_errors, paper_comparisons
from tests.benchmarks.simulation import header, write_results

LOG_ODDS_SPREAD = 0.5
"""Between seeds, of the errors around 1%: half of the error, as few test images show it."""


@dataclass(frozen=True)
class Sizes:
    """How many of each are drawn."""

    intervals: int = 4000
    tables: int = 400
    null_tables: int = 1000
    cells: int = 400
    curves: int = 150

    def scaled(self, factor: float) -> "Sizes":
        """Return the sizes times the factor; null tables and cells stay as they are."""
        return replace(
            self,
            intervals=round(self.intervals * factor),
            tables=round(self.tables * factor),
            curves=round(self.curves * factor),
        )


def main() -> None:
    """Simulate and write the tables."""
    name = "python -m tests.benchmarks.statistics_checks"
    parser = argparse.ArgumentParser(prog=name, description=__doc__)
    parser.add_argument("--size", type=float, default=1.0, metavar="FACTOR")
    parser.add_argument("--out", type=Path, metavar="FILE")
    options = parser.parse_args()
    write_results(_sections(Sizes().scaled(options.size)), "statistics", options.out)


def _sections(sizes: Sizes) -> Iterator[str]:
    yield header("Do the statistics hold?", "Intervals, sets, verdicts and curves")
    yield from _interval_section(sizes.intervals)
    yield from _best_set_section(sizes.tables)
    yield from _claims_section(sizes)
    yield from _cell_section(sizes.cells)
    yield from _curve_section(sizes.curves)


def _interval_section(intervals: int) -> Iterator[str]:
    yield (
        "\n## 95% intervals of an error\n\nErrors whose log-odds are normal, spread "
        f"{LOG_ODDS_SPREAD}; {intervals} intervals each. *Covers*: the true mean error.\n\n"
        "| error | seeds | interval | covers | leaves [0, 100] | mean within |\n"
        "|---|---|---|---|---|---|"
    )
    rng = np.random.default_rng(0)
    for error in (1.0, 20.0):
        nodes = special.ndtri((np.arange(20_000) + 0.5) / 20_000)
        centre = special.logit(error / 100)
        truth = 100 * special.expit(centre + LOG_ODDS_SPREAD * nodes).mean()
        for n in (3, 5, 10):
            z = centre + LOG_ODDS_SPREAD * rng.normal(size=(intervals, n))
            drawn = 100 * special.expit(z)
            for name in ("Student's t", "t on the log-odds", "delta method"):
                ends = np.array([_ends(name, row) for row in drawn])
                means = drawn.mean(1)
                covers = ((ends[:, 0] <= truth) & (truth <= ends[:, 1])).mean()
                leaves = ((ends[:, 0] < 0) | (ends[:, 1] > 100)).mean()
                within = ((ends[:, 0] <= means) & (means <= ends[:, 1])).mean()
                yield f"| {error:g}% | {n} | {name} | {covers:.3f} | {leaves:.3f} | {within:.3f} |"


def _ends(name: str, row: np.ndarray) -> tuple[float, float]:
    if name == "Student's t":
        return t_interval(float(row.mean()), float(row.std(ddof=1)), len(row))
    found = logit_interval(row) if name == "t on the log-odds" else delta_interval(row)
    return found.low, found.high


def _best_set_section(tables: int) -> Iterator[str]:
    yield (
        "\n## The set that may be the best\n\nThe paper's 21 comparisons, 6 conditions, "
        f"{tables} tables each, level 95%. *Equal*: all means equal, coverage of any one method, "
        "over all, in the worst condition, in the worst comparison.\n\n"
        "| seeds | variance | best in the set | equal | worst condition | worst comparison | all "
        "intervals hold, normal | methods kept |\n|---|---|---|---|---|---|---|---|"
    )
    for n in (3, 5, 10):
        for method in ("own", "moderated"):
            yield f"| {n} | {method} | {_best_set_row(n, method, tables)} |"


def _best_set_row(n: int, method: str, tables: int) -> str:
    covered, kept, held, equal = [], [], [], []
    for i, condition in enumerate(CONDITIONS):
        rng = np.random.default_rng(i)
        for comparison in paper_comparisons():
            means = comparison.means_K
            errors = draw_errors(
                means, comparison.spreads_K, condition, seeds=n, repeats=tables, rng=rng
            )
            out, low, high, _ = compare_with_best(errors, method=method)
            covered.append((~out[:, means.argmin()]).mean())
            kept.append((~out).mean())
            truth = np.array([mean - np.delete(means, k).min() for k, mean in enumerate(means)])
            if not condition.skewed:
                inside = (low <= truth + 1e-9) & (truth - 1e-9 <= high)
                held.append(inside.all(-1).mean())
            same = compare_with_best(errors - means[:, None] + 10.0, method=method)[0]
            equal.append((~same).mean())
    table = np.reshape(equal, (len(CONDITIONS), -1))
    return (
        f"{np.mean(covered):.4f} | {table.mean():.3f} | {table.mean(1).min():.3f} | "
        f"{table.mean(0).min():.3f} | {np.mean(held):.3f} | {np.mean(kept):.0%}"
    )


def _claims_section(sizes: Sizes) -> Iterator[str]:
    yield (
        "\n## Claims\n\n"
        f"{sizes.null_tables} tables of ten rows, four equal methods, five seeds, normal errors, "
        "correlation .3: how many say of any row and rival that the subject is better.\n"
    )
    rng = np.random.default_rng(1)
    said = 0
    for _ in range(sizes.null_tables):
        rows = [
            draw_errors(
                np.full(4, 10.0), np.full(4, 0.3), CONDITIONS[1], seeds=5, repeats=1, rng=rng
            )[0]
            for _ in range(10)
        ]
        judged = judge_table(rows, subject=3, forecast=False)
        said += any(c.better is ClaimVerdict.SUPPORTED for row in judged for c in row.rivals)
    yield f"- {said} of {sizes.null_tables} (goal: at most 5%)"
    yield (
        "\nOn par within .3 points, one row of two methods, spread .3, five and ten seeds, "
        f"{sizes.cells} each: verdicts that contradict the truth.\n\n"
        "| true difference | 5 seeds | 10 seeds |\n|---|---|---|"
    )
    for difference, wrong in ((0.0, ClaimVerdict.CONTRADICTED), (0.29, ClaimVerdict.CONTRADICTED),
                              (0.31, ClaimVerdict.SUPPORTED)):  # fmt: skip
        shares = [f"{_par_errors(difference, wrong, n, sizes.cells, rng):.3f}" for n in (5, 10)]
        yield f"| {difference:g} | {' | '.join(shares)} |"


def _par_errors(
    difference: float, wrong: ClaimVerdict, n: int, cells: int, rng: np.random.Generator
) -> float:
    said = 0
    for _ in range(cells):
        row = np.array([[10 + difference], [10.0]]) + rng.normal(0, 0.3, (2, n))
        judged = judge_table([row], subject=0, margin=0.3, forecast=False)
        said += judged[0].on_par is wrong
    return said / cells


def _cell_section(cells: int) -> Iterator[str]:
    yield (
        "\n## Cells against published numbers\n\nOur seeds against mean ± sd of five runs, spread "
        f".3 around 10%, {cells} cells each; the difference in margins.\n\n"
        "| true difference | seeds | reproduced | not reproduced | undecided | untrue |\n"
        "|---|---|---|---|---|---|"
    )
    rng = np.random.default_rng(2)
    for share in (0.0, 0.5, 0.98, 1.02, 2.0):
        for n in (3, 5, 10):
            counts = dict.fromkeys(ClaimVerdict, 0)
            for _ in range(cells):
                theirs = rng.normal(10, 0.3, 5)
                published = PublishedCell(float(theirs.mean()), float(theirs.std(ddof=1)))
                margin = equivalence_margin(published)
                ours = rng.normal(10 + share * margin.points, 0.3, n)
                counts[judge_cell(ours, published, margin, forecast=False).verdict] += 1
            wrong = ClaimVerdict.SUPPORTED if share > 1 else ClaimVerdict.CONTRADICTED
            shares = " | ".join(
                f"{counts[verdict] / cells:.3f}"
                for verdict in (
                    ClaimVerdict.SUPPORTED, ClaimVerdict.CONTRADICTED, ClaimVerdict.UNDECIDED, wrong
                )
            )  # fmt: skip
            yield f"| {share:g} | {n} | {shares} |"


def _curve_section(curves: int) -> Iterator[str]:
    yield (
        f"\n## Sensitivity curves\n\n20 + 12 (β − .5)², noise .3, four seeds, {curves} curves, "
        "level 95%, margin .5.\n\n| values | band holds the whole curve "
        "| good range within the true one | true range within the possible |\n|---|---|---|---|"
    )
    for values in (5, 9):
        rng = np.random.default_rng(3)
        betas = np.linspace(0.1, 0.9, values)
        results = [_curve_holds(betas, rng) for _ in range(curves)]
        shares = " | ".join(f"{share:.3f}" for share in np.mean(results, axis=0))
        yield f"| {values} | {shares} |"


def _curve_holds(betas: np.ndarray, rng: np.random.Generator) -> tuple[bool, bool, bool]:
    truth_at = 20 + 12 * (betas - 0.5) ** 2
    noise = rng.normal(0, 0.3, (len(betas), 4))
    # What a seed does to all values shifts the curve; the band is up to that shift.
    errors = truth_at[:, None] + noise - noise.mean(0)
    curve = sensitivity_curve(list(betas), errors, margin=0.5, points=61)
    truth = 20 + 12 * (curve.grid - 0.5) ** 2
    good = 12 * (curve.grid - 0.5) ** 2 <= 0.5
    shown = _covered(curve.grid, curve.shown_as_good)
    may_be = _covered(curve.grid, curve.may_be_good)
    return (
        bool(((curve.low <= truth) & (truth <= curve.high)).all()),
        bool((good | ~shown).all()),
        bool((may_be | ~good).all()),
    )


def _covered(grid: np.ndarray, ranges: tuple[tuple[float, float], ...]) -> np.ndarray:
    inside = np.zeros(len(grid), bool)
    for low, high in ranges:
        inside |= (grid >= low) & (grid <= high)
    return inside


if __name__ == "__main__":
    main()
