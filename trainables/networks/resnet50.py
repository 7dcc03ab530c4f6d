"""ResNet-50 for small images, by default as in mixup-cifar10. He et al. 2016, arXiv:1512.03385.

The stem is a 3x3 convolution without pooling, and a stage's stride is on its first 3x3 convolution.
PuzzleMix's code, the source of Section 3.2, has the pre-activation network of He et al. 2016,
arXiv:1603.05027, but for the BatchNorm and ReLU at its end. Parameters for 10 classes: 23,520,842
in mixup-cifar10, 23,509,066 in PuzzleMix's code, 23,513,162 in He et al.
"""

from collections.abc import Callable
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from trainables.networks._network import Network, StemStride, Variant, stem_stride
from trainables.settings import Count, settings

EXPANSION = 4
"""Channels of a block's output for each channel of its 3x3 convolution."""


@settings
class Settings:
    """ResNet-50."""

    name: Literal["resnet50"] = "resnet50"
    width: Count = 64
    """Channels of the stem; the last stage has 32 times as many."""
    stem_stride: StemStride = 1
    """Stride of the first convolution; PuzzleMix's recipe for 64x64 images uses 2, and `auto` is 2
    from 64 pixels on and 1 below."""
    variant: Variant = "mixup_cifar10"
    """`mixup_cifar10` activates after each addition (Section 3.1); `puzzlemix` is its
    pre-activation network (Section 3.2), `he2016` that with BatchNorm and ReLU at the end."""

    def build(self, *, num_classes: int, in_channels: int, image_size: int) -> Network:
        """Build the network."""
        width = self.width
        block: Callable[..., nn.Module] = PreActBottleneck
        stride = stem_stride(self.stem_stride, image_size=image_size)
        stem = nn.Sequential(nn.Conv2d(in_channels, width, 3, stride, padding=1, bias=False))
        if self.variant == "mixup_cifar10":
            block = Bottleneck
            stem.extend((nn.BatchNorm2d(width), nn.ReLU()))
        stages = [
            _build_stage(block, width, width, blocks=3, stride=1),
            _build_stage(block, 4 * width, 2 * width, blocks=4, stride=2),
            _build_stage(block, 8 * width, 4 * width, blocks=6, stride=2),
            _build_stage(block, 16 * width, 8 * width, blocks=3, stride=2),
        ]
        if self.variant == "he2016":
            stages[-1].extend((nn.BatchNorm2d(32 * width), nn.ReLU()))
        return Network(
            stages=nn.Sequential(stem, *stages),
            neck=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
            num_features=32 * width,
            num_classes=num_classes,
        )


def _build_stage(
    block: Callable[..., nn.Module], channels_in: int, channels: int, *, blocks: int, stride: int
) -> nn.Sequential:
    first = block(channels_in, channels, stride=stride)
    rest = (block(EXPANSION * channels, channels, stride=1) for _ in range(blocks - 1))
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


class PreActBottleneck(nn.Module):
    """BN-ReLU-conv with 1x1, 3x3 and 1x1; a projecting shortcut starts after the first ReLU."""

    def __init__(self, channels_in: int, channels: int, *, stride: int) -> None:
        super().__init__()
        channels_out = EXPANSION * channels
        self.bn1 = nn.BatchNorm2d(channels_in)
        self.conv1 = nn.Conv2d(channels_in, channels, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, channels_out, 1, bias=False)
        self.shortcut: nn.Module | None = None
        if stride != 1 or channels_in != channels_out:
            self.shortcut = nn.Conv2d(channels_in, channels_out, 1, stride, bias=False)

    def forward(self, maps_NCHW: Tensor) -> Tensor:
        """Return maps of four times `channels` channels, smaller by `stride`."""
        activated = F.relu(self.bn1(maps_NCHW))
        out: Tensor = self.conv2(F.relu(self.bn2(self.conv1(activated))))
        out = self.conv3(F.relu(self.bn3(out)))
        shortcut: Tensor = maps_NCHW if self.shortcut is None else self.shortcut(activated)
        return out + shortcut
