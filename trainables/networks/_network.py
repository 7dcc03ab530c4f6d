"""The one shape every network has."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, Protocol, final

from torch import Tensor, nn

from trainables.networks import _compilation

Variant = Literal["mixup_cifar10", "puzzlemix", "he2016"]
"""Whose pre-activation network, where the paper's sources differ."""
StemStride = Literal[1, 2, "auto"]


def stem_stride(chosen: StemStride, *, image_size: int) -> int:
    """Return the stride of the first convolution: `auto` is 2 for images from 64 pixels on."""
    if chosen == "auto":
        return 2 if image_size >= 64 else 1
    return chosen


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
        self.is_own = False
        """Whether it is a user's: its maps then lie in memory as the user's code lays them."""
        self.compiled = False
        """Whether `features` and its two halves are computed as `torch.compile` makes them."""

    def features(self, images_NCHW: Tensor) -> Tensor:
        """Return the embedding S of the images (Eq. 6), features_NM."""
        return self.features_after(images_NCHW, stages=0)

    def maps_after(self, images_NCHW: Tensor, *, stages: int) -> Tensor:
        """Return what the first few stages make of the images."""
        return self._run(tuple(self.stages)[:stages], images_NCHW)

    def features_after(self, maps_NCHW: Tensor, *, stages: int) -> Tensor:
        """Return features_NM of what the first few stages have made."""
        return self._run((*tuple(self.stages)[stages:], self.neck), maps_NCHW)

    def _run(self, stages: Sequence[nn.Module], maps: Tensor) -> Tensor:
        run = _compilation.compiled_run() if self.compiled else _compilation.run_stages
        return run(stages, maps)

    @contextmanager
    def compiling(self, wanted: bool) -> Iterator[None]:
        """Compute compiled passes within, if wanted."""
        self.compiled = wanted
        try:
            yield
        finally:
            self.compiled = False

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
