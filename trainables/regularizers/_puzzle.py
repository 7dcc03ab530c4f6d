"""What PuzzleMix needs beside the two images: the network's saliency, and perhaps noise.

Kim et al. 2020, arXiv:2009.06962. Used by every regularizer that mixes by PuzzleMix.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Literal, NamedTuple, Self

import torch
from annotated_types import MinLen
from pydantic import model_validator
from torch import Tensor

from trainables import mixing, randomness
from trainables.mixing.puzzlemix import Solver, pixel_range
from trainables.networks import Network
from trainables.regularizers._modes import in_mode
from trainables.settings import Count, Exempt, NonNegative, Positive, Share, settings
from trainables.targets import Loss, soft_target_cross_entropy


@settings
class PuzzleSettings:
    """PuzzleMix's own settings; the defaults are those of its CIFAR recipe."""

    blocks: Annotated[tuple[Count, ...], MinLen(1)] = (2, 4, 8, 16)
    """Blocks to a side of the grid; one of them is drawn for each batch. Each must divide the
    height and the width of the images."""
    label_smoothness: NonNegative = 1.2
    """β in PuzzleMix's paper: the cost of unlike labels side by side."""
    data_smoothness: Share = 0.5
    """γ, in [0, 1]: the cost of an edge between the pixels of neighbours."""
    prior_weight: NonNegative = 0.2
    """η: the cost of a share of the own image far from λ."""
    neighbour_size: Count = 4
    """Side in pixels of the patches whose difference is an edge; at most that, and a divisor of
    the block's side."""
    transport: Count | Literal["block", "none"] = 4
    """Side in pixels of what moves to where it is shown, at most that, and a divisor of the
    block's side; `block` moves whole blocks (Tiny-ImageNet), `none` leaves all in place."""
    transport_cost: NonNegative = 0.8
    """Cost of moving by the length of the grid, in units of saliency."""
    solver: Solver = "belief_propagation"
    """Of the mask's problem: `exact` is the reference, on the CPU; `belief_propagation` stays on
    the device and comes within 0.1% of the least energy."""
    clean_weight: Annotated[
        NonNegative, Exempt("cost", "only at 0 the original batch's loss is let go", but_zero=True)
    ] = 0.0
    """clean_lam of the code: weight of the original batch's loss beside the mixed one's. 0 finds
    the saliency in evaluation mode; otherwise in training mode (Tiny-ImageNet: 1)."""
    adversarial_probability: Annotated[
        Share, Exempt("cost", "only at 0 the noise is not computed at all", but_zero=True)
    ] = 0.0
    """How often the own images of a batch, and how often the partners, get adversarial noise, in
    [0, 1]. Off by default in the code too, whose README lists the adversarial variant apart, with
    0.1 for CIFAR-100 and 0.15 for Tiny-ImageNet."""
    adversarial_epsilon: Annotated[
        Positive, Exempt("cost", "noise of every size is computed alike")
    ] = 10.0
    """Greatest noise, in 1/255 of the pixels' range."""

    @model_validator(mode="after")
    def _refuse_ignored_puzzle_settings(self) -> Self:
        if self.transport == "none" and self.transport_cost != 0.8:
            raise ValueError("`transport_cost` is ignored with `transport: none`; leave it out")
        if self.adversarial_probability == 0 and self.adversarial_epsilon != 10:
            raise ValueError("`adversarial_epsilon` is ignored with `adversarial_probability: 0`")
        return self


def check_blocks(settings: PuzzleSettings, image_size: int) -> None:
    """Refuse a number of blocks that does not divide the images' side, in pixels.

    Raises:
        ValueError: naming the number.
    """
    for blocks in settings.blocks:
        if image_size % blocks:
            raise ValueError(
                f"`blocks` must divide the images' {image_size} pixels, but got {blocks}"
            )


class PuzzleBatch(NamedTuple):
    """A batch mixed by PuzzleMix."""

    images_NCHW: Tensor
    lam_N: Tensor
    """Share of each image that is its own."""
    clean_loss: Tensor
    """To add to the mixed batch's loss; 0 with `clean_weight: 0`."""


def puzzle_batch(
    settings: PuzzleSettings,
    network: Network,
    images_NCHW: Tensor,
    targets_NC: Tensor,
    *,
    permutation_N: Tensor,
    lam: Tensor | float,
    blocks: int,
    loss: Loss,
    generator: torch.Generator,
) -> PuzzleBatch:
    """Mix a batch by where the network's own cross entropy is sensitive to the input.

    With `clean_weight: 0` nothing of it is left: no gradient of a weight is computed, and the
    statistics of BatchNorm stay as they are.

    Args:
        settings: of PuzzleMix.
        network: in training mode; so it is left.
        images_NCHW: the original batch.
        targets_NC: its targets.
        permutation_N: the partner of each image.
        lam: λ, the share of the own image aimed at.
        blocks: to a side of the grid.
        loss: of the mixed batch; it sets the scale of the clean loss.
        generator: of the noise, on the images' device.

    Raises:
        ValueError: if a number of blocks does not divide the height and the width of the images.
    """
    noise = (
        _AdversarialNoise(settings, images_NCHW, generator)
        if settings.adversarial_probability
        else None
    )
    input_NCHW = noise.start_NCHW if noise else images_NCHW
    clean_loss, gradient_NCHW = _input_gradient(
        network, input_NCHW, targets_NC, keep_loss=settings.clean_weight > 0
    )
    images_NCHW, lam_N = mixing.puzzlemix(
        images_NCHW,
        permutation_N,
        gradient_NCHW.square().mean(dim=1).sqrt(),
        lam,
        blocks=blocks,
        label_smoothness=settings.label_smoothness,
        data_smoothness=settings.data_smoothness,
        prior_weight=settings.prior_weight,
        neighbour_size=settings.neighbour_size,
        transport=settings.transport,
        transport_cost=settings.transport_cost,
        solver=settings.solver,
        pasted=noise.pasted(gradient_NCHW, permutation_N) if noise else None,
    )
    # The code's binary cross entropy is a mean over classes, of about two cross entropies.
    scale = 2 / targets_NC.shape[1] if loss == "binary_cross_entropy" else 1.0
    return PuzzleBatch(images_NCHW, lam_N, settings.clean_weight * scale * clean_loss)


def draw_blocks(settings: PuzzleSettings, *, step: int, seed: int) -> int:
    """Draw a step's number of blocks, which shapes tensors: the host must know it."""
    return settings.blocks[randomness.derive_seed(seed, "blocks", step) % len(settings.blocks)]


def _input_gradient(
    network: Network, images_NCHW: Tensor, targets_NC: Tensor, *, keep_loss: bool
) -> tuple[Tensor, Tensor]:
    """Return the batch's cross entropy and its gradient at the input, no weight's.

    The loss keeps its graph, and the network its mode, only if it is kept for the update.
    """
    images_NCHW = images_NCHW.detach().requires_grad_()
    alone = network.compiled and not keep_loss
    with torch.enable_grad(), in_mode(network, training=keep_loss), _weights_fixed(network, alone):
        loss = soft_target_cross_entropy(network(images_NCHW), targets_NC)
    (gradient_NCHW,) = torch.autograd.grad(loss, images_NCHW, retain_graph=keep_loss)
    return (loss if keep_loss else loss.detach()), gradient_NCHW.float()


@contextmanager
def _weights_fixed(network: Network, wanted: bool) -> Iterator[None]:
    """Let no weight have a gradient: what is compiled computes all there are, asked for or not."""
    if not wanted:
        yield
        return
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in network.parameters():
            parameter.requires_grad_(True)


class _AdversarialNoise:
    """One step of the fast gradient sign method from a random start, within ±ε of each pixel."""

    def __init__(
        self, settings: PuzzleSettings, images_NCHW: Tensor, generator: torch.Generator
    ) -> None:
        device = images_NCHW.device
        self.images_NCHW = images_NCHW
        self.low_1C11, self.high_1C11 = pixel_range(images_NCHW)
        level_1C11 = (self.high_1C11 - self.low_1C11) / 255
        self.epsilon_1C11 = settings.adversarial_epsilon * level_1C11
        self.step_1C11 = (settings.adversarial_epsilon + 2) * level_1C11
        own, partner = torch.rand(2, generator=generator, device=device).less(
            settings.adversarial_probability
        )
        self.own, self.partner, self.either = own, partner, own | partner
        self.strength = torch.rand((), generator=generator, device=device)
        uniform_NCHW = torch.rand(images_NCHW.shape, generator=generator, device=device)
        noise_NCHW = (2 * uniform_NCHW - 1) * self.epsilon_1C11 * self.either
        self.start_NCHW = self._add(noise_NCHW)
        """The batch to find the gradient at: noisy if any noise will be pasted."""

    def pasted(self, gradient_NCHW: Tensor, permutation_N: Tensor) -> tuple[Tensor, Tensor]:
        """Return own and partner images, each with its noise if its draw said so."""
        noise_NCHW = self.start_NCHW - self.images_NCHW + self.step_1C11 * gradient_NCHW.sign()
        noise_NCHW = noise_NCHW.clamp(-self.epsilon_1C11, self.epsilon_1C11) * self.strength
        partner_NCHW = self._add(noise_NCHW * self.partner)[permutation_N]
        return self._add(noise_NCHW * self.own), partner_NCHW

    def _add(self, noise_NCHW: Tensor) -> Tensor:
        return (self.images_NCHW + noise_NCHW).clamp(self.low_1C11, self.high_1C11)
