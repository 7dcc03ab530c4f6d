"""LaMix. "Bypassing the Random Input Mixing in Mixup", ICLR 2021 submission, Section 2.

One mixed input per pair, whatever λ (Eq. 4 and 5); its target is the local soft label, mixed by λ
(Eq. 2), blended with a global soft label that a second linear layer makes from the same embedding
(Eq. 9 and 10). Mini-batches of original and of mixed inputs alternate (Section 2.4).
"""

from typing import Annotated, Literal, NamedTuple, Self

import torch
from pydantic import model_validator
from torch import Tensor, nn

from trainables import mixing
from trainables.networks import Network
from trainables.regularizers._puzzle import PuzzleSettings, check_blocks, draw_blocks, puzzle_batch
from trainables.regularizers._regularizer import (
    DIAL,
    RegularizerModule,
    SmoothingSettings,
    TargetComparison,
    TrainingBatch,
)
from trainables.settings import Exempt, Flag, Share, settings
from trainables.targets import global_soft_label, mix_targets


@settings
class Settings(SmoothingSettings):
    """LaMix; where the paper leaves a choice, the default is its literal reading."""

    name: Literal["lamix"] = "lamix"
    beta: Annotated[
        Share, Exempt("cost", "targets of every β are sums of the same terms"), DIAL
    ] = 0.5
    """Share of the local label, in [0, 1]; 1 means no global label (Eq. 10)."""
    mixing: Literal["average", "puzzlemix"] = "average"
    """How the input is mixed: `average` is ½x_i + ½x_j (Eq. 4), `puzzlemix` is PuzzleMix with
    λ = ½ (Eq. 5)."""
    puzzlemix: PuzzleSettings | None = None
    """PuzzleMix's own settings, with `mixing: puzzlemix`; without them, its defaults."""
    global_label: Literal["learned", "uniform", "none"] = "learned"
    """`learned` is Eq. 9; `uniform` is the control 1/C; `none` leaves the local label (Table 8)."""
    detach_global_label: Flag = False
    """Whether the loss's gradient stops at the global label, so that it never learns from it."""
    lam: Literal["uniform", "half", "per_sample"] = "uniform"
    """λ of the label: one draw from U(0, 1) per batch, λ = ½, or one draw per sample."""
    label_from: Literal["lam", "mask"] = "lam"
    """Whether the local label is mixed by λ (Eq. 2) or, with `mixing: puzzlemix`, by the share of
    the mask that shows the own image."""
    original_batches: Flag = True
    """Whether mini-batches of original inputs alternate with mixed ones; Table 7 is without."""
    alternation: Literal["even_odd", "coin_flip", "both"] = "even_odd"
    """Original batches at even steps; at random; or original and mixed at each step (twice the
    work, the mean of both losses)."""
    soften_originals: Flag = True
    """Whether the global label is part of the targets of original batches too (Fig. 3's largest
    targets are reached on these alone); false trains them on their own labels."""

    @model_validator(mode="after")
    def _refuse_ignored_settings(self) -> Self:
        if self.global_label == "none" and self.beta != 0.5:
            raise ValueError("`beta` is ignored with `global_label: none`; leave it out")
        if self.global_label != "learned" and self.detach_global_label:
            raise ValueError(
                f"`detach_global_label` is ignored with `global_label: {self.global_label}`"
            )
        if not self.original_batches and self.alternation != "even_odd":
            raise ValueError("`alternation` is ignored with `original_batches: false`")
        if not (self.original_batches and self.global_label != "none") and (
            not self.soften_originals
        ):
            raise ValueError(
                "`soften_originals` is ignored without original batches or without a global label"
            )
        if self.mixing == "average" and self.puzzlemix is not None:
            raise ValueError("`puzzlemix` is ignored with `mixing: average`; leave it out")
        if self.mixing == "average" and self.label_from == "mask":
            raise ValueError("`label_from: mask` needs `mixing: puzzlemix`; an average has no mask")
        if self.label_from == "mask" and self.lam != "uniform":
            raise ValueError("`lam` is ignored with `label_from: mask`; leave it out")
        return self

    def check(self, *, network: Network, image_size: int) -> None:
        """Refuse blocks that do not fit the images."""
        if self.mixing == "puzzlemix":
            check_blocks(self.puzzlemix or PuzzleSettings(), image_size)

    def build(self, *, num_classes: int, num_features: int) -> "LaMix":
        """Build the loss and its layer W_t of M·C + C parameters."""
        return LaMix(self, num_classes=num_classes, num_features=num_features)


class StepVariant(NamedTuple):
    """What the host decides about a step."""

    mixed: bool
    """Whether there is a mixed batch in it."""
    blocks: int | None
    """PuzzleMix's; None where nothing is mixed by it."""


class LaMix(RegularizerModule[Settings]):
    """The classifier and the global label share the embedding; W_t is dropped at test time."""

    beta: Tensor

    def __init__(self, settings: Settings, *, num_classes: int, num_features: int) -> None:
        super().__init__(settings, num_classes=num_classes)
        self.global_head: nn.Linear | None = None
        """W_t of Eq. 9."""
        if settings.global_label == "learned":
            self.global_head = nn.Linear(num_features, num_classes)
        self.alternation = settings.alternation if settings.original_batches else None
        self.puzzle: PuzzleSettings | None = None
        if settings.mixing == "puzzlemix":
            self.puzzle = settings.puzzlemix or PuzzleSettings()

    def variant(self, step: int, *, seed: int) -> StepVariant:
        """Return whether the step mixes, and by how many blocks."""
        mixed = self.alternation != "even_odd" or step % 2 == 1
        if not mixed or self.puzzle is None:
            return StepVariant(mixed, None)
        return StepVariant(mixed, draw_blocks(self.puzzle, step=step, seed=seed))

    @property
    def waits_for_device(self) -> bool:
        """Whether PuzzleMix finds its mask on the CPU."""
        return self.puzzle is not None and self.puzzle.solver == "exact"

    def compare(self, network: Network, batch: TrainingBatch) -> TargetComparison:
        """Return what one training step compares."""
        original = (batch.images_NCHW, batch.targets_NC)
        variant: StepVariant = batch.variant
        if not variant.mixed:
            return self.compare_batch(network, *original, mixed=False)
        *mixed, clean_loss = self.mix(
            network,
            *original,
            permutation_N=batch.permutation(),
            lam=self._draw_lam(batch),
            blocks=variant.blocks,
            generator=batch.generator,
        )
        match self.alternation:
            case "coin_flip":
                coin = (
                    torch.rand((), generator=batch.generator, device=batch.generator.device) < 0.5
                )
                # Chosen on the device: asking the coin here would wait for it every step.
                chosen = (torch.where(coin, *pair) for pair in zip(original, mixed, strict=True))
                clean_loss = clean_loss.masked_fill(coin, 0)
                return self.compare_batch(network, *chosen, mixed=~coin, clean_loss=clean_loss)
            case "both":
                first = self.compare_batch(network, *mixed, mixed=True)
                second = self.compare_batch(network, *original, mixed=False)
                return _side_by_side(first, second, clean_loss=clean_loss / 2)
            case _:
                return self.compare_batch(network, *mixed, mixed=True, clean_loss=clean_loss)

    def mix(
        self,
        network: Network,
        images_NCHW: Tensor,
        local_NC: Tensor,
        *,
        permutation_N: Tensor,
        lam: Tensor | float,
        blocks: int | None,
        generator: torch.Generator,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the mixed batch, its local soft label and the clean loss that PuzzleMix may keep.

        The input is the same whatever λ is: that is LaMix.
        """
        if self.puzzle is None:
            mixed_NCHW = mixing.mixup(images_NCHW, permutation_N, 0.5)  # Eq. 4
            clean_loss = torch.zeros((), device=images_NCHW.device)
        else:
            assert blocks is not None, "the variant of a step that mixes by PuzzleMix has blocks"
            mixed_NCHW, lam_of_mask_N, clean_loss = puzzle_batch(  # Eq. 5
                self.puzzle,
                network,
                images_NCHW,
                local_NC,
                permutation_N=permutation_N,
                lam=0.5,
                blocks=blocks,
                loss=self.settings.loss,
                generator=generator,
            )
            if self.settings.label_from == "mask":
                lam = lam_of_mask_N
        return mixed_NCHW, mix_targets(local_NC, permutation_N, lam), clean_loss  # Eq. 2

    def soft_targets(self, features_NM: Tensor, local_NC: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the training target of Eq. 10 and the global soft label of Eq. 9, both (N, C).

        The global label is None where there is none.
        """
        beta = self.beta
        if self.settings.global_label == "none":
            return local_NC, None
        if self.global_head is None:
            global_NC = torch.full_like(local_NC, 1 / self.num_classes)
        else:
            global_NC = global_soft_label(self.global_head(features_NM))  # Eq. 9
        if self.settings.detach_global_label:
            global_NC = global_NC.detach()
        return beta * local_NC + (1 - beta) * global_NC, global_NC  # Eq. 10

    def _draw_lam(self, batch: TrainingBatch) -> Tensor | float:
        """Return λ of the label, a scalar or one per sample."""
        generator = batch.generator
        match self.settings.lam:
            case "uniform":
                return torch.rand((), generator=generator, device=generator.device)
            case "half":
                return 0.5
            case "per_sample":
                return torch.rand(
                    len(batch.images_NCHW), generator=generator, device=generator.device
                )

    def compare_batch(
        self,
        network: Network,
        images_NCHW: Tensor,
        local_NC: Tensor,
        *,
        mixed: bool | Tensor,
        clean_loss: Tensor | None = None,
    ) -> TargetComparison:
        """Return what is compared of a batch, original or mixed, given its local soft label."""
        features_NM = network.features(images_NCHW)  # Eq. 6
        targets_NC, global_NC = self.soft_targets(features_NM, local_NC)
        if not self.settings.soften_originals:
            targets_NC = _where_mixed(mixed, targets_NC, local_NC)
        return TargetComparison(  # by Eq. 11
            logits_NC=network.classifier(features_NM),  # Eq. 7
            targets_NC=targets_NC,
            global_NC=global_NC,
            mixed=mixed,
            by=self.settings.loss,
            added_loss=clean_loss,
        )


def _where_mixed(mixed: bool | Tensor, targets_NC: Tensor, local_NC: Tensor) -> Tensor:
    """Return the soft targets of mixed inputs, and the local label of original ones."""
    if isinstance(mixed, bool):
        return targets_NC if mixed else local_NC
    return torch.where(mixed.reshape(-1, 1), targets_NC, local_NC)


def _side_by_side(
    mixed: TargetComparison, original: TargetComparison, *, clean_loss: Tensor
) -> TargetComparison:
    """Return two batches of equal size as one, whose loss is the mean of theirs."""
    size, device = len(mixed.logits_NC), mixed.logits_NC.device
    labels_NC = [part.global_NC for part in (mixed, original) if part.global_NC is not None]
    return TargetComparison(
        logits_NC=torch.cat((mixed.logits_NC, original.logits_NC)),
        targets_NC=torch.cat((mixed.targets_NC, original.targets_NC)),
        global_NC=torch.cat(labels_NC) if labels_NC else None,
        mixed=torch.arange(2 * size, device=device) < size,
        by=mixed.by,
        added_loss=clean_loss,
    )
