"""What a network says of images it is not trained on: how often it errs, and how sure it is.

All scores are made from the logits of one pass over a split. Their sums stay on the device, in 64
bits, until the scores of all splits are taken from it in one transfer.

Calibration as in Guo et al. 2017, "On Calibration of Modern Neural Networks", arXiv:1706.04599.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from trainables.datasets import Images
from trainables.metrics import TEST_CALIBRATION_ERROR_TEMPERED

EVALUATION_BATCH = 1000
BINS = 15
"""Bins of equal width in which confidence and accuracy are compared; (m − 1)/15 < p ≤ m/15."""
TOP = 5
"""A label among so many largest logits is no top-5 error."""
TEMPERATURE_RANGE = 2.0**-10, 2.0**10
"""Where the temperature lies; an end of it where the validation loss has no minimum."""
HALVINGS = 50
"""Steps of the search for the temperature, which then has all digits of 64 bits."""
UNTRAINED = ("validation", "test")
"""The splits that every score is taken of; of training images it is the error alone."""


@dataclass(frozen=True, kw_only=True)
class SplitScores:
    """The scores of one split. Errors are in percent, 0 to 100."""

    error: float
    """Share of images whose largest logit is not their label's."""
    top5_error: float | None
    """Share of images with five classes of larger logits than their label's; of equal logits the
    first class's counts as larger. None where there are no more than five classes."""
    loss: float
    """Mean cross entropy of the label, −log p_y, in nats: the negative log likelihood."""
    brier: float
    """Mean over images of Σ_k (p_k − [k = y])², from 0 to 2. Brier 1950, Monthly Weather Review 78,
    "Verification of forecasts expressed in terms of probability"."""
    calibration_error: float
    """Expected calibration error: mean over images of |accuracy − confidence| of their bin, of 15
    bins of confidence. Guo et al. 2017, Eq. 5."""
    confidence: float
    """Mean probability of the class predicted, in [0, 1]. Guo et al. 2017, Eq. 3."""


@torch.inference_mode()
def evaluate_splits(
    predict: Callable[[Tensor], Tensor],
    splits: Mapping[str, Images],
    *,
    fit_temperature: bool = False,
) -> dict[str, float | None]:
    """Return the scores of each split under the names of metrics, `SPLIT_SCORE`.

    Args:
        predict: returns the logits_NC of images as bytes_NCHW, on their device.
        splits: images by split, all on one device; an empty one has no scores.
        fit_temperature: whether to add `test_calibration_error_tempered`: the calibration error of
            the test split after its logits are divided by the temperature with the lowest loss on
            validation data (Guo et al. 2017, Section 4.2). It needs both splits.
    """
    passes = {
        name: _pass_over(predict, images, keep=fit_temperature and name in UNTRAINED)
        for name, images in splits.items()
        if len(images)
    }
    sums = {name: done.sums for name, done in passes.items()}
    if fit_temperature and passes.keys() >= set(UNTRAINED):
        inverse = fit_inverse_temperature(*passes["validation"].kept())
        logits_NC, labels_N = passes["test"].kept()
        sums[""] = score_sums(logits_NC.double() * inverse, labels_N)
    scores = dict(zip(sums, torch.stack([*sums.values()]).tolist(), strict=True))  # one transfer
    found: dict[str, float | None] = {}
    for name, done in passes.items():
        values = asdict(scores_from(scores[name], num_classes=done.num_classes))
        chosen = values if name in UNTRAINED else ("error",)
        found |= {f"{name}_{score}": values[score] for score in chosen}
    if "" in scores:
        tempered = scores_from(scores[""], num_classes=passes["test"].num_classes)
        found[TEST_CALIBRATION_ERROR_TEMPERED] = tempered.calibration_error
    return found


@dataclass
class _SplitPass:
    """What one pass over a split has come to."""

    sums: Tensor
    num_classes: int
    logits: list[Tensor]
    labels_N: Tensor

    def kept(self) -> tuple[Tensor, Tensor]:
        return torch.cat(self.logits), self.labels_N


def _pass_over(predict: Callable[[Tensor], Tensor], images: Images, *, keep: bool) -> _SplitPass:
    sums: list[Tensor] = []
    kept: list[Tensor] = []
    for bytes_NCHW, labels_N in zip(
        images.images_NCHW.split(EVALUATION_BATCH),
        images.labels_N.split(EVALUATION_BATCH),
        strict=True,
    ):
        logits_NC = predict(bytes_NCHW)
        sums.append(score_sums(logits_NC, labels_N))
        if keep:
            kept.append(logits_NC)
    return _SplitPass(torch.stack(sums).sum(0), logits_NC.shape[1], kept, images.labels_N)


def score_sums(logits_NC: Tensor, labels_N: Tensor) -> Tensor:
    """Return what the scores are made from, summed over images; sums of parts add up.

    In order: images with top-1 and top-5 errors, losses, Brier scores; then by bin the images,
    their confidences and how many of them are classified rightly. In 64 bits, on the device.
    """
    own_N1 = labels_N[:, None]
    right_N = logits_NC.argmax(1) == labels_N
    logits_own_N1 = logits_NC.gather(1, own_N1)
    later_NC = torch.arange(logits_NC.shape[1], device=logits_NC.device) > own_N1
    behind_NC = (logits_NC < logits_own_N1) | ((logits_NC == logits_own_N1) & later_NC)
    beyond_top_N = behind_NC.sum(1) < logits_NC.shape[1] - TOP
    log_p_NC = logits_NC.double().log_softmax(1)
    p_NC = log_p_NC.exp()
    log_p_own_N = log_p_NC.gather(1, own_N1)[:, 0]
    brier_N = p_NC.square().sum(1) - 2 * log_p_own_N.exp() + 1
    confidence_N = p_NC.amax(1)
    by_image = torch.stack([~right_N, beyond_top_N, -log_p_own_N, brier_N.clamp_min(0)])
    edges = torch.arange(1, BINS, device=logits_NC.device, dtype=torch.float64) / BINS
    bin_N = torch.bucketize(confidence_N, edges)
    in_bin_BN = torch.arange(BINS, device=logits_NC.device)[:, None] == bin_N
    of_bin_3N = torch.stack([torch.ones_like(confidence_N), confidence_N, right_N.double()])
    return torch.cat([by_image.sum(1), (of_bin_3N @ in_bin_BN.double().T).flatten()])


def scores_from(sums: list[float], *, num_classes: int) -> SplitScores:
    """Return the scores that the sums over at least one image come to."""
    wrong, beyond_top, losses, briers, *by_bin = sums
    counts, confidences, rights = (by_bin[i * BINS : (i + 1) * BINS] for i in range(3))
    images = sum(counts)
    gaps = (abs(right - sure) for right, sure in zip(rights, confidences, strict=True))
    return SplitScores(
        error=100 * wrong / images,
        top5_error=100 * beyond_top / images if num_classes > TOP else None,
        loss=losses / images,
        brier=briers / images,
        calibration_error=100 * sum(gaps) / images,
        confidence=sum(confidences) / images,
    )


def fit_inverse_temperature(logits_NC: Tensor, labels_N: Tensor) -> Tensor:
    """Return 1/T with the lowest mean cross entropy of logits / T; a scalar on the device.

    The loss is convex in 1/T, so its slope, the mean of Σ_k p_k z_k − z_y, has one zero. It is
    found by halving the range of log 1/T, without a transfer.
    """
    logits_NC = logits_NC.double()
    own_N = logits_NC.gather(1, labels_N[:, None])[:, 0]
    low, high = (logits_NC.new_tensor(1 / end).log() for end in reversed(TEMPERATURE_RANGE))
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        p_NC = (logits_NC * middle.exp()).softmax(1)
        too_large = ((p_NC * logits_NC).sum(1) - own_N).mean() > 0
        low, high = torch.where(too_large, low, middle), torch.where(too_large, middle, high)
    return ((low + high) / 2).exp()
