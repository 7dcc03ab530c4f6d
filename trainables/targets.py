"""How training targets are made, and the loss against them. LaMix, Section 2.3 and 2.4."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Loss = Literal["cross_entropy", "binary_cross_entropy"]


def smooth_one_hot(labels_N: Tensor, num_classes: int, smoothing: float | Tensor) -> Tensor:
    """Return (1 − ε)·one-hot + ε/C: uniform label smoothing. Szegedy et al. 2016, Section 7.

    Args:
        labels_N: class indices in [0, C), int64.
        num_classes: C.
        smoothing: ε in [0, 1]; 0 leaves the one-hot target.

    Returns:
        targets_NC, float32, each row summing to 1.
    """
    # Not F.one_hot: on some devices it waits to look at the labels.
    one_hot_NC = torch.zeros(len(labels_N), num_classes, device=labels_N.device)
    one_hot_NC.scatter_(1, labels_N.unsqueeze(1), 1.0)
    return (1 - smoothing) * one_hot_NC + smoothing / num_classes


def global_soft_label(logits_NC: Tensor) -> Tensor:
    """Return softmax(sigmoid(logits)), the global soft label of LaMix, Eq. 9.

    The sigmoid bounds it: a class can get at most e / (e + C − 1), .2320 for C = 10.
    """
    return torch.softmax(torch.sigmoid(logits_NC.float()), dim=1)


def mix_targets(targets_NC: Tensor, permutation_N: Tensor, lam: Tensor | float) -> Tensor:
    """Return λ·y_i + (1 − λ)·y_j, Eq. 2, with λ a scalar or of shape (N,)."""
    lam_N1 = lam.reshape(-1, 1) if isinstance(lam, Tensor) else lam
    return lam_N1 * targets_NC + (1 - lam_N1) * targets_NC[permutation_N]


def soft_target_cross_entropy(logits_NC: Tensor, targets_NC: Tensor) -> Tensor:
    """Return −Σ_c y_c log softmax(logits)_c, averaged over the batch. LaMix, Eq. 11.

    Computed in float32 whatever the precision of the logits. The gradient also reaches the targets.
    """
    return -(targets_NC * F.log_softmax(logits_NC.float(), dim=1)).sum(dim=1).mean()


def soft_target_binary_cross_entropy(logits_NC: Tensor, targets_NC: Tensor) -> Tensor:
    """Return the binary cross entropy of the softmax output, averaged over classes and batch.

    The loss in PuzzleMix's code (Kim et al. 2020), in place of Eq. 11.
    """
    log_p_NC = F.log_softmax(logits_NC.float(), dim=1)
    # p is kept below 1 before the logarithm: clamping after it would leave a gradient of 0/0.
    log_not_p_NC = torch.log1p(-log_p_NC.exp().clamp_max(1 - 2**-24))
    return -(targets_NC * log_p_NC + (1 - targets_NC) * log_not_p_NC).mean()


def soft_target_loss(loss: Loss, logits_NC: Tensor, targets_NC: Tensor) -> Tensor:
    """Return the loss of that name."""
    match loss:
        case "cross_entropy":
            return soft_target_cross_entropy(logits_NC, targets_NC)
        case "binary_cross_entropy":
            return soft_target_binary_cross_entropy(logits_NC, targets_NC)
