"""What a trial records of its insides: without a trace, exact over resumes, as the paper counts."""

import copy
import dataclasses
import io
import math

import numpy as np
import pydantic
import pytest
import torch
from torch import nn

from analysis.figures import diagnostics as formats
from lamix_study.testing.networks import small_options
from lamix_study.testing.operations import Taken
from trainables import networks, plugins, regularizers
from trainables.checkpoints import open_checkpoints
from trainables.configuration import as_dict, flatten_settings, parse_configuration
from trainables.datasets import DatasetError, Images
from trainables.diagnostics import DiagnosticsSettings, soft_targets
from trainables.diagnostics.cam import by_turns, class_activation_maps
from trainables.metrics import COSTS
from trainables.training import Trainer

ALL = {
    "soft_targets": True,
    "cam": True,
    "images": 12,
    "embedding_epochs": [1, 3],
    "embedding_classes": [3, 5, 4],
    "embedding_images": 7,
}
CONFIGURATION = {
    "dataset": {"name": "digits", "validation": 0.2, "train_images": 250, "test_images": 50},
    "network": {"name": "preact_resnet18_bottleneck2d", "width": 2},
    "regularizer": {"name": "lamix"},
    "training": {"epochs": 3, "batch_size": 50, "learning_rate": 0.05, "milestones": []},
}


def asking(diagnostics: dict | None = None, **parts: dict) -> dict:
    return {**copy.deepcopy(CONFIGURATION), **parts, "diagnostics": diagnostics or {}}


def train(trainer: Trainer) -> Trainer:
    while not trainer.finished:
        trainer.train_epoch()
    return trainer


def measured(trainer: Trainer) -> list[dict]:
    return [{k: v for k, v in vars(m).items() if k not in COSTS} for m in trainer.history]


def arrays(trainer: Trainer) -> dict[str, dict[str, np.ndarray]]:
    return {name: dict(np.load(io.BytesIO(held))) for name, held in files(trainer).items()}


def files(trainer: Trainer) -> dict[str, bytes]:
    return trainer.diagnostics.files()


@pytest.fixture(scope="module")
def undisturbed() -> Trainer:
    return train(Trainer(asking(ALL), seed=1))


def test_the_metrics_and_the_network_are_bitwise_those_without(undisturbed):
    without = train(Trainer(asking(), seed=1))
    assert measured(undisturbed) == measured(without)
    for part in ("network", "regularizer"):
        ours, theirs = (getattr(t, part).state_dict() for t in (undisturbed, without))
        for name, value in theirs.items():
            assert torch.equal(ours[name], value), name
    assert files(without) == {}


def test_the_settings_name_the_files_that_a_trial_leaves(undisturbed):
    assert set(undisturbed.configuration.diagnostics.files) == set(files(undisturbed))
    kept = train(Trainer(asking({"predictions": True, "weights": True}), seed=1))
    names = ["predictions.npz", "weights.pt"]
    assert list(kept.configuration.diagnostics.files) == list(files(kept)) == names
    assert measured(kept) == measured(undisturbed)


def test_the_predictions_are_those_that_the_test_metrics_are_of(tmp_path):
    trainer = train(Trainer(asking({"predictions": True}), seed=1))
    (tmp_path / "predictions.npz").write_bytes(files(trainer)["predictions.npz"])
    held = formats.PredictionRecord.read(tmp_path / "predictions.npz")
    last = trainer.history[-1]
    assert held.error == last.test_error
    assert held.labels_N.tolist() == trainer.splits.test.labels_N.tolist()
    own = held.log_p_NC[np.arange(len(held.labels_N)), held.labels_N]
    assert -own.mean() == pytest.approx(last.test_loss, rel=1e-3)
    assert np.exp(held.log_p_NC).sum(1) == pytest.approx(1, abs=5e-3)
    assert len(held.class_names_C) == held.log_p_NC.shape[1] == 10


OTHER_SETTINGS = {
    "soft_targets": (False, []),
    "cam": (False, []),
    "images": (13, ["soft_targets.npz", "cam.npz"]),
    "cam_classes": ((1, 2), ["cam.npz"]),
    "embedding_epochs": ((1, 2), ["embedding.npz"]),
    "embedding_classes": ((1,), ["embedding.npz"]),
    "embedding_images": (8, ["embedding.npz"]),
    "predictions": (True, ["predictions.npz"]),
    "weights": (True, ["weights.pt"]),
}
"""Setting → another value than in `ALL`, and the files that a trial with `ALL` lacks then."""


def test_every_setting_of_the_diagnostics_decides_what_a_file_holds():
    assert OTHER_SETTINGS.keys() == {f.name for f in dataclasses.fields(DiagnosticsSettings)}


@pytest.mark.parametrize("name", OTHER_SETTINGS)
def test_other_settings_lack_the_files_that_they_decide(name):
    value, lacking = OTHER_SETTINGS[name]
    recorded = DiagnosticsSettings(**ALL)
    wanted = DiagnosticsSettings(**{**ALL, name: value})
    assert list(wanted.missing_from(recorded)) == lacking
    assert DiagnosticsSettings().missing_from(recorded) == ()
    assert set(recorded.missing_from(DiagnosticsSettings())) == set(recorded.files)


@pytest.mark.parametrize("name", plugins.component_names("trainables.regularizers"))
def test_no_regularizer_is_disturbed(name):
    parts = {
        "regularizer": {"name": name},
        "network": {"name": "preact_resnet18", "width": 2},
        "training": {"epochs": 2, "batch_size": 100, "learning_rate": 0.05, "milestones": []},
        "dataset": {"name": "digits", "train_images": 250, "test_images": 50},
    }
    recorded = train(Trainer(asking({"soft_targets": True, "images": 10}, **parts)))
    assert measured(recorded) == measured(train(Trainer(asking(**parts))))
    held = arrays(recorded)["soft_targets.npz"]
    assert held["epochs_E"].tolist() == [1, 2]
    assert (held["target_counts_EB"].sum(axis=1) == 2 * 10 * 10).all()
    assert ("global_counts_EB" in held) is (name == "lamix")


def test_the_files_are_as_the_analysis_reads_them(undisturbed, tmp_path):
    assert [f"diagnostics/{name}" for name in files(undisturbed)] == [
        formats.SoftTargets.PATH,
        formats.ActivationMaps.PATH,
        formats.EmbeddingRecord.PATH,
    ]
    for name, content in files(undisturbed).items():
        (tmp_path / name).write_bytes(content)
    targets = formats.SoftTargets.read(tmp_path / "soft_targets.npz")
    assert targets.epochs_E.tolist() == [1, 2, 3]
    assert targets.top_targets_EK.shape == (3, 5)
    assert (np.diff(targets.top_targets_EK, axis=1) <= 0).all()
    assert targets.global_counts_EB.sum(axis=1).tolist() == [2 * 12 * 10] * 3
    maps = formats.ActivationMaps.read(tmp_path / "cam.npz")
    assert maps.images_NHWC.shape == (12, 32, 32, 3) and maps.cam_NHW.shape == (12, 32, 32)
    assert maps.cam_NHW.min() >= 0 and maps.cam_NHW.max() <= 1
    assert maps.labels_N[:10].tolist() == list(range(10))
    embedding = formats.EmbeddingRecord.read(tmp_path / "embedding.npz")
    assert embedding.points_EN2.shape == (2, 21, 2)
    assert embedding.labels_N.tolist() == [3] * 7 + [5] * 7 + [4] * 7
    assert embedding.train_error_E.tolist() == [
        undisturbed.history[epoch - 1].train_error for epoch in (1, 3)
    ]


def test_a_trial_resumed_in_mid_epoch_ends_with_the_same_diagnostics(undisturbed, tmp_path):
    store = open_checkpoints(str(tmp_path))
    trainer = Trainer(asking(ALL), seed=1)
    while not trainer.finished:
        steps = iter(range(1, 100))
        trainer.train_epoch(pause=lambda steps=steps: next(steps) == 3)
        store.save("key", trainer.state_dict())
        trainer = Trainer(asking(ALL), seed=1)
        trainer.load_state_dict(store.load("key"))
    assert files(trainer) == files(undisturbed)


def test_a_checkpoint_from_before_diagnostics_is_gone_on_with():
    trainer = Trainer(asking(), seed=1)
    trainer.train_epoch()
    state = trainer.state_dict()
    del state["diagnostics"], state["configuration"]["diagnostics"]
    other = Trainer(asking(), seed=1)
    other.load_state_dict(state)
    assert other.epoch == 1
    with pytest.raises(ValueError, match="configuration must be the trial's"):
        Trainer(asking(ALL), seed=1).load_state_dict(state)


@pytest.mark.parametrize("alternation", ["even_odd", "coin_flip", "both"])
def test_observing_a_step_waits_for_nothing(alternation):
    trainer = Trainer(asking(ALL, regularizer={"name": "lamix", "alternation": alternation}))
    images = torch.rand(8, 1, 32, 32), torch.arange(8)
    for step in (0, 1):
        variant = trainer.regularizer.variant(step, seed=0)
        batch = trainer.regularizer.batch(*images, variant=variant, generator=torch.Generator())
        compared = trainer.regularizer.compare(trainer.network, batch)
        with Taken():  # which refuses what would wait
            trainer.regularizer.observer(compared)


# Fig. 2: the arithmetic of its largest targets


class Seer(nn.Module):
    """A fixed network: it sees which classes an image is made of, and its features say so."""

    def __init__(self, *, strength: float) -> None:
        super().__init__()
        self.strength = strength
        self.classifier = nn.Identity()

    def features(self, images_NC11: torch.Tensor) -> torch.Tensor:
        return self.strength * (images_NC11.flatten(1) - 0.25)


def recorder_of(regularizer: nn.Module, *, num_classes: int) -> soft_targets.SoftTargets:
    subject = Trainer(asking(network={"name": "lenet"}))._subject()
    splits = dataclasses.replace(subject.splits, num_classes=num_classes)
    subject = dataclasses.replace(subject, regularizer=regularizer, splits=splits)
    return soft_targets.SoftTargets(subject, splits.train[torch.arange(4)])


def largest_targets(*, num_classes: int, strength: float, steps: int = 4000) -> list[float]:
    """Return what the recorder makes of LaMix's own steps, λ and pairs drawn by its own code."""
    regularizer = regularizers.build(
        {"name": "lamix"}, num_classes=num_classes, num_features=num_classes
    )
    regularizer.global_head = nn.Identity()
    recorder = recorder_of(regularizer, num_classes=num_classes)
    generator = torch.Generator().manual_seed(0)
    network = Seer(strength=strength)
    with torch.no_grad():
        for step in range(steps):
            labels_N = torch.randint(num_classes, (32,), generator=generator)
            images_NC11 = torch.eye(num_classes)[labels_N][..., None, None]
            regularizer.loss(network, images_NC11, labels_N, step=step, generator=generator)
    return recorder._mean_top_targets().tolist()


@pytest.mark.parametrize(("num_classes", "least", "most"), [(100, 0.134, 0.140), (10, 0.20, 0.23)])
def test_the_second_largest_target_is_that_of_figure_2(num_classes, least, most):
    """A saturated global label on both classes: .137 for 100 classes, .21 for 10; see Fig. 2."""
    top = largest_targets(num_classes=num_classes, strength=1000.0)
    assert least < top[1] < most
    pair = math.e / (2 * math.e + num_classes - 2)
    alone, other = math.e / (math.e + num_classes - 1), 1 / (math.e + num_classes - 1)
    same = 1 / num_classes  # how often both images are of one class
    expected = (1 - same) * (0.5 / 4 + 0.5 * pair) + same * 0.5 * other
    assert top[1] == pytest.approx(expected, abs=0.005)
    expected = (1 - same) * (0.5 * 3 / 4 + 0.5 * pair) + same * (0.5 + 0.5 * alone)
    assert top[0] == pytest.approx(expected, abs=0.005)


def test_with_a_uniform_global_label_the_targets_are_as_by_hand():
    top = largest_targets(num_classes=10, strength=0.0)
    assert top[1] == pytest.approx(0.9 * 0.25 / 2 + 0.5 / 10, abs=0.005)
    assert top[2:] == pytest.approx([0.05] * 3, abs=1e-6)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"name": "vanilla"}, [1, 0, 0, 0, 0]),
        ({"name": "vanilla", "smoothing": 0.2}, [0.82, 0.02, 0.02, 0.02, 0.02]),
        ({"name": "lamix", "lam": "half", "global_label": "none"}, [0.5, 0.5, 0, 0, 0]),
        (
            {"name": "lamix", "lam": "half", "global_label": "none", "alternation": "both"},
            [0.5, 0.5, 0, 0, 0],
        ),
        (
            {"name": "lamix", "lam": "half", "global_label": "none", "alternation": "coin_flip"},
            [0.5, 0.5, 0, 0, 0],
        ),
    ],
)
def test_the_largest_targets_are_those_of_mixtures_or_of_all_where_nothing_is_mixed(
    settings, expected
):
    regularizer = regularizers.build(settings, num_classes=10, num_features=84)
    recorder = recorder_of(regularizer, num_classes=10)
    network = networks.build("preact_resnet18_bottleneck2d", num_classes=10, in_channels=1, width=2)
    images_NCHW, labels_N = torch.rand(10, 1, 32, 32), torch.arange(10)
    generator = torch.Generator().manual_seed(2)
    for step in range(60):
        regularizer.loss(network, images_NCHW, labels_N, step=step, generator=generator)
    # A tenth of the pairs are an image and itself.
    tolerance = 0.1 if settings["name"] == "lamix" else 1e-6
    assert recorder._mean_top_targets().tolist() == pytest.approx(expected, abs=tolerance)


# Fig. 3: histograms of one fixed batch


def test_a_histogram_counts_every_entry_and_its_ends():
    counts = soft_targets.count_histogram(torch.tensor([0.0, 0.019, 0.021, 0.5, 1.0, 1.1]), 0, 1)
    assert counts.sum() == 6
    assert counts[0] == 2 and counts[1] == 1 and counts[25] == 1 and counts[-1] == 2


def test_the_bins_of_global_labels_span_what_equation_9_allows():
    low, high = soft_targets.global_label_bounds(10)
    assert (round(low, 4), round(high, 4)) == (0.0393, 0.2320)
    logits = torch.full((1, 10), -50.0)
    logits[0, 3] = 50
    entries = regularizers.lamix.global_soft_label(logits)
    assert entries.max() == pytest.approx(high)
    assert regularizers.lamix.global_soft_label(-logits).min() == pytest.approx(low)


def test_the_fixed_batch_is_the_same_for_all_seeds_and_leaves_no_trace():
    seen = []
    for seed in (1, 2):
        trainer = Trainer(asking(ALL), seed=seed)
        recorder = trainer.diagnostics.recorders["soft_targets"]
        trainer.train_epoch()
        before = copy.deepcopy(trainer.network.state_dict())
        steps = recorder._fixed_batch(epoch=1)
        for name, value in trainer.network.state_dict().items():
            assert torch.equal(value, before[name]), name
        assert not trainer.network.training
        seen.append((recorder.batch.images_NCHW, [step.mixed for step in steps]))
    assert torch.equal(seen[0][0], seen[1][0])
    assert seen[0][1] == [False, True]  # its originals, and mixtures of them


# Fig. 7: class activation maps


def network_and_images(name: str, **options):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = networks.build(name, num_classes=10, in_channels=3, **options).eval()
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.running_mean, -0.5, 0.5)
        return network, torch.randn(4, 3, 32, 32), torch.tensor([3, 1, 4, 1])


@pytest.mark.parametrize("name", ["preact_resnet18", "wide_resnet28_10"])
def test_after_global_average_pooling_the_map_is_that_of_zhou(name):
    options = {"width": 8} if name == "preact_resnet18" else {"width": 1}
    network, images, labels = network_and_images(name, **options)
    cam_NHW, logits_NC = class_activation_maps(network, images, labels)
    with torch.no_grad():
        maps_NKYX = network.stages(images)
        zhou_NYX = torch.einsum("nk,nkyx->nyx", network.classifier.weight[labels], maps_NKYX)
        torch.testing.assert_close(logits_NC, network(images))
    for cam_HW, zhou_YX in zip(cam_NHW, zhou_NYX, strict=True):
        zhou_YX = (zhou_YX - zhou_YX.min()) / (zhou_YX.max() - zhou_YX.min())
        zhou_HW = nn.functional.interpolate(zhou_YX[None, None], (32, 32), mode="bilinear")[0, 0]
        torch.testing.assert_close(cam_HW, zhou_HW, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", plugins.component_names("trainables.networks"))
def test_every_network_has_maps_in_the_unit_range_and_no_gradient_is_left(name):
    network, images, labels = network_and_images(name, **small_options(name))
    cam_NHW, _ = class_activation_maps(network, images, labels)
    assert cam_NHW.shape == (4, 32, 32)
    assert cam_NHW.min() >= 0 and cam_NHW.max() <= 1
    assert (cam_NHW.amax((1, 2)) > 0.5).any()
    assert all(parameter.grad is None for parameter in network.parameters())


def test_the_map_shows_where_the_class_is():
    """A hand-made network: channel 0 is the image, and class 1 alone looks at it."""
    network = networks.build("preact_resnet18", num_classes=2, width=1).eval()
    network.stages = nn.Sequential(nn.AvgPool2d(4))
    network.classifier = nn.Linear(1, 2, bias=False)
    with torch.no_grad():
        network.classifier.weight.copy_(torch.tensor([[-1.0], [1.0]]))
    images_NCHW = torch.zeros(2, 1, 32, 32)
    images_NCHW[:, :, :16, :16] = 1
    for_it, against_it = class_activation_maps(network, images_NCHW, torch.tensor([1, 0]))[0]
    assert for_it[4, 4] == 1 and for_it[28, 28] == 0
    assert against_it[4, 4] == 0 and against_it[28, 28] == 1


def test_a_flat_map_is_all_zero():
    network, _, labels = network_and_images("preact_resnet18", width=2)
    with torch.no_grad():
        network.classifier.weight.zero_()
    cam_NHW, _ = class_activation_maps(network, torch.randn(4, 3, 32, 32), labels)
    assert not cam_NHW.any()


def test_test_images_come_by_turns_of_their_classes():
    images = Images(torch.arange(6)[:, None, None, None], torch.tensor([1, 1, 0, 2, 0, 1]))
    turns = by_turns(images)
    assert turns.labels_N.tolist() == [0, 1, 2, 0, 1, 1]
    assert turns.images_NCHW.flatten().tolist() == [2, 0, 3, 4, 1, 5]


def test_maps_are_of_the_classes_that_are_asked_for():
    parts = {"cam": True, "cam_classes": [6, 2], "images": 8}
    trainer = train(Trainer(asking(parts), seed=0))
    maps = np.load(io.BytesIO(files(trainer)["cam.npz"]))
    assert maps["labels_N"].tolist() == [2, 6] * 4


# What is asked for


@pytest.mark.parametrize(
    ("diagnostics", "network", "message"),
    [
        ({"images": 9}, "lenet", "`images` is ignored without `soft_targets` or `cam`"),
        ({"embedding_classes": [1]}, "lenet", "`embedding_classes` is ignored"),
        ({"cam_classes": [1]}, "lenet", "`cam_classes` is ignored without `cam`"),
        ({"embedding_images": 3}, "lenet", "`embedding_images` is ignored"),
        ({"embedding_epochs": [1]}, "lenet", "which lenet does not have; networks with one: preac"),
        (
            {"embedding_epochs": [1, 4]},
            "preact_resnet18_bottleneck2d",
            r"must be at most `training.epochs`, but got 4 with epochs: 3",
        ),
        ({"embedding_epochs": [0]}, "lenet", "greater than or equal to 1"),
    ],
)
def test_what_would_be_ignored_or_never_reached_is_refused(diagnostics, network, message):
    with pytest.raises(pydantic.ValidationError, match=message):
        parse_configuration(asking(diagnostics, network={"name": network}))


def test_a_class_that_is_not_there_is_refused():
    with pytest.raises(DatasetError, match=r"in \[0, 10\), the data's classes, but got 10"):
        Trainer(asking({"embedding_epochs": [1], "embedding_classes": [2, 10]}))
    with pytest.raises(DatasetError, match=r"`diagnostics.cam_classes` must be in \[0, 10\)"):
        Trainer(asking({"cam": True, "cam_classes": [10]}))


def test_nothing_is_recorded_by_default_and_the_params_say_so():
    assert parse_configuration(CONFIGURATION).diagnostics == DiagnosticsSettings()
    params = flatten_settings(as_dict(parse_configuration(CONFIGURATION)))
    assert params["diagnostics.soft_targets"] is False
    assert Trainer(CONFIGURATION).regularizer.observer is None


def test_a_trial_that_diverges_at_once_leaves_no_numbers_that_are_none():
    training = {**CONFIGURATION["training"], "learning_rate": 1e30}
    parts = {"training": training, "network": {"name": "lenet"}}
    trainer = train(Trainer(asking({"soft_targets": True, "cam": True}, **parts)))
    assert trainer.epoch == 1
    assert files(trainer) == {}


def test_kept_weights_make_the_same_predictions():
    trainer = train(Trainer(asking({"weights": True}), seed=0))
    content = trainer.diagnostics.files()["weights.pt"]
    weights = torch.load(io.BytesIO(content), weights_only=True)
    network = networks.build("preact_resnet18_bottleneck2d", num_classes=10, in_channels=1, width=2)
    network.load_state_dict(weights["network"])
    network.to(memory_format=torch.channels_last)  # as it was trained; another rounds otherwise
    images_NCHW = trainer.normalise(trainer.splits.test.images_NCHW[:50])
    assert torch.equal(network.eval()(images_NCHW), trainer.network.eval()(images_NCHW))
    assert weights["regularizer"].keys() == trainer.regularizer.state_dict().keys()
