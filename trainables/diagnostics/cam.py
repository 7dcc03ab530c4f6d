"""Class activation maps. Zhou et al. 2016, arXiv:1512.04150; LaMix, Section 3.1.7, Fig. 7.

Zhou et al. weigh the last maps by the true class's weights in a classifier that follows global
average pooling. Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391, Eq. 1) weighs them by the mean
gradient of the class's logit, which is the same with such a classifier and exists without one, as
in LeNet. Zhou's scaling is kept: each map from its least value, 0, to its greatest, 1, without
Grad-CAM's ReLU.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from trainables.datasets import Images
from trainables.diagnostics._subject import Arrays, TrialSubject, text_array
from trainables.metrics import EpochMetrics
from trainables.networks import Network

BATCH = 250


class ActivationMaps:
    """The maps of some test images at the trial's end."""

    def __init__(self, subject: TrialSubject, images: Images) -> None:
        """Take note of what to look at.

        Args:
            subject: the trial.
            images: test images.
        """
        self.subject = subject
        self.images = images

    def end_epoch(self, metrics: EpochMetrics) -> None:
        """Record nothing: the last network says it all."""

    def arrays(self) -> Arrays | None:
        """Return the maps by the network as it is, or None if they are not finite."""
        network, images = self.subject.network.eval(), self.images.to(self.subject.device)
        cams, predictions = [], []
        for bytes_NCHW, labels_N in zip(
            images.images_NCHW.split(BATCH), images.labels_N.split(BATCH), strict=True
        ):
            with self.subject.autocast():
                cam_NHW, logits_NC = class_activation_maps(
                    network, self.subject.normalise(bytes_NCHW), labels_N
                )
            cams.append(cam_NHW)
            predictions.append(logits_NC.argmax(1))
        cam_NHW = torch.cat(cams)
        if not cam_NHW.isfinite().all():
            return None
        return {
            "images_NHWC": _as_rgb(self.images.images_NCHW).numpy(),
            "cam_NHW": cam_NHW.cpu().numpy(),
            "labels_N": self.images.labels_N.numpy(),
            "predictions_N": torch.cat(predictions).cpu().numpy(),
            "class_names_C": text_array(self.subject.splits.classes),
        }

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: the network is saved already."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from nothing."""


def class_activation_maps(
    network: Network, images_NCHW: Tensor, labels_N: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the maps of each image's class, and the logits.

    Args:
        network: in evaluation mode; no gradient of a weight is computed.
        images_NCHW: normalised.
        labels_N: the class to look for in each image.

    Returns:
        cam_NHW, of the images' size, float32 in [0, 1], all 0 where a map is flat; and logits_NC.
    """
    with torch.no_grad():
        maps_NKYX = network.stages(images_NCHW)
    with torch.enable_grad():
        maps_NKYX.requires_grad_()
        logits_NC = network.classifier(network.neck(maps_NKYX))
        logit_sum = logits_NC.gather(1, labels_N.unsqueeze(1)).sum()
    (gradient_NKYX,) = torch.autograd.grad(logit_sum, maps_NKYX)
    weights_NK11 = gradient_NKYX.float().mean(dim=(2, 3), keepdim=True)  # Grad-CAM, Eq. 1
    cam_NYX = (weights_NK11 * maps_NKYX.detach().float()).sum(dim=1)
    return _resize_maps(_scale_maps(cam_NYX), images_NCHW.shape[2:]), logits_NC.detach()


def _scale_maps(cam_NYX: Tensor) -> Tensor:
    low_N11, high_N11 = cam_NYX.amin((1, 2), keepdim=True), cam_NYX.amax((1, 2), keepdim=True)
    range_N11 = high_N11 - low_N11
    return (cam_NYX - low_N11) / torch.where(range_N11 == 0, 1, range_N11)


def _resize_maps(cam_NYX: Tensor, size: torch.Size) -> Tensor:
    resized_N1HW = F.interpolate(cam_NYX.unsqueeze(1), tuple(size), mode="bilinear")
    return resized_N1HW.squeeze(1).clamp(0, 1)


def _as_rgb(images_NCHW: Tensor) -> Tensor:
    """Return images_NHWC with three channels; grey ones look the same."""
    return images_NCHW.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).contiguous()


def chosen_classes(images: Images, classes: tuple[int, ...] | None) -> Images:
    """Return the images of these classes, in their order; all images for None."""
    if classes is None:
        return images
    chosen_N = torch.isin(images.labels_N, torch.tensor(classes))
    return images[chosen_N.nonzero().squeeze(1)]


def by_turns(images: Images) -> Images:
    """Return the images so that the first C are of C different classes, and so on."""
    classes = F.one_hot(images.labels_N)
    turn_N = (classes.cumsum(0) * classes).sum(1)
    return images[(turn_N * classes.shape[1] + images.labels_N).argsort()]
