"""The training loop: exact reruns, exact resumes, the schedule, what it measures."""

import copy
import io
import math
import resource
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from trainables import precision
from trainables.batches import TrainingImages, evenly_chosen
from trainables.checkpoints import CheckpointError, SaveCadence, open_checkpoints
from trainables.datasets import Images, Splits
from trainables.metrics import COSTS, EpochMetrics, has_diverged, summarise_trial
from trainables.recipe import TrainingSettings
from trainables.training import Trainer

CONFIGURATION = {
    "dataset": {"name": "digits", "validation": 0.2},
    "network": {"name": "lenet"},
    "regularizer": {"name": "lamix", "beta": 0.7},
    "training": {"epochs": 3, "batch_size": 128, "learning_rate": 0.05, "milestones": [1]},
}


def measured(history: list[EpochMetrics]) -> list[dict[str, float]]:
    return [{k: v for k, v in vars(epoch).items() if k not in COSTS} for epoch in history]


def train(trainer: Trainer) -> list[dict[str, float]]:
    while not trainer.finished:
        trainer.train_epoch()
    return measured(trainer.history)


@pytest.fixture(scope="module")
def undisturbed() -> list[dict[str, float]]:
    return train(Trainer(CONFIGURATION, seed=1))


def test_a_rerun_gives_bitwise_equal_metrics(undisturbed):
    torch.manual_seed(123)  # must not matter
    assert train(Trainer(CONFIGURATION, seed=1)) == undisturbed


def test_another_seed_gives_other_metrics(undisturbed):
    assert train(Trainer(CONFIGURATION, seed=2)) != undisturbed


@pytest.mark.parametrize("epoch", [0, 1, 2])
def test_a_trial_restored_after_any_epoch_equals_one_that_ran_through(epoch, undisturbed, tmp_path):
    before = Trainer(CONFIGURATION, seed=1)
    for _ in range(epoch):
        before.train_epoch()
    store = open_checkpoints(str(tmp_path))
    store.save("key", before.state_dict())
    after = Trainer(CONFIGURATION, seed=1)
    after.load_state_dict(store.load("key"))
    assert train(after) == undisturbed


def test_a_trial_restored_in_the_middle_of_an_epoch_equals_one_that_ran_through(
    undisturbed, tmp_path
):
    before = Trainer(CONFIGURATION, seed=1)
    before.train_epoch()
    steps = iter(range(100))
    assert before.train_epoch(pause=lambda: next(steps) == 3) is None
    assert not before.between_epochs
    store = open_checkpoints(str(tmp_path))
    store.save("key", before.state_dict())
    after = Trainer(CONFIGURATION, seed=1)
    after.load_state_dict(store.load("key"))
    assert train(after) == undisturbed


def test_an_epoch_left_and_gone_on_with_in_one_process_changes_nothing(undisturbed):
    trainer = Trainer(CONFIGURATION, seed=1)
    while not trainer.finished:
        trainer.train_epoch(pause=lambda: True)
    assert measured(trainer.history) == undisturbed


def test_a_checkpoint_of_another_trial_is_refused():
    trainer = Trainer(CONFIGURATION, seed=1)
    with pytest.raises(ValueError, match="seed must be the trial's: 2 is not 1"):
        trainer.load_state_dict(Trainer(CONFIGURATION, seed=2).state_dict())
    other = copy.deepcopy(CONFIGURATION)
    other["regularizer"]["beta"] = 0.3
    with pytest.raises(ValueError, match="configuration must be the trial's"):
        trainer.load_state_dict(Trainer(other, seed=1).state_dict())


def test_training_past_the_end_is_refused():
    trainer = Trainer(CONFIGURATION, seed=1)
    train(trainer)
    with pytest.raises(RuntimeError, match="ended after epoch 3"):
        trainer.train_epoch()


def test_a_loss_that_is_not_finite_ends_the_trial():
    configuration = copy.deepcopy(CONFIGURATION)
    configuration["training"]["learning_rate"] = 1e9
    trainer = Trainer(configuration, seed=1)
    trainer.train_epoch()
    assert not math.isfinite(trainer.history[0].train_loss)
    assert trainer.finished and has_diverged(trainer.history)


def test_bf16_trains_and_keeps_parameters_in_fp32():
    configuration = copy.deepcopy(CONFIGURATION)
    configuration["training"] |= {"precision": "bf16", "epochs": 1}
    trainer = Trainer(configuration, seed=1)
    train(trainer)
    assert {p.dtype for p in trainer.network.parameters()} == {torch.float32}
    assert math.isfinite(trainer.history[0].train_loss)


def narrow(precision: str) -> dict:
    configuration = copy.deepcopy(CONFIGURATION)
    configuration["dataset"] |= {"train_images": 200, "test_images": 100}
    configuration["network"] = {"name": "preact_resnet18", "width": 16}
    configuration["training"] |= {"precision": precision, "epochs": 2}
    return configuration


@pytest.mark.parametrize("flags", ["avx512_bf16", "amx_bf16", "avx2"])
def test_precision_auto_is_bf16_where_the_device_has_instructions_for_it(flags, monkeypatch):
    monkeypatch.setattr(precision, "cpuinfo_field", lambda field: [f"fpu {flags}"])
    expected = "fp32" if flags == "avx2" else "bf16"
    assert precision.best_precision(torch.device("cpu")) == expected


def test_precision_auto_equals_the_precision_that_it_chooses(monkeypatch):
    monkeypatch.setattr(precision, "cpuinfo_field", lambda field: ["avx512_bf16"])
    chosen = Trainer(narrow("auto"), seed=1)
    assert chosen.precision == "bf16"
    assert train(chosen) == train(Trainer(narrow("bf16"), seed=1))


def test_a_trial_in_bf16_restored_in_the_middle_of_an_epoch_equals_one_that_ran_through(tmp_path):
    before = Trainer(narrow("bf16"), seed=1)
    assert before.train_epoch(pause=lambda: True) is None
    store = open_checkpoints(str(tmp_path))
    store.save("key", before.state_dict())
    after = Trainer(narrow("bf16"), seed=1)
    after.load_state_dict(store.load("key"))
    assert train(after) == train(Trainer(narrow("bf16"), seed=1))


def test_a_trial_goes_on_in_the_precision_that_it_began_in(monkeypatch):
    monkeypatch.setattr(precision, "cpuinfo_field", lambda field: ["avx512_bf16"])
    before = Trainer(narrow("auto"), seed=1)
    before.train_epoch()
    monkeypatch.setattr(precision, "cpuinfo_field", lambda field: ["avx2"])
    after = Trainer(narrow("auto"), seed=1)
    assert after.precision == "fp32"
    after.load_state_dict(copy.deepcopy(before.state_dict()))
    assert after.precision == "bf16"
    assert train(after) == train(before)


def test_fused_steps_on_channels_last_weights_equal_plain_ones():
    trainer = Trainer(narrow("bf16"), seed=1)
    plain = copy.deepcopy(trainer.network)
    optimizer = torch.optim.SGD(
        plain.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4, foreach=False
    )
    for _ in range(2):
        trainer.step.optimizer.zero_grad()
        optimizer.zero_grad()
        for fused, reference in zip(trainer.network.parameters(), plain.parameters(), strict=True):
            noise = torch.rand(reference.shape)
            for parameter in (fused, reference):
                parameter.grad = torch.empty_like(parameter).copy_(noise)
        trainer.step.optimizer.step()
        optimizer.step()
    for fused, reference in zip(trainer.network.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(fused, reference)


def test_nothing_is_held_out_without_a_validation_share():
    configuration = copy.deepcopy(CONFIGURATION)
    configuration["dataset"]["validation"] = 0
    trainer = Trainer(configuration, seed=1)
    trainer.train_epoch()
    assert trainer.history[0].validation_error is None


def test_the_error_of_a_constant_network_is_counted_by_hand():
    trainer = Trainer(CONFIGURATION, seed=1)
    with torch.no_grad():
        trainer.network.classifier.weight.zero_()
        trainer.network.classifier.bias.copy_(torch.eye(10)[7])
    test = trainer.splits.test
    sevens = int((test.labels_N == 7).sum())
    assert trainer.evaluate({"test": test})["test_error"] == 100 * (len(test) - sevens) / len(test)


def test_the_rate_falls_after_the_epochs_that_mixup_cifar10_names():
    recipe = TrainingSettings()
    rates = [recipe.learning_rate_at(epoch) for epoch in (1, 101, 102, 151, 152, 400)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


def test_cosine_starts_at_the_full_rate_and_ends_near_zero():
    recipe = TrainingSettings(schedule="cosine", epochs=10)
    rates = [recipe.learning_rate_at(epoch) for epoch in range(1, 11)]
    assert rates[0] == 0.1
    assert rates == sorted(rates, reverse=True)
    assert rates[5] == pytest.approx(0.05)


def splits(images_NCHW: torch.Tensor, *, padding: int = 4, flip: bool = True) -> Splits:
    images = Images(images_NCHW, torch.arange(len(images_NCHW)))
    channels = images_NCHW.shape[1]
    return Splits(
        images,
        images,
        images,
        num_classes=len(images_NCHW),
        classes=("",) * len(images_NCHW),
        mean=(0.5,) * channels,
        std=(0.25,) * channels,
        padding=padding,
        flip=flip,
        fingerprint="",
    )


def test_each_image_is_cropped_and_flipped_by_its_own_draw():
    images = torch.randint(1, 255, (64, 3, 8, 8), dtype=torch.uint8)
    source = TrainingImages(splits(images), batch_size=64, device=torch.device("cpu"))
    epoch = source.epoch(0, 1)
    batch_NCHW, labels_N = epoch.batch(0)
    padded = torch.nn.functional.pad(images, (4, 4, 4, 4))
    for row, label in enumerate(labels_N):
        top, left = int(epoch.rows_N[row]), int(epoch.columns_N[row])
        crop = padded[label, :, top : top + 8, left : left + 8]
        crop = crop.flip(-1) if epoch.flips_N[row] else crop
        torch.testing.assert_close(batch_NCHW[row], (crop / 255 - 0.5) / 0.25)
    assert len(set(zip(epoch.rows_N.tolist(), epoch.columns_N.tolist(), strict=True))) > 20


def test_every_image_is_there_once_an_epoch_and_the_last_batch_is_kept():
    images = torch.zeros(10, 1, 8, 8, dtype=torch.uint8)
    source = TrainingImages(splits(images), batch_size=4, device=torch.device("cpu"))
    assert len(source) == 3
    labels = torch.cat([source.epoch(0, 1).batch(i)[1] for i in range(3)])
    assert labels.sort().values.tolist() == list(range(10))
    assert source.epoch(0, 1).order_N.tolist() != source.epoch(0, 2).order_N.tolist()


def test_evenly_takes_images_from_the_whole_range():
    images = Images(torch.zeros(100, 1, 1, 1, dtype=torch.uint8), torch.arange(100))
    assert evenly_chosen(images, 5).labels_N.tolist() == [0, 24, 49, 74, 99]
    assert len(evenly_chosen(images, 1000)) == 100


def epochs(test: list[float], validation: list[float | None]) -> list[EpochMetrics]:
    return [
        EpochMetrics(
            epoch=i + 1,
            train_loss=1.0,
            train_error=0.0,
            validation_error=v,
            test_error=t,
            learning_rate=0.1,
            epoch_seconds=1.0,
            images_per_second=1.0,
            peak_memory_mb=1.0,
        )
        for i, (t, v) in enumerate(zip(test, validation, strict=True))
    ]


def test_the_summary_of_three_epochs_is_as_by_hand():
    summary = summarise_trial(epochs([5.0, 4.0, 6.0], [3.0, 2.0, 2.0]))
    assert summary.best_validation_error == 2.0
    assert summary.test_error_at_best_validation == 4.0  # the first of the two best epochs
    assert summary.test_error_last == 6.0
    assert summary.test_error_last10_median == 5.0
    assert summary.test_error_best == 4.0


def test_only_the_last_ten_epochs_count_for_their_median():
    summary = summarise_trial(epochs([90.0] * 5 + [1.0] * 10, [None] * 15))
    assert summary.test_error_last10_median == 1.0
    assert summary.best_validation_error is None


def test_a_checkpoint_cut_short_is_named(tmp_path):
    store = open_checkpoints(str(tmp_path))
    store.save("key", {"a": torch.ones(3)})
    file = tmp_path / "key.pt"
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(CheckpointError, match=f"{file} is damaged"):
        store.load("key")
    assert store.load("other") is None


def test_a_save_leaves_nothing_but_the_checkpoint(tmp_path):
    store = open_checkpoints(str(tmp_path))
    for value in range(3):
        store.save("key", {"value": value})
    assert [file.name for file in Path(tmp_path).iterdir()] == ["key.pt"]
    assert store.load("key") == {"value": 2}
    store.discard("key")
    store.discard("key")
    assert store.load("key") is None


def test_a_sweep_deletes_what_ended_and_what_was_cut_short(tmp_path):
    store = open_checkpoints(str(tmp_path))
    for key in ("ended", "unfinished"):
        store.save(key, {"value": 1})
    (tmp_path / "unfinished.pt.123.part").write_bytes(b"half")
    (tmp_path / "ended.cam.npz").write_bytes(b"on its way to the record")
    store.sweep({"ended"})
    assert {file.name for file in tmp_path.iterdir()} == {"unfinished.pt", "ended.cam.npz"}


def test_a_save_that_finds_the_disk_full_leaves_the_old_checkpoint_and_no_half(tmp_path):
    store = open_checkpoints(str(tmp_path))
    store.save("key", {"value": 1})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(OSError, match="large"):
            store.save("key", {"value": torch.zeros(10_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert store.load("key") == {"value": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["key.pt"]


def test_saves_take_at_most_two_percent_of_the_time(monkeypatch):
    now = 0.0
    monkeypatch.setattr("trainables.checkpoints.time.monotonic", lambda: now)
    cadence = SaveCadence(300, estimated_cost=0.1)
    now = 4.9
    assert not cadence.due()
    now = 5.1
    assert cadence.due()
    cadence.saved(1.0)
    now += 49
    assert not cadence.due()
    now += 2
    assert cadence.due()
    cadence.saved(100.0)
    now += 299
    assert not cadence.due()
    now += 2
    assert cadence.due()


def test_every_epoch_measures_the_scores_and_the_last_one_the_tempered(undisturbed):
    scores = ("loss", "top5_error", "brier", "calibration_error", "confidence")
    names = {f"{split}_{score}" for split in ("validation", "test") for score in scores}
    assert all(epoch[name] is not None for epoch in undisturbed for name in names)
    tempered = [epoch["test_calibration_error_tempered"] for epoch in undisturbed]
    assert tempered[:-1] == [None, None] and 0 <= tempered[-1] <= 100


def test_a_checkpoint_of_an_older_version_lacks_scores_and_goes_on(undisturbed):
    before = Trainer(CONFIGURATION, seed=1)
    before.train_epoch()
    state = before.state_dict()
    older = ("epoch", "train_loss", "train_error", "validation_error", "test_error", *COSTS)
    state["history"] = [
        {name: epoch[name] for name in (*older, "learning_rate")} for epoch in old_rows(before)
    ]
    after = Trainer(CONFIGURATION, seed=1)
    after.load_state_dict(state)
    assert after.history[0].test_loss is None
    assert train(after)[1:] == undisturbed[1:]


def old_rows(trainer: Trainer) -> list[dict[str, float]]:
    """The history as checkpoints held it: a mapping for each epoch."""
    return [dict(vars(epoch)) for epoch in trainer.history]


def test_four_hundred_epochs_of_scores_add_less_than_a_twentieth_to_the_smallest_checkpoint(
    undisturbed,
):
    trainer = Trainer(CONFIGURATION, seed=1)
    trainer.train_epoch()
    epoch = trainer.history[0]
    older = {name for name in vars(epoch) if name in ("epoch", "train_loss", "train_error",
             "validation_error", "test_error", "learning_rate", *COSTS)}  # fmt: skip

    def size(history: object) -> int:
        file = io.BytesIO()
        torch.save({**trainer.state_dict(), "history": history}, file)
        return len(file.getvalue())

    trainer.history = [replace(epoch, epoch=number, test_loss=number / 7) for number in range(400)]
    rows = [{name: vars(epoch)[name] + number / 7 for name in older} for number in range(400)]
    assert size(trainer.state_dict()["history"]) < 1.05 * size(rows)
