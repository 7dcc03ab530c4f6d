"""The scores of a split: by hand, what must always hold, and against torchmetrics and scipy."""

import math

import numpy as np
import pytest
import scipy.optimize
import scipy.special
import torch
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_calibration_error

from trainables.datasets import Images
from trainables.evaluation import (
    BINS,
    TEMPERATURE_RANGE,
    SplitScores,
    evaluate_splits,
    fit_inverse_temperature,
    score_sums,
    scores_from,
)


def scores_of(logits_NC: torch.Tensor, labels_N: torch.Tensor) -> SplitScores:
    sums = score_sums(logits_NC, labels_N).tolist()
    return scores_from(sums, num_classes=logits_NC.shape[1])


def drawn(
    count: int = 2500, classes: int = 10, *, scale: float = 3.0, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits that are more confident than right, and labels."""
    generator = torch.Generator().manual_seed(seed)
    logits_NC = scale * torch.randn(count, classes, generator=generator)
    noisy_NC = logits_NC / 3 + torch.randn(count, classes, generator=generator)
    return logits_NC, noisy_NC.argmax(1)


def test_three_images_are_scored_as_by_hand():
    p_NC = torch.tensor([[0.82, 0.18], [0.62, 0.38], [0.28, 0.72]], dtype=torch.float64)
    scores = scores_of(p_NC.log(), torch.tensor([0, 1, 1]))
    assert scores.error == pytest.approx(100 / 3)
    assert scores.top5_error is None
    assert scores.loss == pytest.approx(-(math.log(0.82) + math.log(0.38) + math.log(0.72)) / 3)
    assert scores.brier == pytest.approx(2 * (0.18**2 + 0.62**2 + 0.28**2) / 3)
    assert scores.calibration_error == pytest.approx(100 * (0.18 + 0.62 + 0.28) / 3)
    assert scores.confidence == pytest.approx((0.82 + 0.62 + 0.72) / 3)


def test_images_of_one_bin_are_averaged_before_they_are_compared():
    p_NC = torch.tensor([[0.61, 0.39], [0.65, 0.35]], dtype=torch.float64)  # both in (.6, .667]
    scores = scores_of(p_NC.log(), torch.tensor([0, 1]))
    assert scores.calibration_error == pytest.approx(100 * (0.63 - 0.5))


def test_a_bin_holds_its_upper_edge_and_certainty_is_in_the_last():
    logits_NC = torch.tensor([[1000.0, 0.0], [0.0, 0.0]])
    counts = score_sums(logits_NC, torch.tensor([0, 0]))[4 : 4 + BINS].tolist()
    assert counts[-1] == 1.0
    assert counts[7] == 1.0  # .5 lies within (7/15, 8/15]


def test_the_fifth_of_six_is_no_top5_error_and_the_sixth_is():
    logits_NC = torch.tensor([[6.0, 5.0, 4.0, 3.0, 2.0, 1.0]] * 2)
    assert scores_of(logits_NC, torch.tensor([4, 5])).top5_error == 50.0


def test_of_equal_logits_the_first_class_is_predicted_and_five_are_in_the_top():
    labels_N = torch.arange(10)
    scores = scores_of(torch.zeros(10, 10), labels_N)
    assert scores.error == 90.0
    assert scores.top5_error == 50.0


def test_logits_that_are_no_numbers_are_in_no_top():
    scores = scores_of(torch.full((4, 10), float("nan")), torch.tensor([1, 2, 3, 4]))
    assert scores.error == scores.top5_error == 100.0
    assert math.isnan(scores.loss) and math.isnan(scores.calibration_error)


@pytest.mark.parametrize("classes", [2, 10, 100])
@pytest.mark.parametrize("scale", [0.1, 3.0, 30.0])
def test_scores_equal_those_of_torchmetrics_and_scipy(classes, scale):
    logits_NC, labels_N = drawn(classes=classes, scale=scale)
    scores = scores_of(logits_NC, labels_N)
    # torchmetrics, in 32 bits, puts certainty into a sixteenth bin.
    p_NC = logits_NC.double().softmax(1).clamp_max(1 - 1e-6)
    log_p_NC = scipy.special.log_softmax(logits_NC.numpy().astype(np.float64), axis=1)
    one_hot_NC = np.eye(classes)[labels_N.numpy()]
    expected = multiclass_calibration_error(p_NC, labels_N, num_classes=classes, n_bins=BINS)
    assert scores.calibration_error == pytest.approx(100 * expected.item(), rel=1e-5, abs=2e-4)
    accuracy = multiclass_accuracy(logits_NC, labels_N, num_classes=classes, average="micro")
    assert scores.error == pytest.approx(100 * (1 - accuracy.item()), abs=1e-4)
    if classes > 5:
        top = multiclass_accuracy(
            logits_NC, labels_N, num_classes=classes, average="micro", top_k=5
        )
        assert scores.top5_error == pytest.approx(100 * (1 - top.item()), abs=1e-4)
    assert scores.loss == pytest.approx(-(log_p_NC * one_hot_NC).sum(1).mean(), rel=1e-12)
    brier = ((np.exp(log_p_NC) - one_hot_NC) ** 2).sum(1).mean()
    assert scores.brier == pytest.approx(brier, rel=1e-9)
    assert scores.confidence == pytest.approx(np.exp(log_p_NC).max(1).mean(), rel=1e-12)


@pytest.mark.parametrize("scale", [0.01, 1.0, 100.0])
def test_scores_lie_in_their_ranges(scale):
    scores = scores_of(*drawn(scale=scale, seed=5))
    assert 0 <= scores.top5_error <= scores.error <= 100
    assert 0 <= scores.brier <= 2
    assert 0.1 <= scores.confidence <= 1
    accuracy = 100 - scores.error
    assert abs(accuracy - 100 * scores.confidence) <= scores.calibration_error + 1e-9
    assert scores.loss >= 0


def test_sums_of_parts_add_up():
    logits_NC, labels_N = drawn()
    parts = sum(score_sums(logits_NC[part], labels_N[part]) for part in torch.arange(2500).split(7))
    torch.testing.assert_close(parts, score_sums(logits_NC, labels_N))


@pytest.mark.parametrize("scale", [0.3, 3.0, 30.0])
def test_the_temperature_is_that_which_scipy_finds(scale):
    logits_NC, labels_N = drawn(scale=scale)

    def loss(log_inverse: float) -> float:
        scaled = logits_NC.numpy().astype(np.float64) * np.exp(log_inverse)
        return -scipy.special.log_softmax(scaled, axis=1)[range(2500), labels_N.numpy()].mean()

    found = scipy.optimize.minimize_scalar(loss, bounds=(-6, 6), options={"xatol": 1e-10})
    inverse = fit_inverse_temperature(logits_NC, labels_N).item()
    assert inverse == pytest.approx(math.exp(found.x), rel=1e-5)
    assert loss(math.log(inverse)) <= found.fun + 1e-12


def test_a_network_that_is_never_wrong_gets_the_lowest_temperature():
    logits_NC = torch.eye(10)
    inverse = fit_inverse_temperature(logits_NC, torch.arange(10)).item()
    assert 1 / inverse == pytest.approx(TEMPERATURE_RANGE[0])


def split_of(labels_N: torch.Tensor) -> Images:
    """Images whose first pixel says which row of the logits they get."""
    count = len(labels_N)
    numbers = torch.arange(count)
    bytes_NCHW = torch.stack([numbers % 256, numbers // 256], 1).to(torch.uint8)
    return Images(bytes_NCHW[:, :, None, None], labels_N)


def test_the_test_split_is_tempered_by_what_validation_images_say():
    validation, test = drawn(2400, seed=1), drawn(2500, seed=2)
    tables = iter([*validation[0].split(1000), *test[0].split(1000)])
    found = evaluate_splits(
        lambda images_NCHW: next(tables),
        {"validation": split_of(validation[1]), "test": split_of(test[1])},
        fit_temperature=True,
    )
    inverse = fit_inverse_temperature(*validation)
    tempered = scores_of(test[0].double() * inverse, test[1])
    assert found["test_calibration_error_tempered"] == pytest.approx(tempered.calibration_error)
    assert found["test_calibration_error_tempered"] < found["test_calibration_error"] / 2
    assert found["test_loss"] == pytest.approx(scores_of(*test).loss)
    assert found["validation_brier"] == pytest.approx(scores_of(*validation).brier)


def test_an_empty_split_has_no_scores_and_leaves_the_temperature_unknown():
    logits_NC, labels_N = drawn(50)
    splits = {"train": split_of(labels_N), "validation": split_of(labels_N[:0])}
    found = evaluate_splits(
        lambda images_NCHW: logits_NC, splits | {"test": split_of(labels_N)}, fit_temperature=True
    )
    assert [name for name in found if not name.startswith("test_")] == ["train_error"]
    assert "test_calibration_error_tempered" not in found


def test_an_evaluation_takes_one_transfer_from_the_device(monkeypatch):
    logits_NC, labels_N = drawn(900)
    split = split_of(labels_N)
    taken = []
    for name in ("tolist", "item", "__bool__", "__float__", "__int__", "cpu", "numpy"):
        plain = getattr(torch.Tensor, name)
        monkeypatch.setattr(
            torch.Tensor,
            name,
            lambda self, *a, plain=plain, name=name: (taken.append(name), plain(self, *a))[1],
        )
    evaluate_splits(
        lambda images_NCHW: logits_NC,
        {"train": split, "validation": split, "test": split},
        fit_temperature=True,
    )
    assert taken == ["tolist"]
