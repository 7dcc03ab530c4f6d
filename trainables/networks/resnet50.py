"""ResNet-50 for small images, as in mixup-cifar10. He et al. 2016, arXiv:1512.03385.

The stem is a 3x3 convolution without pooling, and a stage's stride is on its first 3x3 convolution.
23,520,842 parameters for 10 classes.
"""

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from trainables.networks._network import Network
from trainables.settings import Count, settings

EXPANSION = 4
"""Channels of a block's output for each channel of its 3x3 convolution."""


@settings
class Settings:
    """ResNet-50."""

    name: Literal["resnet50"] = "resnet50"
    width: Count = 64
    """Channels of the stem; the last stage has 32 times as many."""
    stem_stride: Literal[1, 2] = 1
    """Stride of the first convolution; PuzzleMix's recipe for 64x64 images uses 2."""

    def build(self, *, num_classes: int, in_channels: int, image_size: int) -> Network:
        """Build the network; the size of the images does not matter to it."""
        del image_size
        width = self.width
        stem = nn.Sequential(
            nn.Conv2d(in_channels, width, 3, stride=self.stem_stride, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )
        return Network(
            stages=nn.Sequential(
                stem,
                _build_stage(width, width, blocks=3, stride=1),
                _build_stage(4 * width, 2 * width, blocks=4, stride=2),
                _build_stage(8 * width, 4 * width, blocks=6, stride=2),
                _build_stage(16 * width, 8 * width, blocks=3, stride=2),
            ),
            neck=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
            num_features=32 * width,
            num_classes=num_classes,
        )


def _build_stage(channels_in: int, channels: int, *, blocks: int, stride: int) -> nn.Sequential:
    first = Bottleneck(channels_in, channels, stride=stride)
    rest = (Bottleneck(EXPANSION * channels, channels, stride=1) for _ in range(blocks - 1))
    return nn.Sequential(first, *rest)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolution, each with BN; ReLU after the shortcut is added."""

    def __init__(self, channels_in: int, channels: int, *, stride: int) -> None:
        super().__init__()
        channels_out = EXPANSION * channels
        self.conv1 = nn.Conv2d(channels_in, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, channels_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels_out)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride, bias=False),
                nn.BatchNorm2d(channels_out),
            )

    def forward(self, maps_NCHW: Tensor) -> Tensor:
        """Return maps of four times `channels` channels, smaller by `stride`."""
        out = F.relu(self.bn1(self.conv1(maps_NCHW)))
        out = F.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return F.relu(out + self.shortcut(maps_NCHW))
