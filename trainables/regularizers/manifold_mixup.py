"""Manifold Mixup. Verma et al. 2019, arXiv:1806.05236, Section 2."""

from typing import Annotated, Literal

from annotated_types import MinLen

from trainables import mixing, randomness
from trainables.networks import Network
from trainables.regularizers._regularizer import (
    RegularizerModule,
    SmoothingSettings,
    TargetComparison,
    TrainingBatch,
)
from trainables.settings import Exempt, Index, Positive, settings
from trainables.targets import mix_targets


@settings
class Settings(SmoothingSettings):
    """Manifold Mixup: what one randomly chosen layer is fed is mixed, and the target with it."""

    name: Literal["manifold_mixup"] = "manifold_mixup"
    alpha: Annotated[Positive, Exempt("cost", "λ is one draw per batch at every α")] = 2.0
    """α of λ ~ Beta(α, α), above 0; the authors' commands for CIFAR say 2."""
    layers: Annotated[tuple[Index, ...], MinLen(1)] = (0, 1, 2)
    """Layers to choose from, one per batch: k is what the network's k-th stage is fed, so 0 is the
    image; the number of stages is the last stage's output. The authors' code counts residual
    stages: its 0, 1, 2 are 0, 2, 3 of `preact_resnet18`, whose first stage is the stem."""

    def check(self, *, network: Network, image_size: int) -> None:
        """Refuse a layer that the network does not have."""
        if max(self.layers) > len(network.stages):
            raise ValueError(
                f"`layers` must be at most the network's number of stages, {len(network.stages)}, "
                f"but got {list(self.layers)}"
            )

    def build(self, *, num_classes: int, num_features: int) -> "ManifoldMixup":
        """Build the loss."""
        del num_features
        return ManifoldMixup(self, num_classes=num_classes)


class ManifoldMixup(RegularizerModule[Settings]):
    """One layer, one λ and one permutation per batch; every batch is mixed."""

    def variant(self, step: int, *, seed: int) -> int:
        """Return the layer, which the host must know."""
        draw = randomness.derive_seed(seed, "layer", step)
        return self.settings.layers[draw % len(self.settings.layers)]

    def compare(self, network: Network, batch: TrainingBatch) -> TargetComparison:
        """Return what one training step compares."""
        lam = randomness.draw_beta(self.settings.alpha, generator=batch.generator)
        permutation_N = batch.permutation()
        layer: int = batch.variant
        maps_NCHW = network.maps_after(batch.images_NCHW, stages=layer)
        maps_NCHW = mixing.mixup(maps_NCHW, permutation_N, lam)
        logits_NC = network.classifier(network.features_after(maps_NCHW, stages=layer))
        targets_NC = mix_targets(batch.targets_NC, permutation_N, lam)
        return TargetComparison(logits_NC=logits_NC, targets_NC=targets_NC, mixed=True)
