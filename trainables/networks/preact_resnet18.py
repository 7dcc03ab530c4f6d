"""PreAct ResNet-18 as in mixup-cifar10, the paper's source. He et al. 2016, arXiv:1603.05027.

It differs from He et al. in three places: the stem has BatchNorm and ReLU, an identity shortcut
carries the activated input, and nothing normalises the last stage's output.
11,171,274 parameters for 10 classes.
"""

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from trainables.networks._network import Network
from trainables.settings import Count, settings


@settings
class StagesSettings:
    """The settings of the convolutional part."""

    width: Count = 64
    """Channels of the first stage; the last has eight times as many."""
    stem_stride: Literal[1, 2] = 1
    """Stride of the first convolution; PuzzleMix's recipe for 64x64 images uses 2."""


@settings
class Settings(StagesSettings):
    """PreAct ResNet-18."""

    name: Literal["preact_resnet18"] = "preact_resnet18"

    def build(self, *, num_classes: int, in_channels: int, image_size: int) -> Network:
        """Build the network; the size of the images does not matter to it."""
        del image_size
        return Network(
            stages=build_stages(self, in_channels=in_channels),
            neck=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
            num_features=8 * self.width,
            num_classes=num_classes,
        )


def build_stages(settings: StagesSettings, *, in_channels: int) -> nn.Sequential:
    """Build the stem and the four stages; the last one's maps have 8 * `width` channels."""
    width = settings.width
    stem = nn.Sequential(
        nn.Conv2d(in_channels, width, 3, stride=settings.stem_stride, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
    )
    return nn.Sequential(
        stem,
        _build_stage(width, width, stride=1),
        _build_stage(width, 2 * width, stride=2),
        _build_stage(2 * width, 4 * width, stride=2),
        _build_stage(4 * width, 8 * width, stride=2),
    )


def _build_stage(channels_in: int, channels_out: int, *, stride: int) -> nn.Sequential:
    return nn.Sequential(
        PreActBlock(channels_in, channels_out, stride=stride),
        PreActBlock(channels_out, channels_out, stride=1),
    )


class PreActBlock(nn.Module):
    """BN-ReLU-conv twice; the shortcut starts after the first activation."""

    def __init__(self, channels_in: int, channels_out: int, *, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels_in)
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            self.shortcut = nn.Conv2d(channels_in, channels_out, 1, stride, bias=False)

    def forward(self, maps_NCHW: Tensor) -> Tensor:
        """Return maps of `channels_out` channels, smaller by `stride`."""
        activated = F.relu(self.bn1(maps_NCHW))
        out: Tensor = self.conv2(F.relu(self.bn2(self.conv1(activated))))
        carried: Tensor = self.shortcut(activated)
        return out + carried
