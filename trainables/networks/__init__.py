"""Networks, one module each; a network is stages, a neck and a linear classifier."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from torch import Tensor

from trainables import plugins
from trainables.networks._network import Network, stem_stride
from trainables.settings import parse_settings

if TYPE_CHECKING:
    from trainables.networks._network import NetworkSettings as AnySettings
else:
    AnySettings = plugins.any_settings(__name__)

__all__ = ["AnySettings", "Network", "build", "embedder_of", "names_with_embedding", "stem_stride"]


def build(
    name: str, *, num_classes: int, in_channels: int = 3, image_size: int = 32, **options: Any
) -> Network:
    """Build the network `name` for square images, with torch's default initialisation.

    The weights come from torch's global generator; seed it (or fork it) before calling.

    Args:
        name: a module of this package, for example ``preact_resnet18``.
        num_classes: outputs of the classifier.
        in_channels: channels of the images.
        image_size: height and width of the images, in pixels.
        options: the network's own settings, for example ``width=16``.

    Raises:
        pydantic.ValidationError: if the name or an option is unknown or a value is bad.
    """
    settings: AnySettings = parse_settings(AnySettings, {"name": name, **options})
    return settings.build(num_classes=num_classes, in_channels=in_channels, image_size=image_size)


def embedder_of(name: str) -> Callable[[Network, Tensor], Tensor] | None:
    """Return what gives the network's 2-D embedding of images: `embed` in its module, or None."""
    module = sys.modules[plugins.settings_classes(__name__)[name].__module__]
    found: Callable[[Network, Tensor], Tensor] | None = getattr(module, "embed", None)
    return found


def names_with_embedding() -> tuple[str, ...]:
    """Return the names of the networks that have a 2-D embedding."""
    return tuple(name for name in plugins.component_names(__name__) if embedder_of(name))
