"""The gate of every speed claim: trials are as accurate as baseline A by the same recipe."""

import math
import statistics
from typing import Any

from tests.benchmarks.baselines import baseline_a
from tests.benchmarks.cases import Case
from tests.benchmarks.table import Figure, section
from trainables.training import Trainer

SEEDS = 5


def measure(case: Case, *, epochs: int, learning_rate: float) -> str:
    """Return the test errors of trials and of baseline A, over the seeds."""
    recipe: dict[str, Any] = {
        "epochs": epochs,
        "learning_rate": learning_rate,
        "schedule": "cosine",
    }
    errors: dict[str, list[float]] = {"A": [], "ours": []}
    precision = ""
    for seed in range(SEEDS):
        configuration = case.configuration(**recipe, precision="auto")
        a = baseline_a(case.splits(), case.build(seed), configuration.training)
        for _ in range(epochs):
            a.train_epoch()
        errors["A"].append(a.error())
        a.close()
        trainer = Trainer(configuration, seed=seed, data=case.data)
        while not trainer.finished:
            trainer.train_epoch()
        errors["ours"].append(trainer.history[-1].test_error)
        precision = trainer.precision
    means = {name: statistics.fmean(values) for name, values in errors.items()}
    standard_error = math.sqrt(
        sum(statistics.variance(values) / SEEDS for values in errors.values())
    )
    return section(
        f"Accuracy: {case.title} on {case.dataset['name']}",
        f"{epochs} epochs of {len(case.splits().train):,} images, learning rate {learning_rate} "
        f"falling as a cosine, batch 128, {SEEDS} seeds; ours in {precision}, A in fp32. "
        f"Errors of A: {_listed(errors['A'])}; ours: {_listed(errors['ours'])}.",
        [
            Figure(what="test error, A", value=means["A"], unit="%"),
            Figure(what="test error, ours", value=means["ours"], unit="%"),
            Figure(
                what="difference of the means in standard errors",
                value=abs(means["ours"] - means["A"]) / max(standard_error, 1e-9),
                bar=2,
                better="less",
            ),
        ],
    )


def _listed(values: list[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in values)
