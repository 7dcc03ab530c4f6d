"""What seeds by evidence promise, on real training: races, widths, budgets, ablations.

    python -m tests.benchmarks.real_race [--parts race,kills,…] [--small] [--out FILE]

- `race`: `methods` at quick, raced and with a fixed number of seeds: trials, time, best methods.
- `kills`: a race killed at random moments, and launched again each time, ends with the same records
  bit by bit, and so with the same decision, as one that nothing happened to.
- `width`: studies of four configurations; the half-width that the first seeds predict, beside the
  one that all seeds have; likewise the smallest difference that `--plan --budget` names.
- `budget`: launches that end by their hours, and by how much they overrun.
- `ablation`: the effects that half a factorial shows, beside those of the whole.

Launches run without Ray, one trial after the other, in processes forked from one that has imported
all (`tests.benchmarks.in_process`). `--small` shows in minutes that all parts work; its figures
mean nothing. The exit status is 1 if a race that was killed differs from one that was not.

The file is long because its parts share one lab and one size, and none is of use elsewhere.
"""

import argparse
import copy
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import yaml
from scipy import special

from analysis import trials
from analysis.statistics.effects import PartEffect
from analysis.statistics.pairs import Floats, pair_statistics
from analysis.statistics.prediction import (
    detection_power,
    predicted_half_width,
    smallest_difference,
    spread_of_differences,
)
from analysis.statistics.repeated_pairs import difference_over_looks
from analysis.tables.configurations import MAY_BE_BEST, factors_of, over_configurations
from analysis.tables.next_look import BEST_IS_TOLD as TOLD
from analysis.tables.next_look import foresee_next_look
from analysis.tables.part_effects import effects_of
from analysis.tables.printed import setting_text
from analysis.tables.race import tell_race
from analysis.tables.seed_values import by_seed, completed_trials
from study.execution.runner import TrialRunner
from tests.benchmarks.crash_lab import STUDY_FILE, CrashLab, LaunchError, Scenario, in_fork
from tests.benchmarks.crash_points import small_study
from tests.benchmarks.in_process import launch_in_process
from tests.benchmarks.simulation import write_results
from tests.benchmarks.table import VERSIONS, package_version
from trainables.metrics import EPOCH_SECONDS, TEST_ERROR_LAST, VALIDATION_ERROR

METHODS = Path(__file__).resolve().parents[2] / "search_spaces" / "methods.yaml"
PARTS = ("race", "kills", "width", "budget", "ablation")
WITHIN = 0.25
"""By how much a prediction may miss, as a share of it."""
REGULARIZERS = ("vanilla", "mixup", "cutmix", "resizemix", "lamix")
INTERRUPTED = 130
LONGEST = 7200.0
"""Seconds after which a launch counts as hung: one of a hundred trials may be slow."""
SPENT = Path("spent.txt")
"""Holds the hours that a launch has spent."""


@dataclass(frozen=True)
class Size:
    """How long the benchmark is."""

    epochs: int
    images: int
    fixed: int
    """Seeds of `methods` without a race."""
    looks: tuple[int, ...]
    methods: int
    """Methods that are raced, the first of `methods`."""
    kills: int
    studies: int
    """Of which widths are predicted."""
    pilot: int
    """Seeds that predict."""
    seeds: int
    """Seeds that are predicted, and those of the ablation."""
    budgets: int
    """Launches that end by their hours."""


LONG = Size(15, 600, 7, (3, 5, 8, 11, 15), 15, 10, 10, 5, 15, 5)
SMALL = Size(1, 60, 3, (2, 3), 3, 2, 2, 2, 3, 1)


class RaceLab(CrashLab):
    """Folders in which studies are launched, each with a record of its own."""

    def launched(
        self, study: dict[str, Any], *, into: Path | None = None, status: int = 0
    ) -> tuple[Path, float]:
        """Launch a study and return its folder and the seconds that it took.

        Args:
            study: to be launched at quick.
            into: the folder of an earlier launch, which this one goes on from.
            status: the exit status that the launch must have.

        Raises:
            LaunchError: if it ends otherwise.
        """
        folder = into or self.copied(self.blank, f"launch-{time.monotonic_ns()}")
        (folder / STUDY_FILE).write_text(yaml.safe_dump(study, sort_keys=False))
        began = time.monotonic()
        found = in_fork(folder, _launch_noting_hours, longest=LONGEST)
        seconds = time.monotonic() - began
        if found != status:
            raise LaunchError(f"exit status {found}: {(folder / 'output.txt').read_text()[-1500:]}")
        return folder, seconds


def _launch_noting_hours() -> int:
    """Launch at quick; note the hours that the budget counts when the last epoch has ended."""
    run = TrialRunner.run

    def noting(runner: TrialRunner) -> None:
        try:
            run(runner)
        finally:
            SPENT.write_text(repr(runner.scheduler.meter.hours))

    with patch.object(TrialRunner, "run", noting):
        return launch_in_process([STUDY_FILE, "--scale", "quick"])


def frame_of(folder: Path, study: dict[str, Any]) -> pd.DataFrame:
    """Return the trials that a launch has left on record."""
    return trials.load(study["study"], "quick", f"sqlite:///{folder}/mlflow.db")


# Race


def methods_study(size: Size, seeds: Any) -> dict[str, Any]:
    """Return `methods` at quick with other seeds, and no more of it than the size asks for."""
    data: dict[str, Any] = yaml.safe_load(METHODS.read_text())
    quick = data["scales"]["quick"]
    quick["search"] = {**quick["search"], "seeds": seeds}
    quick["search"]["space"]["regularizer"] = quick["search"]["space"]["regularizer"][
        : size.methods
    ]
    quick["trial"]["training"]["epochs"] = size.epochs
    if size is not LONG:
        quick["trial"]["dataset"]["train_images"] = size.images
    data["scales"] = {"quick": quick, "paper": {}}
    return data


def measure_race(lab: RaceLab, size: Size) -> str:
    """Return what a race of `methods` takes, and what it decides, beside fixed seeds."""
    raced = {"looks": list(size.looks), "decide": "best", "margin": 0.2}
    rows, kept = [], []
    for name, seeds in ((f"{size.fixed} seeds each", size.fixed), ("race", raced)):
        study = methods_study(size, seeds)
        folder, seconds = lab.launched(study)
        frame = frame_of(folder, study)
        found = _best_methods(frame, seeds)
        kept.append(found.may_be_best)
        rows.append(
            f"| {name} | {len(completed_trials(frame))} | {seconds / 60:.1f} | {found.verdict} | "
            f"{found.best} | {_names(found.beaten)} | {_names(found.may_be_best)} |"
        )
        shutil.rmtree(folder.parent)
    fixed, race = kept
    return "\n".join(
        [
            f"## Race of {size.methods} methods, {size.epochs} epochs on digits\n",
            "By validation error. *May be best*: the set of the study's table, which allows for "
            "all looks. *Beaten*: shown to be worse than another, with at most 5% for any error "
            "among all pairs at all looks.\n",
            "| | trials | minutes | verdict | lowest | beaten | may be best |\n"
            "|---|---|---|---|---|---|---|",
            *rows,
            f"\nIn both sets: {len(fixed & race)}. In that of the fixed seeds alone: "
            f"{_names(fixed - race)}. In that of the race alone: {_names(race - fixed)}.\n",
        ]
    )


@dataclass(frozen=True)
class BestMethods:
    """What a study of methods says of them."""

    verdict: str
    best: str
    beaten: set[str]
    may_be_best: set[str]


def _best_methods(frame: pd.DataFrame, seeds: Any) -> BestMethods:
    factors = factors_of(frame)
    looks = seeds["looks"] if isinstance(seeds, dict) else ()
    table = over_configurations(frame, factors, looks=looks)
    names = {row["configuration"]: setting_text(row, factors) for _, row in table.iterrows()}
    search = {"seeds": {"first": None, **seeds} if isinstance(seeds, dict) else seeds}
    story = tell_race(frame, table, factors, search, objective=VALIDATION_ERROR)
    kept = table.loc[table[MAY_BE_BEST].map(bool), "configuration"]
    beaten = [key for key, word in story.standing.items() if word == "beaten"] if story else []
    return BestMethods(
        verdict=story.verdict if story else "–",
        best=names[table["configuration"].iloc[0]],
        beaten={names[key] for key in beaten},
        may_be_best={names[key] for key in kept},
    )


def _names(methods: set[str]) -> str:
    return f"{len(methods)}: {', '.join(sorted(methods))}" if methods else "none"


# Kills


def measure_kills(lab: RaceLab, size: Size) -> tuple[str, bool]:
    """Return what became of a race that was killed at random moments, and whether it differs."""
    looks = list(size.looks)
    study = small_study(seeds={"first": looks[0], "most": looks[-1], "looks": looks})
    killed, faults = lab.disturb(Scenario(study), kills=size.kills, seed=0)
    said = "; ".join(f"{kind}: {text}" for kind, text in faults.items()) or "nothing"
    text = (
        f"## A race killed at random\n\nTwo configurations, looks at {looks} seeds. Killed "
        f"{killed} times before a random side effect and launched again each time, it differs "
        f"from the one that nothing happened to in: {said}.\n\nCompared are all runs, metrics "
        "bit by bit, Optuna's trials, and the table with the decision.\n"
    )
    return text, bool(faults)


# Width


def measure_width(lab: RaceLab, size: Size) -> str:
    """Return predicted beside realised half-widths and smallest differences."""
    rows, misses = [], []
    for number in range(size.studies):
        study = _width_study(number, size)
        folder, _ = lab.launched(study)
        frame = frame_of(folder, study)
        errors = _errors_of(frame)
        shutil.rmtree(folder.parent)
        pilot = spread_of_differences(errors[:, : size.pilot])
        predicted = predicted_half_width(pilot, size.seeds).expected
        realised = _mean_half_width(errors)
        smallest = smallest_difference(pilot.sd, size.seeds)
        whole = spread_of_differences(errors).sd
        power = detection_power(smallest, whole, size.seeds)
        misses.append(abs(realised / predicted - 1) if predicted else np.inf)
        rows.append(
            f"| {study['trial']['regularizer']['name']}, {_images(study)} images | "
            f"{predicted:.2f} | {realised:.2f} | {realised / predicted - 1:+.0%} | "
            f"{smallest:.2f} | {power:.2f} | {_next_look_words(frame, size)} |"
        )
    within = sum(miss <= WITHIN for miss in misses)
    return "\n".join(
        [
            "## Predicted and realised half-width\n",
            f"Four configurations each; {size.pilot} seeds predict the mean half-width of the 95% "
            f"intervals of paired differences at {size.seeds} seeds, in points, and the smallest "
            "difference that is told apart with probability .8, as `--plan --budget` names it; "
            "beside it is that probability at the spread that all seeds have. Last, how many more "
            "seeds the pilot says would tell the best from the next, and whether they did.\n",
            "| study | predicted | realised | off by | smallest | its probability | more seeds |",
            "|---|---|---|---|---|---|---|",
            *rows,
            f"\nWithin {WITHIN:.0%}: {within} of {len(rows)}; median miss "
            f"{np.median(misses):.0%}.\n",
        ]
    )


def _next_look_words(frame: pd.DataFrame, size: Size) -> str:
    """Return how many more seeds the pilot asks for, and whether they told the best two apart."""
    pilot = frame[frame["seed"] < size.pilot]
    table = over_configurations(pilot, factors_of(pilot), TEST_ERROR_LAST)
    found = foresee_next_look(pilot, table, TEST_ERROR_LAST, [size.pilot])
    if found is None or not found.more:
        return "none" if found is None else "told already" if found.sentence == TOLD else "too many"
    seeds = size.pilot + found.more
    if seeds > size.seeds:
        return f"{found.more}, not run"
    later = frame[frame["seed"] < seeds]
    best, other = (by_seed(later, key, TEST_ERROR_LAST) for key in table["configuration"].iloc[:2])
    seen = difference_over_looks(other, best, [size.pilot, seeds])
    return f"{found.more}, {'told' if seen.low > 0 or seen.high < 0 else 'not told'}"


def _width_study(number: int, size: Size) -> dict[str, Any]:
    name = REGULARIZERS[number % len(REGULARIZERS)]
    study = small_study(
        f"width-{number}",
        seeds=size.seeds,
        space={"training.learning_rate": [0.005, 0.01, 0.02, 0.05]},
    )
    study["trial"]["regularizer"] = {"name": name}
    study["trial"]["dataset"]["train_images"] = size.images * (1 + number // len(REGULARIZERS))
    study["trial"]["dataset"]["test_images"] = 300
    study["trial"]["training"]["epochs"] = max(1, size.epochs // 3)
    return study


def _images(study: dict[str, Any]) -> int:
    return int(study["trial"]["dataset"]["train_images"])


def _errors_of(frame: pd.DataFrame) -> Floats:
    full = completed_trials(frame)
    table = full.pivot(index="configuration", columns="seed", values=TEST_ERROR_LAST)
    errors: Floats = table.to_numpy(dtype=np.float64)
    return errors


def _mean_half_width(errors: Floats) -> float:
    """Return the mean half-width of the intervals of all paired differences, each by itself."""
    n = errors.shape[1]
    variances = pair_statistics(errors).variance[np.triu_indices(len(errors), 1)]
    return float(special.stdtrit(n - 1, 0.975) * np.sqrt(variances / n).mean())


# Budget


def measure_budget(lab: RaceLab, size: Size) -> str:
    """Return by how much launches overrun their hours."""
    rows = []
    for number in range(size.budgets):
        study = small_study(f"budget-{number}", seeds=200, space={"regularizer.beta": [0.3, 0.9]})
        study["trial"]["dataset"]["train_images"] = 2 * size.images
        study["trial"]["training"]["epochs"] = 20
        seconds = 30.0 + 10.0 * number
        study["budget"] = {"hours": seconds / 3600}
        folder, _ = lab.launched(study, status=INTERRUPTED)
        frame = frame_of(folder, study)
        spent = float((folder / SPENT).read_text()) * 3600
        epoch = float(frame[EPOCH_SECONDS].max()) if EPOCH_SECONDS in frame else 0.0
        shutil.rmtree(folder.parent)
        over = spent - seconds
        rows.append(
            f"| {seconds:.0f} | {over:.2f} | {epoch:.2f} | {'yes' if over <= epoch else 'no'} |"
        )
    return "\n".join(
        [
            "## Overrun of a budget\n",
            "Launches with a budget of hours, one trial at a time: seconds allowed, seconds from "
            "there to the end of the last epoch, and the longest epoch (0: none was trained).\n",
            "| budget | overrun | longest epoch | within |\n|---|---|---|---|",
            *rows,
            "",
        ]
    )


# Ablation

ABLATED = {
    "from": {
        "regularizer.beta": 1.0,
        "regularizer.original_batches": False,
        "regularizer.global_label": "uniform",
        "regularizer.smoothing": 0.1,
    },
    "to": {
        "regularizer.beta": 0.5,
        "regularizer.original_batches": True,
        "regularizer.global_label": "learned",
        "regularizer.smoothing": 0.0,
    },
}


def measure_ablation(lab: RaceLab, size: Size) -> str:
    """Return the effects by half a factorial beside those by the whole."""
    study = small_study("ablation")
    study["trial"]["dataset"]["train_images"] = size.images
    study["trial"]["dataset"]["test_images"] = 300
    study["trial"]["training"]["epochs"] = size.epochs
    study["search"] = {"seeds": size.seeds}
    found, counts = [], []
    folder = None
    for design in ("fraction", "factorial"):
        plan = {**copy.deepcopy(ABLATED), "parts": list(ABLATED["to"]), "design": design}
        study["ablate"] = plan
        folder, _ = lab.launched(study, into=folder)
        frame = frame_of(folder, study)
        counts.append(len(completed_trials(frame)))
        resolved = {"ablate": plan, "search": {"space": {}}}
        found.append(effects_of(frame, resolved)[0].effects)
    assert folder is not None
    shutil.rmtree(folder.parent)
    half = {effect.term: effect for effect in found[0] if len(effect.term) == 1}
    whole = {effect.term: effect for effect in found[1] if len(effect.term) == 1}
    rows = [_effect_row(half[term], whole[term]) for term in whole]
    return "\n".join(
        [
            "## An ablation by half a factorial\n",
            f"Effects on the test error in points, {size.seeds} seeds: {counts[0]} trials for the "
            f"fraction, {counts[1]} for the factorial. In: the factorial's effect lies in the "
            "fraction's interval.\n",
            "| part | fraction | factorial | in |\n|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _effect_row(half: PartEffect, whole: PartEffect) -> str:
    def text(effect: PartEffect) -> str:
        return f"{effect.estimate:+.2f} [{effect.low:+.2f}, {effect.high:+.2f}]"

    inside = "yes" if half.low <= whole.estimate <= half.high else "no"
    return f"| {whole.term[0]} | {text(half)} | {text(whole)} | {inside} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write the results; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.real_race", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--parts", default=",".join(PARTS), metavar="NAMES", help=f"of {PARTS}")
    parser.add_argument("--small", action="store_true", help="show that it works; no figures")
    parser.add_argument("--out", type=Path, metavar="FILE", help="in place of results/")
    options = parser.parse_args(arguments)
    parts = options.parts.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"there are no parts {', '.join(sorted(unknown))}; known: {', '.join(PARTS)}")
    size = SMALL if options.small else LONG
    differs = False

    def sections(lab: RaceLab) -> Iterator[str]:
        nonlocal differs
        yield _heading(small=options.small)
        for part in parts:
            if part == "kills":
                text, differs = measure_kills(lab, size)
                yield text
            else:
                yield MEASURES[part](lab, size)

    with tempfile.TemporaryDirectory(prefix="race-") as home:
        name = "real-race-small" if options.small else "real-race"
        write_results(sections(RaceLab(Path(home), small_study())), name, options.out)
    return int(differs)


def _heading(*, small: bool) -> str:
    versions = ", ".join(f"{name} {package_version(name)}" for name in VERSIONS)
    short = " (small: that it works, no figures)" if small else ""
    return (
        f"# Seeds by evidence on real training{short}\n\n{time.strftime('%Y-%m-%d')}; {versions}. "
        "Digits, LeNet, on a CPU, one trial after the other, without Ray.\n"
    )


MEASURES: dict[str, Callable[[RaceLab, Size], str]] = {
    "race": measure_race,
    "width": measure_width,
    "budget": measure_budget,
    "ablation": measure_ablation,
}

if __name__ == "__main__":
    sys.exit(main())
