"""Compiled passes: what they compute, for whom one compilation serves, that it is repeatable."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.benchmarks.cases import can_compile
from trainables.training import Trainer
from trainables.training_step import StepCache

pytestmark = pytest.mark.skipif(not can_compile(), reason="torch.compile needs a C++ compiler")

BATCH = 128
PUZZLEMIX = {"name": "puzzlemix", "blocks": [2, 4], "solver": "belief_propagation"}
EACH = [
    {"name": "vanilla"},
    {"name": "mixup"},
    {"name": "manifold_mixup", "layers": [0, 1]},
    PUZZLEMIX,
    {**PUZZLEMIX, "clean_weight": 1.0},
    {"name": "lamix", "mixing": "puzzlemix"},
    {"name": "lamix", "alternation": "both"},
]


@pytest.fixture(scope="module", autouse=True)
def _own_compilations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Compile for these tests alone, nothing that a run before them has left."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path_factory.mktemp("compiled")))
        yield


def trainer(
    *, compiled: bool = True, warmth: StepCache | None = None, batch: int = BATCH, **changes: object
) -> Trainer:
    settings = {
        # Two batches of an epoch are whole, the third is not.
        "dataset": {"name": "digits", "train_images": 300, "test_images": 100, "validation": 0},
        "network": {"name": "lenet"},
        "regularizer": {"name": "lamix"},
        **changes,
        "training": {"epochs": 2, "batch_size": batch, "milestones": [], "compile": compiled},
    }
    return Trainer(settings, seed=3, warmth=warmth)


def losses(trial: Trainer) -> list[float]:
    while not trial.finished:
        trial.train_epoch()
    return [epoch.train_loss for epoch in trial.history]


def compilations() -> int:
    from torch._dynamo.utils import counters

    return int(counters["stats"]["unique_graphs"])


@pytest.mark.slow
@pytest.mark.parametrize("regularizer", EACH, ids=lambda settings: "-".join(map(str, settings)))
def test_compiled_passes_compute_the_same_but_for_rounding(regularizer: dict) -> None:
    plain = trainer(compiled=False, regularizer=regularizer)
    compiled = trainer(regularizer=regularizer)
    assert losses(compiled) == pytest.approx(losses(plain), rel=2e-3)
    assert not compiled.network.compiled
    assert all(parameter.requires_grad for parameter in compiled.network.parameters())
    assert compilations() > 0


def test_one_compilation_serves_many_trials() -> None:
    torch._dynamo.reset()
    warmth, earlier = StepCache(), compilations()
    losses(trainer(warmth=warmth))
    before = compilations()
    assert before > earlier
    losses(trainer(warmth=warmth, regularizer={"name": "lamix", "beta": 0.9}))  # the same step
    losses(trainer(regularizer={"name": "mixup"}))  # other networks of the same shape
    losses(trainer(regularizer={"name": "cutmix", "smoothing": 0.1}))
    assert compilations() == before


def test_a_compiled_trial_restored_in_the_middle_of_an_epoch_equals_one_that_ran_through() -> None:
    undisturbed = losses(trainer())
    before, steps = trainer(), iter(range(10))
    before.train_epoch()
    assert before.train_epoch(pause=lambda: next(steps) == 1) is None
    after = trainer()
    after.load_state_dict(before.state_dict())
    assert losses(after) == undisturbed


@pytest.mark.slow
def test_another_process_compiles_the_same(tmp_path: Path) -> None:
    program = (
        "import torch; from tests.trainables.test_compilation import *; "
        "torch.set_num_threads(1); print(losses(trainer()))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "TORCHINDUCTOR_CACHE_DIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    ).stdout
    assert json.loads(printed) == losses(trainer())


def test_whoever_compiles_is_another_trial() -> None:
    from trainables.trial_key import hash_configuration

    keys = {
        hash_configuration(trainer(compiled=c).configuration, data="d", seed=0)
        for c in (False, True)
    }
    assert len(keys) == 2


def test_a_trial_says_when_there_are_more_shapes_than_it_compiles(monkeypatch) -> None:
    from torch._dynamo import config, exc

    losses(trainer())
    monkeypatch.setattr(config, "recompile_limit", 1)
    monkeypatch.setattr(config, "accumulated_recompile_limit", 1)
    with pytest.raises(exc.FailOnRecompileLimitHit):
        losses(trainer(batch=90))
    torch._dynamo.reset()


@pytest.mark.parametrize("deterministic", [True, False])
def test_the_compiler_hears_whether_the_process_is_deterministic(deterministic):
    from torch._inductor import config

    from trainables.networks._compilation import compiled_run

    torch.set_deterministic_debug_mode("error" if deterministic else "default")
    config.deterministic = not deterministic
    compiled_run.cache_clear()
    try:
        compiled_run()
        assert config.deterministic is deterministic
        assert torch.are_deterministic_algorithms_enabled() is deterministic
    finally:
        compiled_run.cache_clear()
        torch.use_deterministic_algorithms(False)
