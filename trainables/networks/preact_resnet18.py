"""PreAct ResNet-18, by default as in mixup-cifar10. He et al. 2016, arXiv:1603.05027.

That source of the paper differs from He et al. in three places: the stem has BatchNorm and ReLU, an
identity shortcut carries the activated input, and nothing normalises the last stage's output.
PuzzleMix's code, the source of Section 3.2, differs in the last alone. Parameters for 10 classes:
11,171,274 in mixup-cifar10, 11,171,146 in PuzzleMix's code, 11,172,170 in He et al.
"""

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from trainables.networks._network import Network, StemStride, Variant, stem_stride
from trainables.settings import Count, settings


@settings
class StagesSettings:
    """The settings of the convolutional part."""

    width: Count = 64
    """Channels of the first stage; the last has eight times as many."""
    stem_stride: StemStride = 1
    """Stride of the first convolution; PuzzleMix's recipe for 64x64 images uses 2, and `auto` is 2
    from 64 pixels on and 1 below."""
    variant: Variant = "mixup_cifar10"
    """`mixup_cifar10` (Section 3.1), `puzzlemix` (Section 3.2: no BatchNorm and ReLU in the stem,
    an identity shortcut carries its input), or `he2016`, which also has BatchNorm and ReLU at the
    end."""


@settings
class Settings(StagesSettings):
    """PreAct ResNet-18."""

    name: Literal["preact_resnet18"] = "preact_resnet18"

    def build(self, *, num_classes: int, in_channels: int, image_size: int) -> Network:
        """Build the network."""
        return Network(
            stages=build_stages(self, in_channels=in_channels, image_size=image_size),
            neck=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
            num_features=8 * self.width,
            num_classes=num_classes,
        )


def build_stages(settings: StagesSettings, *, in_channels: int, image_size: int) -> nn.Sequential:
    """Build the stem and the four stages; the last one's maps have 8 * `width` channels."""
    width, activated = settings.width, settings.variant == "mixup_cifar10"
    stride = stem_stride(settings.stem_stride, image_size=image_size)
    stem = nn.Sequential(nn.Conv2d(in_channels, width, 3, stride=stride, padding=1, bias=False))
    if activated:
        stem.extend((nn.BatchNorm2d(width), nn.ReLU()))
    stages = nn.Sequential(
        stem,
        _build_stage(width, width, stride=1, activated=activated),
        _build_stage(width, 2 * width, stride=2, activated=activated),
        _build_stage(2 * width, 4 * width, stride=2, activated=activated),
        _build_stage(4 * width, 8 * width, stride=2, activated=activated),
    )
    if settings.variant == "he2016":
        last = stages[-1]
        assert isinstance(last, nn.Sequential)
        last.extend((nn.BatchNorm2d(8 * width), nn.ReLU()))
    return stages


def _build_stage(
    channels_in: int, channels_out: int, *, stride: int, activated: bool
) -> nn.Sequential:
    return nn.Sequential(
        PreActBlock(channels_in, channels_out, stride=stride, activated=activated),
        PreActBlock(channels_out, channels_out, stride=1, activated=activated),
    )


class PreActBlock(nn.Module):
    """BN-ReLU-conv twice; a projecting shortcut starts after the first activation."""

    def __init__(
        self, channels_in: int, channels_out: int, *, stride: int, activated: bool = True
    ) -> None:
        """Build the layers; `activated` says where an identity shortcut starts too."""
        super().__init__()
        self.activated = activated or stride != 1 or channels_in != channels_out
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
        carried: Tensor = self.shortcut(activated if self.activated else maps_NCHW)
        return out + carried
