"""The one shape every network has."""

from typing import Protocol, final

from torch import Tensor, nn


@final
class Network(nn.Module):
    """stages → neck → classifier.

    `stages` turns images_NCHW into feature maps (Manifold Mixup mixes before one of them, CAM reads
    the last one's output); `neck` turns the maps into features_NM; `classifier` is linear.
    """

    def __init__(
        self, *, stages: nn.Sequential, neck: nn.Module, num_features: int, num_classes: int
    ) -> None:
        super().__init__()
        self.stages = stages
        self.neck = neck
        self.classifier = nn.Linear(num_features, num_classes)

    def features(self, images_NCHW: Tensor) -> Tensor:
        """Return the embedding S of the images (Eq. 6), features_NM."""
        features_NM: Tensor = self.neck(self.stages(images_NCHW))
        return features_NM

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Return logits_NC, the classifier's output before the softmax (Eq. 7)."""
        logits_NC: Tensor = self.classifier(self.features(images_NCHW))
        return logits_NC


class NetworkSettings(Protocol):
    """What the `Settings` of a network module provide."""

    name: str

    def __hash__(self) -> int: ...

    def build(self, *, num_classes: int, in_channels: int, image_size: int) -> Network:
        """Build the network for square images of `image_size` pixels."""
        ...
