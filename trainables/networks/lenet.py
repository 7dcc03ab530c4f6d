"""LeNet as in mixup-cifar10. LeCun et al. 1998. 62,006 parameters for 10 classes of 3x32x32."""

from typing import Literal

from torch import nn

from trainables.networks._network import Network
from trainables.networks._pooling import HalvingMaxPool
from trainables.settings import settings


@settings
class Settings:
    """LeNet: two 5x5 convolutions with max-pooling, then 120 and 84 units."""

    name: Literal["lenet"] = "lenet"

    def build(self, *, num_classes: int, in_channels: int, image_size: int) -> Network:
        """Build the network for images of at least 16x16 pixels."""
        side = ((image_size - 4) // 2 - 4) // 2
        if side < 1:
            raise ValueError(
                f"lenet needs images of at least 16x16 pixels, but got {image_size}x{image_size}"
            )
        return Network(
            stages=nn.Sequential(
                nn.Sequential(nn.Conv2d(in_channels, 6, 5), HalvingMaxPool(), nn.ReLU()),
                nn.Sequential(nn.Conv2d(6, 16, 5), HalvingMaxPool(), nn.ReLU()),
            ),
            neck=nn.Sequential(
                nn.Flatten(),
                nn.Linear(16 * side * side, 120),
                nn.ReLU(),
                nn.Linear(120, 84),
                nn.ReLU(),
            ),
            num_features=84,
            num_classes=num_classes,
        )
