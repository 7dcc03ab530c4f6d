"""PreAct ResNet-18 with a bottleneck of two units, to draw what it learns. LaMix, §3.1.8, Fig. 8.

The 512 features pass through fully connected tanh layers of 2, 100 and 512 units to the classifier.
11,224,312 parameters for 10 classes.
"""

from collections import OrderedDict
from typing import Literal

from torch import Tensor, nn

from trainables.networks._network import Network
from trainables.networks.preact_resnet18 import StagesSettings, build_stages
from trainables.settings import settings


@settings
class Settings(StagesSettings):
    """PreAct ResNet-18 with a bottleneck of two tanh units before the classifier (§3.1.8)."""

    name: Literal["preact_resnet18_bottleneck2d"] = "preact_resnet18_bottleneck2d"

    def build(self, *, num_classes: int, in_channels: int, image_size: int) -> Network:
        """Build the network."""
        # First, so that a seed gives the same stages as without the bottleneck.
        stages = build_stages(self, in_channels=in_channels, image_size=image_size)
        pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        bottleneck = nn.Sequential(pool, _tanh_layer(8 * self.width, 2))
        expansion = nn.Sequential(_tanh_layer(2, 100), _tanh_layer(100, 512))
        return Network(
            stages=stages,
            neck=nn.Sequential(OrderedDict(bottleneck=bottleneck, expansion=expansion)),
            num_features=512,
            num_classes=num_classes,
        )


def embed(network: Network, images_NCHW: Tensor) -> Tensor:
    """Return the two units of the bottleneck, embeddings_N2, each in [-1, 1] (Fig. 8).

    Args:
        network: built by this module.
        images_NCHW: normalised, as the network is trained on.
    """
    embeddings_N2: Tensor = network.neck.get_submodule("bottleneck")(network.stages(images_NCHW))
    return embeddings_N2


def _tanh_layer(units_in: int, units_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(units_in, units_out), nn.Tanh())
