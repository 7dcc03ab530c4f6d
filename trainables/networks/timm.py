"""Any classifier of the package timm, from random weights. Wightman 2019, timm, Apache 2.0."""

from typing import Annotated, Any, Literal

import torch
from pydantic import AfterValidator
from pydantic_core import CoreSchema, core_schema
from torch import Tensor, nn

from trainables.networks._network import Network
from trainables.settings import nearest_word, settings

Layout = Literal["maps", "channels_last", "tokens", "vectors"]
"""How features lie: (N, C, H, W), (N, H, W, C), (N, L, C) or (N, C)."""
REQUIRED_PACKAGES = ("timm",)
"""Packages whose versions decide what a trial computes, beside those of every trial."""
SMALL_IMAGES = 64
"""Images below this size, in pixels, get the small stem by `auto`."""
OWN_ARGUMENTS = ("num_classes", "in_chans", "pretrained", "img_size")
"""Options that follow from the data, or are never wanted."""


class ModelOptions(dict[str, bool | int | float | str]):
    """Keyword arguments of a model: a mapping that can key a cache, as settings must."""

    def __hash__(self) -> int:  # type: ignore[override]  # a dict has none
        return hash(frozenset(self.items()))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> CoreSchema:
        """Validate as plain data, without what follows from elsewhere."""
        del source
        plain = handler.generate_schema(dict[str, bool | int | float | str])
        return core_schema.no_info_after_validator_function(cls._checked, plain)

    @classmethod
    def _checked(cls, options: dict[str, bool | int | float | str]) -> "ModelOptions":
        for name in OWN_ARGUMENTS:
            if name in options:
                raise ValueError(
                    f"`{name}` follows from the data, or is never wanted; leave it out"
                )
        return cls(options)


def _check_model(name: str) -> str:
    """Return the name if timm knows it.

    Raises:
        ValueError: if timm is not installed, or has no such model.
    """
    try:
        import timm  # late: it is an extra, and takes seconds
    except ImportError as error:
        raise ValueError(
            f"`{name[:60]}` needs the package timm: pip install 'lamix-study[timm]'"
        ) from error
    if not timm.is_model(name):
        close = nearest_word(name, timm.list_models())
        raise ValueError(f"timm has no model `{name[:60]}`{close}")
    return name


@settings
class Settings:
    """A model of timm's, which `model` names, without its pretrained weights."""

    name: Literal["timm"] = "timm"
    model: Annotated[str, AfterValidator(_check_model)] = "resnet18d"
    """As in `timm.list_models()`, for example resnet18d, convnext_atto or vit_tiny_patch16_224."""
    stem: Literal["auto", "timm", "small"] = "auto"
    """`timm` is the model's own stem; `small` halves the stride of its first convolution and leaves
    out the max pooling after it, for images of about 32 pixels; `auto` is `small` below 64 pixels.
    Models of a fixed image size, such as transformers, are built for the images' size instead."""
    options: ModelOptions = ModelOptions()
    """Further arguments of the model, for example {drop_path_rate: 0.1} or {patch_size: 4}."""

    def build(self, *, num_classes: int, in_channels: int, image_size: int) -> Network:
        """Build the network.

        Raises:
            ValueError: if the model does not take the options or the images' size.
        """
        layout = self._layout(in_channels, image_size)
        model = self._create(in_channels, image_size)
        return Network(
            stages=nn.Sequential(TimmBody(model, layout)),
            neck=TimmHead(model, layout),
            num_features=int(getattr(model, "head_hidden_size", None) or model.num_features),
            num_classes=num_classes,
        )

    def _create(self, in_channels: int, image_size: int) -> Any:
        import timm  # late: it is an extra, and takes seconds

        known = timm.models.get_pretrained_cfg(self.model)
        sized = {"img_size": image_size} if known is not None and known.fixed_input_size else {}
        create: Any = timm.create_model
        model = create(
            self.model,
            pretrained=False,
            num_classes=0,
            in_chans=in_channels,
            **sized,
            **self.options,
        )
        small = self.stem == "small" or (self.stem == "auto" and image_size < SMALL_IMAGES)
        if small and not sized:
            _make_stem_small(model)
        return model

    def _layout(self, in_channels: int, image_size: int) -> Layout:
        """Return how the model's features lie, from a pass without memory for weights or images."""
        try:
            with torch.device("meta"):
                model = self._create(in_channels, image_size).eval()
                features = model.forward_features(
                    torch.empty(2, in_channels, image_size, image_size)
                )
                if isinstance(features, torch.Tensor):
                    model.forward_head(features, pre_logits=True)
        except Exception as error:  # whatever a model says of options and sizes that do not fit
            said = str(error).strip().splitlines()[:1] or [type(error).__name__]
            raise ValueError(
                f"timm cannot build {self.model} with the options {dict(self.options)} for images "
                f"of {image_size}x{image_size} pixels: {said[0]}"
            ) from error
        if not isinstance(features, torch.Tensor):
            raise ValueError(f"timm's {self.model} has features of several scales, and no neck")
        if features.ndim == 4:
            last = getattr(model, "output_fmt", None) == "NHWC"
            return "channels_last" if last else "maps"
        return "tokens" if features.ndim == 3 else "vectors"


class TimmBody(nn.Module):
    """All of a model but its head, as feature maps: one stage."""

    def __init__(self, model: Any, layout: Layout) -> None:
        super().__init__()
        self.model = model
        self.layout = layout

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Return maps_NCHW; of L tokens, maps of L rows and one column."""
        features: Tensor = self.model.forward_features(images_NCHW)
        match self.layout:
            case "channels_last":
                return features.permute(0, 3, 1, 2)
            case "tokens":
                return features.transpose(1, 2).unsqueeze(3)
            case "vectors":
                return features[:, :, None, None]
            case _:
                return features


class TimmHead(nn.Module):
    """A model's head without its classifier."""

    def __init__(self, model: Any, layout: Layout) -> None:
        super().__init__()
        # A tuple: the body holds the model, and registers its parameters, once.
        self._model = (model,)
        self.layout = layout

    def forward(self, maps_NCHW: Tensor) -> Tensor:
        """Return features_NM."""
        match self.layout:
            case "channels_last":
                features = maps_NCHW.permute(0, 2, 3, 1)
            case "tokens":
                features = maps_NCHW.squeeze(3).transpose(1, 2)
            case "vectors":
                features = maps_NCHW[:, :, 0, 0]
            case _:
                features = maps_NCHW
        features_NM: Tensor = self._model[0].forward_head(features, pre_logits=True)
        return features_NM


def _make_stem_small(model: nn.Module) -> None:
    """Halve the stride of the first convolution, and take away a pooling that follows the stem."""
    first = next((module for module in model.modules() if isinstance(module, nn.Conv2d)), None)
    if first is not None and first.stride[0] > 1:
        first.stride = (first.stride[0] // 2, first.stride[1] // 2)
        for owner, name in ((model, "maxpool"), (getattr(model, "features", None), "pool0")):
            if isinstance(getattr(owner, name, None), nn.MaxPool2d):
                setattr(owner, name, nn.Identity())
