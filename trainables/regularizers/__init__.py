"""Regularizers, one module each; a new regularizer is one new file here and nothing elsewhere."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trainables import plugins
from trainables.regularizers._regularizer import (
    RegularizerModule,
    SmoothingSettings,
    TargetComparison,
    TrainingBatch,
)
from trainables.settings import parse_settings

if TYPE_CHECKING:
    from trainables.regularizers._regularizer import RegularizerSettings as AnySettings
else:
    AnySettings = plugins.any_settings(__name__)

__all__ = [
    "AnySettings",
    "RegularizerModule",
    "SmoothingSettings",
    "TargetComparison",
    "TrainingBatch",
    "build",
]


def build(
    settings: Mapping[str, Any], *, num_classes: int, num_features: int
) -> RegularizerModule[Any]:
    """Build a regularizer from plain data, for example ``{"name": "lamix", "beta": 0.5}``.

    Args:
        settings: `name`, a module of this package, and that module's own settings.
        num_classes: C of the targets.
        num_features: M of the network's embedding, for regularizers with a layer of their own.

    Raises:
        pydantic.ValidationError: if a name or key is unknown or a value is bad.
    """
    chosen: AnySettings = parse_settings(AnySettings, dict(settings))
    return chosen.build(num_classes=num_classes, num_features=num_features)
