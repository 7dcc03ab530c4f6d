"""The training step: recorded or not, kept for another trial or new, it computes the same."""

import copy
import dataclasses
from collections.abc import Iterator

import pytest
import torch

from lamix_study.testing.contract import title
from tests.trainables.tape import Tape
from tests.trainables.test_regularizers import SETTINGS
from trainables import cuda_graphs
from trainables.checkpoints import open_checkpoints
from trainables.cuda_graphs import StepRecordings
from trainables.metrics import COSTS
from trainables.mixing import transport
from trainables.regularizers import RegularizerModule
from trainables.training import Trainer
from trainables.training_step import StepCache

DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[
            pytest.mark.gpu,
            pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
        ],
    ),
]
pytestmark = pytest.mark.parametrize("device", DEVICES)


@pytest.fixture(autouse=True)
def as_in_a_trial(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Deterministic algorithms, recordings at the second step of a variant."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    monkeypatch.setattr(cuda_graphs, "STEPS_BEFORE_RECORDING", 1)
    # As on a GPU: on a CPU the blocks that ask again are counted.
    monkeypatch.setattr(transport, "_who_asks_again", lambda refused_S: slice(None))
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def configuration(regularizer: dict, *, network: str = "lenet", **training: object) -> dict:
    options = {"width": 4} if network == "preact_resnet18" else {}
    return {
        "dataset": {"name": "digits", "validation": 0.1, "train_images": 150, "test_images": 50},
        "network": {"name": network, **options},
        "regularizer": regularizer,
        # The rate falls before the second epoch; each ends with a smaller batch.
        "training": {
            "epochs": 2,
            "batch_size": 16,
            "learning_rate": 0.05,
            "milestones": [0],
            **training,
        },
    }


def trial(config: dict, device: str, *, seed: int = 0, warmth: StepCache | None = None) -> Trainer:
    """Return a trial whose steps are recorded, on a CPU too."""
    trainer = Trainer(config, seed=seed, device=device, warmth=warmth)
    step = trainer.step
    if device == "cpu" and step.recordings is None and not step.regularizer.waits_for_device:
        step.recordings = StepRecordings(Tape(step))
        for group in step.optimizer.param_groups:
            group["lr"] = torch.tensor(group["lr"])
    return trainer


def unrecorded(config: dict, device: str, *, seed: int = 0) -> Trainer:
    trainer = trial(config, device, seed=seed)
    trainer.step.recordings = None
    return trainer


def train(trainer: Trainer) -> Trainer:
    while not trainer.finished:
        trainer.train_epoch()
    return trainer


def assert_equal(one: Trainer, other: Trainer) -> None:
    """Compare metrics, weights, statistics and momentum, bit by bit."""
    for first, second in zip(one.history, other.history, strict=True):
        first, second = (
            {k: v for k, v in dataclasses.asdict(epoch).items() if k not in COSTS}
            for epoch in (first, second)
        )
        assert first == second
    for part in ("network", "regularizer"):
        ours, theirs = one.state_dict()[part], other.state_dict()[part]
        assert ours.keys() == theirs.keys()
        for name, value in ours.items():
            assert torch.equal(value, theirs[name]), name
    for ours, theirs in zip(one.step.momentum, other.step.momentum, strict=True):
        assert torch.equal(ours, theirs)


def recorded(trainer: Trainer) -> int:
    assert trainer.step.recordings is not None
    return len(trainer.step.recordings.replays)


@pytest.mark.parametrize("settings", SETTINGS, ids=title)
def test_recorded_steps_compute_what_unrecorded_ones_do(settings: dict, device: str) -> None:
    config = configuration(settings)
    trainer = train(trial(config, device))
    assert trainer.step.notice == ""
    if trainer.step.regularizer.waits_for_device:
        assert trainer.step.recordings is None
    else:
        assert recorded(trainer)
    assert_equal(trainer, train(unrecorded(config, device)))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("momentum", [{"momentum": 0.0}, {"nesterov": True}])
def test_recorded_steps_of_a_residual_network_compute_the_same(
    device: str, precision: str, momentum: dict
) -> None:
    settings = {"name": "lamix", "beta": 0.7}
    config = configuration(settings, network="preact_resnet18", precision=precision, **momentum)
    trainer = train(trial(config, device))
    assert recorded(trainer) == 2  # original and mixed
    assert_equal(trainer, train(unrecorded(config, device)))


@pytest.mark.parametrize("steps", [1, 4, 12])
def test_a_recorded_trial_goes_on_unrecorded_and_the_other_way_round(
    device: str, steps: int, tmp_path
) -> None:
    config = configuration({"name": "lamix"}, network="preact_resnet18")
    whole = train(unrecorded(config, device))
    for first, then in ((trial, unrecorded), (unrecorded, trial), (trial, trial)):
        before, done = first(config, device), iter(range(1, 100))
        while next(done) <= steps:
            before.train_epoch(pause=lambda: True)
        store = open_checkpoints(str(tmp_path))
        store.save("key", before.state_dict())
        after = then(config, device)
        after.load_state_dict(store.load("key"))
        assert_equal(train(after), whole)


@pytest.mark.parametrize("network", ["lenet", "preact_resnet18"])
def test_a_trial_on_what_another_has_left_equals_a_new_one(device: str, network: str) -> None:
    first = configuration({"name": "lamix", "beta": 0.3, "smoothing": 0.2}, network=network)
    second = configuration(
        {"name": "lamix", "beta": 0.8}, network=network, learning_rate=0.1, epochs=1
    )
    warmth = StepCache()
    before = train(trial(first, device, warmth=warmth))
    recordings, count = before.step.recordings, recorded(before)
    after = trial(second, device, seed=1, warmth=warmth)
    assert after.step is before.step and after.step.recordings is recordings
    assert_equal(train(after), train(unrecorded(second, device, seed=1)))
    assert recorded(after) == count == 2


def test_a_trial_that_was_cut_off_leaves_nothing_to_the_next(device: str) -> None:
    config = configuration({"name": "mixup"}, network="preact_resnet18")
    warmth = StepCache()
    trial(config, device, warmth=warmth).train_epoch(pause=lambda: True)
    after = trial(config, device, seed=1, warmth=warmth)
    assert_equal(train(after), train(unrecorded(config, device, seed=1)))


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("regularizer", {"name": "mixup", "alpha": 0.5}),
        ("regularizer", {"name": "vanilla"}),
        ("network", {"name": "preact_resnet18", "width": 4}),
        ("dataset", {"name": "digits", "train_images": 140}),
        ("training", {"epochs": 1, "batch_size": 8}),
        ("training", {"epochs": 1, "batch_size": 16, "momentum": 0.8}),
        ("training", {"epochs": 1, "batch_size": 16, "nesterov": True}),
        ("training", {"epochs": 1, "batch_size": 16, "weight_decay": 1e-3}),
        ("training", {"epochs": 1, "batch_size": 16, "precision": "bf16"}),
    ],
)
def test_a_trial_of_another_shape_takes_nothing_over(device: str, part: str, change: dict) -> None:
    config = configuration({"name": "mixup"})
    warmth = StepCache()
    before = trial(config, device, warmth=warmth)
    assert trial(config, device, warmth=warmth).step is before.step
    assert trial({**config, part: change}, device, warmth=warmth).step is not before.step


def test_a_step_that_cannot_be_recorded_is_computed_and_the_user_is_told(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configuration({"name": "mixup"}, network="preact_resnet18")
    loss_of = RegularizerModule.loss_of

    def waiting(self, network, batch):
        loss = loss_of(self, network, batch)
        assert loss.item() >= 0
        return loss

    expected = train(unrecorded(config, device))
    monkeypatch.setattr(RegularizerModule, "loss_of", waiting)
    trainer = train(trial(config, device))
    assert trainer.step.recordings is None
    assert "cannot be recorded as a CUDA graph (" in trainer.step.notice
    assert trainer.step.notice.endswith(
        "the trial trains on without, more slowly and with the same results."
    )
    assert_equal(trainer, expected)
    if device == "cuda":
        torch.cuda.empty_cache()  # raises while the allocator believes in a capture


def test_a_trial_that_is_observed_is_not_recorded(device: str) -> None:
    config = configuration({"name": "lamix"})
    config["diagnostics"] = {"soft_targets": True, "images": 8}
    trainer = train(trial(config, device))
    assert recorded(trainer) == 0
    plain = copy.deepcopy(config)
    del plain["diagnostics"]
    assert_equal(trainer, train(trial(plain, device)))


def test_the_last_batch_of_an_epoch_is_not_recorded(device: str) -> None:
    config = configuration({"name": "vanilla"}, batch_size=100)  # 100 and 50 images
    trainer = train(trial(config, device))
    assert trainer.step.recordings.inputs[1].shape == (100,)
    assert_equal(trainer, train(unrecorded(config, device)))
