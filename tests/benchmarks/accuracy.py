"""The gate of every speed claim: trials are as accurate as baseline A by the same recipe."""

import math
import statistics
from typing import Any

from tests.benchmarks.baselines import baseline_a
from tests.benchmarks.cases import Case, can_compile
from tests.benchmarks.table import Figure, section
from trainables.training import Trainer

SEEDS = 5
OURS = {"ours": {}, "ours compiled": {"compile": True}}


def measure(case: Case, *, epochs: int, learning_rate: float) -> str:
    """Return the test errors of trials and of baseline A, over the seeds."""
    recipe: dict[str, Any] = {
        "epochs": epochs,
        "learning_rate": learning_rate,
        "schedule": "cosine",
    }
    ours = {name: settings for name, settings in OURS.items() if not settings or can_compile()}
    errors: dict[str, list[float]] = {name: [] for name in ("A", *ours)}
    precision = ""
    for seed in range(SEEDS):
        configuration = case.configuration(**recipe, precision="auto")
        a = baseline_a(case.splits(), case.build(seed), configuration.training)
        for _ in range(epochs):
            a.train_epoch()
        errors["A"].append(a.error())
        a.close()
        for name, settings in ours.items():
            configuration = case.configuration(**recipe, precision="auto", **settings)
            trainer = Trainer(configuration, seed=seed, data=case.data)
            while not trainer.finished:
                trainer.train_epoch()
            errors[name].append(trainer.history[-1].test_error)
            precision = trainer.precision
    return section(
        f"Accuracy: {case.title} on {case.dataset['name']}",
        f"{epochs} epochs of {len(case.splits().train):,} images, learning rate {learning_rate} "
        f"falling as a cosine, batch 128, {SEEDS} seeds; ours in {precision}, A in fp32. "
        f"Errors of {'; '.join(f'{name}: {_listed(values)}' for name, values in errors.items())}.",
        [
            *(
                Figure(what=f"test error, {name}", value=statistics.fmean(values), unit="%")
                for name, values in errors.items()
            ),
            *(
                Figure(
                    what=f"{name} and A, difference of the means in standard errors",
                    value=_distance(errors[name], errors["A"]),
                    bar=2,
                    better="less",
                )
                for name in ours
            ),
        ],
    )


def _distance(first: list[float], second: list[float]) -> float:
    """Return how far apart the means lie, in standard errors of their difference."""
    pair = (first, second)
    error = math.sqrt(sum(statistics.variance(values) / len(values) for values in pair))
    return abs(statistics.fmean(first) - statistics.fmean(second)) / max(error, 1e-9)


def _listed(values: list[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in values)
