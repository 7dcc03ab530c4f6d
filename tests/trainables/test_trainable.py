"""The actor: what it keeps from one trial for the next."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from trainables import datasets
from trainables.assignment import TrialAssignment
from trainables.code_digest import trial_code
from trainables.configuration import as_dict, parse_configuration
from trainables.metrics import COSTS
from trainables.trainable import TrialTrainable
from trainables.training import Trainer


@pytest.fixture(autouse=True)
def _modes_of_the_process() -> Iterator[None]:
    yield
    torch.use_deterministic_algorithms(False)


def trial(regularizer: dict, **training: object) -> dict:
    return {
        "dataset": {"name": "digits", "validation": 0.1, "train_images": 150, "test_images": 50},
        "network": {"name": "lenet"},
        "regularizer": regularizer,
        "training": {"epochs": 1, "batch_size": 32, "milestones": [], **training},
    }


def assigned(chosen: dict, folder: Path, *, seed: int = 0) -> TrialAssignment:
    return TrialAssignment(
        name="a trial",
        study="a study",
        point="",
        configuration=as_dict(parse_configuration(chosen)),
        seed=seed,
        key=f"key-{seed}",
        data=str(folder),
        checkpoints=str(folder),
        checkpoint_seconds=300.0,
        rungs=[],
        cpus=1.0,
        gpus=0.0,
        avoid=[],
        timeout_seconds=0.0,
        versions={},
        fingerprint=datasets.load(parse_configuration(chosen).dataset, folder).fingerprint,
        own_modules=[],
        code=trial_code(parse_configuration(chosen)).digest,
        proved=[],
    )


def measured(trainer: Trainer) -> list[dict]:
    while not trainer.finished:
        trainer.train_epoch()
    return [{k: v for k, v in vars(e).items() if k not in COSTS} for e in trainer.history]


def test_the_next_trial_of_the_same_shape_gets_the_step_of_the_last(tmp_path: Path) -> None:
    first = trial({"name": "lamix", "beta": 0.3})
    second = trial({"name": "lamix", "beta": 0.6, "smoothing": 0.1}, learning_rate=0.05)
    actor = TrialTrainable(assigned(first, tmp_path))
    measured(actor.trainer)
    step = actor.trainer.step
    assert actor.reset_config(assigned(second, tmp_path, seed=1))
    assert actor.trainer.step is step
    assert measured(actor.trainer) == measured(Trainer(second, seed=1))
    actor.reset_config(assigned(trial({"name": "mixup"}), tmp_path, seed=2))
    assert actor.trainer.step is not step


def test_what_a_training_process_has_imported_is_no_more_looked_at_for_garbage(tmp_path):
    gc.unfreeze()
    TrialTrainable(assigned(trial({"name": "vanilla"}), tmp_path))
    frozen = gc.get_freeze_count()
    gc.unfreeze()
    assert frozen > 100_000  # torch's and Ray's


def test_a_trial_goes_on_from_its_checkpoint_on_the_step_of_another(tmp_path: Path) -> None:
    chosen = trial({"name": "lamix"}, epochs=2)
    actor = TrialTrainable(assigned(chosen, tmp_path))
    actor.trainer.train_epoch()
    actor.trainer.train_epoch(pause=lambda: True)
    actor._save()
    actor.reset_config(assigned(chosen, tmp_path, seed=1))
    measured(actor.trainer)
    actor.reset_config(assigned(chosen, tmp_path, seed=0))
    assert not actor.trainer.between_epochs
    assert measured(actor.trainer) == measured(Trainer(chosen, seed=0))
