"""WideResNet-28-10. Zagoruyko & Komodakis 2016, arXiv:1605.07146, Table 1; no dropout.

28 layers: the stem, three stages of four blocks of two 3x3 convolutions, three shortcuts of 1x1.
36,479,194 parameters for 10 classes.
"""

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from trainables.networks._network import Network
from trainables.settings import Count, settings

STEM_CHANNELS = 16
BLOCKS = 4
"""Blocks in each stage: (depth 28 − 4) / 6."""


@settings
class Settings:
    """WideResNet-28-10."""

    name: Literal["wide_resnet28_10"] = "wide_resnet28_10"
    width: Count = 10
    """Widening factor k: the three stages have 16k, 32k and 64k channels."""

    def build(self, *, num_classes: int, in_channels: int, image_size: int) -> Network:
        """Build the network; the size of the images does not matter to it."""
        del image_size
        first, second, third = (STEM_CHANNELS * self.width * factor for factor in (1, 2, 4))
        return Network(
            stages=nn.Sequential(
                nn.Conv2d(in_channels, STEM_CHANNELS, 3, padding=1, bias=False),
                _build_stage(STEM_CHANNELS, first, stride=1),
                _build_stage(first, second, stride=2),
                # The last maps are normalised and activated, as every block does to its input.
                _build_stage(second, third, stride=2).extend([nn.BatchNorm2d(third), nn.ReLU()]),
            ),
            neck=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
            num_features=third,
            num_classes=num_classes,
        )


def _build_stage(channels_in: int, channels_out: int, *, stride: int) -> nn.Sequential:
    first = WideBlock(channels_in, channels_out, stride=stride)
    rest = (WideBlock(channels_out, channels_out, stride=1) for _ in range(BLOCKS - 1))
    return nn.Sequential(first, *rest)


class WideBlock(nn.Module):
    """BN-ReLU-conv twice; a projection starts after the first activation, an identity before it."""

    def __init__(self, channels_in: int, channels_out: int, *, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels_in)
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.projection: nn.Module | None = None
        if stride != 1 or channels_in != channels_out:
            self.projection = nn.Conv2d(channels_in, channels_out, 1, stride, bias=False)

    def forward(self, maps_NCHW: Tensor) -> Tensor:
        """Return maps of `channels_out` channels, smaller by `stride`."""
        activated = F.relu(self.bn1(maps_NCHW))
        out: Tensor = self.conv2(F.relu(self.bn2(self.conv1(activated))))
        return out + (maps_NCHW if self.projection is None else self.projection(activated))
