"""DenseNet-121 for small images, as in mixup-cifar10. Huang et al. 2017, arXiv:1608.06993.

The stem is a 3x3 convolution with neither BN nor pooling. 6,956,298 parameters for 10 classes.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainables.networks._network import Network
from trainables.settings import Count, settings

BLOCKS = (6, 12, 24, 16)
"""Layers of each dense block."""
MIN_IMAGE_SIZE = 8
"""Three transitions halve the maps."""


@settings
class Settings:
    """DenseNet-121."""

    name: Literal["densenet121"] = "densenet121"
    growth: Count = 32
    """Channels that each layer adds; the stem has twice, the last block 32 times as many."""

    def build(self, *, num_classes: int, in_channels: int, image_size: int) -> Network:
        """Build the network for images of at least 8x8 pixels."""
        if image_size < MIN_IMAGE_SIZE:
            raise ValueError(
                f"densenet121 needs images of at least {MIN_IMAGE_SIZE}x{MIN_IMAGE_SIZE} pixels, "
                f"but got {image_size}x{image_size}"
            )
        channels = 2 * self.growth
        stages: list[nn.Module] = [nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)]
        for layers in BLOCKS[:-1]:
            block = _dense_block(channels, layers, growth=self.growth)
            grown = channels + layers * self.growth
            channels = grown // 2  # compression θ = 0.5
            stages.append(nn.Sequential(block, _transition_layer(grown, channels)))
        block = _dense_block(channels, BLOCKS[-1], growth=self.growth)
        channels += BLOCKS[-1] * self.growth
        stages.append(nn.Sequential(block, nn.BatchNorm2d(channels), nn.ReLU()))
        return Network(
            stages=nn.Sequential(*stages),
            neck=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
            num_features=channels,
            num_classes=num_classes,
        )


def _dense_block(channels: int, layers: int, *, growth: int) -> nn.Sequential:
    return nn.Sequential(
        *(DenseLayer(channels + index * growth, growth=growth) for index in range(layers))
    )


def _transition_layer(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.BatchNorm2d(channels_in),
        nn.ReLU(),
        nn.Conv2d(channels_in, channels_out, 1, bias=False),
        nn.AvgPool2d(2),
    )


class DenseLayer(nn.Module):
    """BN-ReLU-conv twice, 1x1 and 3x3; the result is appended to the input."""

    def __init__(self, channels_in: int, *, growth: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels_in)
        self.conv1 = nn.Conv2d(channels_in, 4 * growth, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(4 * growth)
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, maps_NCHW: Tensor) -> Tensor:
        """Return maps with `growth` more channels."""
        out = self.conv1(F.relu(self.bn1(maps_NCHW)))
        out = self.conv2(F.relu(self.bn2(out)))
        return torch.cat([maps_NCHW, out], dim=1)
