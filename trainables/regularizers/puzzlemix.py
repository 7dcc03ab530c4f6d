"""PuzzleMix. Kim et al. 2020, arXiv:2009.06962."""

from typing import Literal

from trainables import randomness
from trainables.networks import Network
from trainables.regularizers._puzzle import PuzzleSettings, check_blocks, draw_blocks, puzzle_batch
from trainables.regularizers._regularizer import (
    RegularizerModule,
    SmoothingSettings,
    TargetComparison,
    TrainingBatch,
)
from trainables.settings import Positive, settings
from trainables.targets import Loss, mix_targets


@settings
class Settings(SmoothingSettings, PuzzleSettings):
    """PuzzleMix: salient blocks of both images side by side, the target mixed by the mask."""

    name: Literal["puzzlemix"] = "puzzlemix"
    alpha: Positive = 1.0
    """α of λ ~ Beta(α, α), above 0; 1 draws λ uniformly from [0, 1], as the paper does."""
    loss: Loss = "binary_cross_entropy"
    """The loss of PuzzleMix's code, the binary cross entropy of the softmax output; or Eq. 11."""

    def check(self, *, network: Network, image_size: int) -> None:
        """Refuse blocks that do not fit the images."""
        check_blocks(self, image_size)

    def build(self, *, num_classes: int, num_features: int) -> "PuzzleMix":
        """Build the loss."""
        del num_features
        return PuzzleMix(self, num_classes=num_classes)


class PuzzleMix(RegularizerModule[Settings]):
    """One λ, one permutation and one size of blocks per batch; every batch is mixed."""

    def variant(self, step: int, *, seed: int) -> int:
        """Return the number of blocks."""
        return draw_blocks(self.settings, step=step, seed=seed)

    @property
    def waits_for_device(self) -> bool:
        """Whether the mask is found on the CPU."""
        return self.settings.solver == "exact"

    def compare(self, network: Network, batch: TrainingBatch) -> TargetComparison:
        """Return what one training step compares."""
        lam = randomness.draw_beta(self.settings.alpha, generator=batch.generator)
        permutation_N = batch.permutation()
        mixed = puzzle_batch(
            self.settings,
            network,
            batch.images_NCHW,
            batch.targets_NC,
            permutation_N=permutation_N,
            lam=lam,
            blocks=batch.variant,
            loss=self.settings.loss,
            generator=batch.generator,
        )
        return TargetComparison(
            logits_NC=network(mixed.images_NCHW),
            targets_NC=mix_targets(batch.targets_NC, permutation_N, mixed.lam_N),
            mixed=True,
            added_loss=mixed.clean_loss,
        )
