"""Crash points: a launch is killed before each of its side effects, and launched again.

    python -m tests.benchmarks.crash_points [--scenario NAME …] [--every K] [--out FILE]

A small study is run undisturbed, and its side effects are listed (`tests.benchmarks.side_effects`).
Then, for each of them, the same launch begins in a folder like the first one's, is killed by
SIGKILL right before that side effect, and is launched again to its end. What is on record must be
what the undisturbed launch has left: one run for each trial, none running, every metric bitwise
equal, the same trials of Optuna's, the same plots and tables, and no checkpoint left. The exit
status is 1 if anything differs. Launches run without Ray, in processes forked from one that has
imported all (`tests.benchmarks.in_process`).
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.crash_lab import COLUMNS, CrashLab, Scenario, Sweep


def small_study(name: str = "small", **search: Any) -> dict[str, Any]:
    """Return a study of trials that take a moment."""
    return {
        "study": name,
        "question": "What does a crash leave?",
        "trial": {
            "dataset": {
                "name": "digits",
                "validation": 0.2,
                "train_images": 60,
                "test_images": 30,
            },
            "network": {"name": "lenet"},
            "regularizer": {"name": "lamix"},
            "training": {"epochs": 2, "batch_size": 24, "milestones": []},
        },
        "search": {
            "sampler": "grid",
            "seeds": 2,
            "space": {"regularizer.beta": [0.3, 0.9]},
            **search,
        },
        "checkpoints": {"at_least_every_seconds": 0.001},
        "scales": {"quick": {}, "paper": {}},
    }


TPE: dict[str, Any] = {
    "sampler": "tpe",
    "configurations": 12,
    "seeds": 1,
    "space": {"regularizer.beta": {"low": 0.1, "high": 0.9}},
}
"""Two configurations more than TPE draws at random first."""
SCENARIOS = {
    "grid": Scenario(small_study()),
    "tpe": Scenario(small_study(**TPE)),
    "extension": Scenario(small_study(seeds=3), before=small_study()),
    "widening": Scenario(
        small_study(space={"regularizer.beta": [0.3, 0.6, 0.9]}), before=small_study()
    ),
    "adoption": Scenario(small_study("other"), before=small_study()),
    "race": Scenario(small_study(seeds={"first": 2, "most": 3, "looks": [2, 3]})),
}


def table_of(sweeps: dict[str, Sweep]) -> str:
    """Return what sweeps have found, in Markdown."""
    head = ["scenario", "points", "tried", "killed", *COLUMNS]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for name, sweep in sweeps.items():
        counts = [sweep.points, sweep.tried, sweep.killed, *sweep.faults.values()]
        lines.append(f"| {name} | " + " | ".join(map(str, counts)) + " |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Sweep and print; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.crash_points", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--scenario", nargs="+", choices=SCENARIOS, default=list(SCENARIOS))
    parser.add_argument("--every", type=int, default=1, metavar="K", help="each K-th point alone")
    parser.add_argument("--first", type=int, default=1, metavar="N", help="begin with point N")
    parser.add_argument("--points", type=int, nargs="+", metavar="N", help="these points alone")
    parser.add_argument("--list", action="store_true", help="print the points, kill nothing")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the table there too")
    options = parser.parse_args(arguments)
    sweeps: dict[str, Sweep] = {}
    with tempfile.TemporaryDirectory(prefix="crash-") as home:
        lab = CrashLab(Path(home), small_study())
        for name in options.scenario:

            def chosen(count: int) -> Sequence[int]:
                every = range(options.first, count + 1, options.every)
                return () if options.list else options.points or every

            sweeps[name], effects = lab.sweep(SCENARIOS[name], chosen)
            if options.list:
                print(*(f"{n} {' '.join(e)}" for n, e in enumerate(effects, 1)), sep="\n")
            kinds = ", ".join(f"{kind} {n}" for kind, n in sorted(sweeps[name].kinds.items()))
            print(f"{name}: killed before: {kinds or 'nothing'}", *sweeps[name].said, sep="\n")
            table = table_of(sweeps)
            print(table, flush=True)
    if options.out:
        options.out.write_text(f"{table}\n")
    return int(any(sweep.said for sweep in sweeps.values()))


if __name__ == "__main__":
    sys.exit(main())
