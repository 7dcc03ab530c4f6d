"""What a race over seeds saves and how often it errs, on the paper's 21 comparisons.

    python -m tests.benchmarks.racing [--repeats N] [--out FILE]

A simulation: it depends on its seeds alone, so anybody's run gives the same table. Written below
`tests/benchmarks/results/`.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from analysis.statistics.best_set import compare_with_best
from analysis.statistics.looks import look_shares
from analysis.statistics.race_batch import RaceOutcomes, run_races
from analysis.statistics.race_rule import RESTING
from analysis.statistics.racing import RaceRule
from tests.benchmarks.made_up_errors import CONDITIONS, draw_errors, paper_comparisons
from tests.benchmarks.simulation import header, write_results

MOST = 15
FIXED = (3, 4, 5, 7, 9, 11, 13, 15)
EVERY = tuple(range(3, 16))
RACES = {
    "proved, looks 3 5 8 11 15 (the default)": RaceRule(),
    "proved, looks 3 5 7 9": RaceRule(looks=(3, 5, 7, 9)),
    "proved, a look at every seed": RaceRule(looks=EVERY),
    "proved, p < .05 rests": RaceRule(rest=0.05),
    "named, p < .02 rests": RaceRule(rest=0.02, until="named"),
    "named, p < .05 rests": RaceRule(rest=0.05, until="named"),
    "named, p < .1 rests": RaceRule(rest=0.1, until="named"),
    "named, p < .05 rests, a look at every seed": RaceRule(looks=EVERY, rest=0.05, until="named"),
}
EDGE_MARGIN = 0.2
MANY = 15
MANY_SPREADS = {
    "equal spreads": np.full(MANY, 1.0),
    "spreads of .5 to 2.5": np.linspace(0.5, 2.5, MANY),
    "half spread by .25, half by 1.5": np.where(np.arange(MANY) % 2, 0.25, 1.5),
}
"""Of many methods, as shares of a typical spread."""
MANY_RANGES = (0.0, 2.5, 5.0)
"""Typical spreads between the best and the worst; the others lie evenly between."""
MANY_SEEDS = 7
"""That each has without a race."""


@dataclass(frozen=True)
class Score:
    """How a way of giving seeds does, over all comparisons and conditions."""

    named: float
    trials: float
    regret: float
    wrong: float
    null_CG: np.ndarray
    """Wrong decisions where no method differs: conditions, comparisons."""

    def row(self, name: str) -> str:
        """Return the line of the table."""
        null = self.null_CG
        errors = (
            f"{self.wrong:.4f} | {null.mean():.3f} | {null.mean(1).max():.3f} | "
            f"{null.mean(0).max():.3f}"
            if null.size
            else "– | – | – | –"
        )
        return f"| {name} | {self.named:.4f} | {self.trials:.1f} | {self.regret:.5f} | {errors} |"


def main() -> None:
    """Simulate and write the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.racing", description=__doc__)
    parser.add_argument("--repeats", type=int, default=300, help="races per comparison and case")
    parser.add_argument("--out", type=Path, metavar="FILE")
    options = parser.parse_args()
    write_results(_sections(options.repeats), "racing", options.out)


def _sections(repeats: int) -> Iterator[str]:
    yield header("Races over seeds", f"{repeats} races per comparison and condition")
    fixed = {n: _score(_fixed_rule(n), repeats) for n in FIXED}
    yield (
        "\n## Naming the best\n\n21 comparisons × 6 conditions (normal and skewed errors, "
        "correlation 0, .3, .6). *Wrong*: the best method was called beaten. *Null*: the same "
        "spreads, all means equal, any method called beaten; over all, in the worst condition, in "
        "the worst comparison.\n\n"
        "| seeds | best named | trials | regret (points) | wrong | null | worst condition | "
        "worst comparison |\n|---|---|---|---|---|---|---|---|"
    )
    for n, score in fixed.items():
        yield score.row(f"{n} each")
    races = {}
    for name, rule in RACES.items():
        races[name] = _score(_race_rule(rule), repeats, null=True)
        yield races[name].row(name)
    yield from _targets(fixed, races)
    yield from _margin_section(repeats)
    yield from _many_section(repeats)
    yield from _looks_section(repeats * 100)


def _targets(fixed: dict[int, Score], races: dict[str, Score]) -> Iterator[str]:
    yield (
        "\n## Against a fixed number of seeds\n\nTrials saved at an equal probability of naming "
        "the best (goal 40%, stretch 50%), and regret as a share of that of fixed seeds at the "
        "same number of trials; both between the fixed numbers by straight lines.\n\n"
        "| race | trials saved | regret, share |\n|---|---|---|"
    )
    named = [score.named for score in fixed.values()]
    trials = [score.trials for score in fixed.values()]
    regret = [score.regret for score in fixed.values()]
    for name, score in races.items():
        saved = 1 - score.trials / np.interp(score.named, named, trials)
        share = score.regret / np.interp(score.trials, trials, regret)
        yield f"| {name} | {saved:.0%} | {share:.0%} |"
    five = fixed[5]
    cheap = [s for s in races.values() if s.trials <= five.trials * 1.01]
    best = min(cheap, key=lambda s: s.regret)
    yield (
        f"\nFive seeds each: {five.trials:.1f} trials, regret {five.regret:.5f}. The race of least "
        f"regret for no more than 1% above that: {best.trials:.1f} trials, {best.regret:.5f}, "
        f"{best.regret / five.regret:.0%} (goal 60%, stretch 50%)."
    )


def _margin_section(repeats: int) -> Iterator[str]:
    yield (
        "\n## Equivalence, and against a reference\n\nWrong decisions where the truth lies at the "
        "edge, over all comparisons' spreads: all others "
        f"just beyond the margin of {EDGE_MARGIN} points; and all equal, one of them the "
        "reference.\n\n| case | wrong | worst condition | worst comparison |\n|---|---|---|---|"
    )

    def beyond(races: RaceOutcomes) -> np.ndarray:
        return races.equivalent_RK[:, 1:].any(-1) | races.beaten_RK[:, 0]

    def apart(races: RaceOutcomes) -> np.ndarray:
        return (races.beaten_RK | races.better_RK).any(-1)

    edge = RaceRule(margin=EDGE_MARGIN)
    yield _edge_row("equivalent or beaten, beyond the margin", edge, beyond, EDGE_MARGIN, repeats)
    against = RaceRule(against=0)
    yield _edge_row("better or worse than an equal reference", against, apart, 0.0, repeats)


def _edge_row(
    name: str,
    rule: RaceRule,
    is_wrong: Callable[[RaceOutcomes], np.ndarray],
    step: float,
    repeats: int,
) -> str:
    wrong = []
    for i, condition in enumerate(CONDITIONS):
        rng = np.random.default_rng(100 + i)
        for comparison in paper_comparisons():
            means = 10.0 + step * (1 + 1e-9) * (np.arange(len(comparison.means_K)) > 0)
            errors = draw_errors(
                means, comparison.spreads_K, condition, seeds=MOST, repeats=repeats, rng=rng
            )
            wrong.append(is_wrong(run_races(errors, rule)).mean())
    table = np.reshape(wrong, (len(CONDITIONS), -1))
    return (
        f"| {name} | {table.mean():.3f} | {table.mean(1).max():.3f} | {table.mean(0).max():.3f} |"
    )


def _many_section(repeats: int) -> Iterator[str]:
    yield (
        f"\n## {MANY} methods\n\nTheir means lie evenly over so many typical spreads. *Out*: with "
        f"{MANY_SEEDS} seeds each those outside the set that may be the best (`best_set`), in a "
        "race those beaten. *Wrong*: the best is out, or any where all are equal; over all, and in "
        "the worst condition.\n\n"
        "| spreads | apart | seeds | out | trials | wrong | worst condition |\n"
        "|---|---|---|---|---|---|---|"
    )
    looks = {"race to 7": (3, 5, 7), "race to 15": RaceRule().looks}
    ways = {f"{MANY_SEEDS} each": _set_rule(MANY_SEEDS)} | {
        name: _race_rule(RaceRule(looks=own, rest=RESTING)) for name, own in looks.items()
    }
    for spreads, spreads_K in MANY_SPREADS.items():
        for apart in MANY_RANGES:
            for name, run in ways.items():
                row = _many_row(run, spreads_K, apart, repeats)
                yield f"| {spreads} | {apart:g} | {name} | {row} |"


def _many_row(
    run: Callable[[np.ndarray], "Outcome"], spreads_K: np.ndarray, apart: float, repeats: int
) -> str:
    means = 10.0 + np.linspace(0.0, apart, MANY)
    best = means == means.min()
    rows = []
    for i, condition in enumerate(CONDITIONS):
        rng = np.random.default_rng(200 + i)
        errors = draw_errors(means, spreads_K, condition, seeds=MOST, repeats=repeats, rng=rng)
        _, trials, out = run(errors)
        rows.append((out.sum(-1).mean(), trials.mean(), out[:, best].any(-1).mean()))
    out, trials, wrong = np.transpose(rows)
    return f"{out.mean():.1f} | {trials.mean():.0f} | {wrong.mean():.3f} | {wrong.max():.3f}"


def _looks_section(repeats: int) -> Iterator[str]:
    yield (
        "\n## Looks at a paired difference\n\nNo true difference, normal errors, looks at 5, 7, 9, "
        "11 and 13 seeds: how often the 95% interval excludes 0 at some look.\n"
    )
    looks = (5, 7, 9, 11, 13)
    values = np.random.default_rng(7).normal(size=(repeats, looks[-1]))
    p = np.array([stats.ttest_1samp(values[:, :n], 0, axis=1).pvalue for n in looks])
    shares = look_shares(looks)
    alone = (p[-1] < 0.05).mean()
    yield f"- plain intervals: {(p < 0.05).any(0).mean():.3f}; at 13 seeds alone: {alone:.3f}"
    yield f"- repeated intervals: {(p < 0.05 * shares[:, None]).any(0).mean():.3f}"


Outcome = tuple[np.ndarray, np.ndarray, np.ndarray]
"""The method named, the trials used, and which methods were called beaten."""


def _fixed_rule(n: int) -> Callable[[np.ndarray], Outcome]:
    def run(errors: np.ndarray) -> Outcome:
        races, methods, _ = errors.shape
        chosen = errors[:, :, :n].mean(-1).argmin(-1)
        return chosen, np.full(races, n * methods), np.zeros((races, methods), bool)

    return run


def _set_rule(n: int) -> Callable[[np.ndarray], Outcome]:
    def run(errors: np.ndarray) -> Outcome:
        chosen, trials, _ = _fixed_rule(n)(errors)
        return chosen, trials, compare_with_best(errors[:, :, :n])[0]

    return run


def _race_rule(rule: RaceRule) -> Callable[[np.ndarray], Outcome]:
    def run(errors: np.ndarray) -> Outcome:
        races = run_races(errors, rule)
        return races.leader_R, races.seeds_RK.sum(-1), races.beaten_RK

    return run


def _score(run: Callable[[np.ndarray], Outcome], repeats: int, *, null: bool = False) -> Score:
    scores, nulls = [], []
    for i, condition in enumerate(CONDITIONS):
        rng = np.random.default_rng(i)
        for comparison in paper_comparisons():
            means = comparison.means_K
            errors = draw_errors(
                means, comparison.spreads_K, condition, seeds=MOST, repeats=repeats, rng=rng
            )
            chosen, trials, beaten = run(errors)
            best = means == means.min()
            regret = means[chosen] - means.min()
            wrong = beaten[:, best].any(-1)
            scores.append([best[chosen].mean(), trials.mean(), regret.mean(), wrong.mean()])
            if null:
                nulls.append(run(errors - means[:, None] + 10.0)[2].any(-1).mean())
    rows = len(CONDITIONS) if null else 0
    return Score(*np.mean(scores, axis=0), null_CG=np.reshape(nulls, (rows, -1 if null else 0)))


if __name__ == "__main__":
    main()
