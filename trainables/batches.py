"""Mini-batches made on the device: the images stay there as bytes, no loader, no work per image."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from trainables import randomness
from trainables.datasets import Images, Splits


class PixelNormaliser:
    """Bytes to floats: (pixel / 255 − mean) / std per channel."""

    def __init__(self, splits: Splits, device: torch.device) -> None:
        mean_C11 = torch.tensor(splits.mean, device=device).view(-1, 1, 1)
        std_C11 = torch.tensor(splits.std, device=device).view(-1, 1, 1)
        self.scale_C11 = 1 / (255 * std_C11)
        self.shift_C11 = -mean_C11 / std_C11

    def __call__(self, bytes_NCHW: Tensor) -> Tensor:
        """Return images_NCHW, float32."""
        return torch.addcmul(self.shift_C11, bytes_NCHW.float(), self.scale_C11)


class TrainingImages:
    """The training images of a data set, cropped and flipped at random, each image by itself."""

    def __init__(self, splits: Splits, *, batch_size: int, device: torch.device) -> None:
        images = _pad_images(splits, device)
        self.labels_N = images.labels_N
        self.padding, self.flip = splits.padding, splits.flip
        self.normalise = PixelNormaliser(splits, device)
        self.batch_size = batch_size
        size = splits.image_size
        # A view of every crop of every image: taking one is a single gather, no copy of the data.
        self.crops_NCYXHW = images.images_NCHW.unfold(2, size, 1).unfold(3, size, 1)

    def __len__(self) -> int:
        """Return the number of mini-batches in an epoch; the last may be smaller."""
        return -(-len(self.labels_N) // self.batch_size)

    def epoch(self, *key: object) -> "EpochDraws":
        """Draw the order and the augmentation of one epoch, a function of `key` alone."""
        device, count = self.labels_N.device, len(self.labels_N)
        order = randomness.keyed_generator(*key, "order", device=device)
        augmentation = randomness.keyed_generator(*key, "augmentation", device=device)
        offsets = torch.randint(
            0, 2 * self.padding + 1, (2, count), generator=augmentation, device=device
        )
        flips = torch.rand(count, generator=augmentation, device=device) < 0.5
        return EpochDraws(
            images=self,
            order_N=torch.randperm(count, generator=order, device=device),
            rows_N=offsets[0],
            columns_N=offsets[1],
            flips_N=flips,
        )


@lru_cache(maxsize=1)  # for the next trial of a warm actor: padding takes longer than all else
def _pad_images(splits: Splits, device: torch.device) -> Images:
    images = splits.train.to(device)
    return Images(F.pad(images.images_NCHW, (splits.padding,) * 4), images.labels_N)


@dataclass(frozen=True)
class EpochDraws:
    """The draws of one epoch; batch number i is a function of them and i."""

    images: TrainingImages
    order_N: Tensor
    rows_N: Tensor
    columns_N: Tensor
    flips_N: Tensor

    def batch(self, index: int) -> tuple[Tensor, Tensor]:
        """Return batch `index`, from 0: images_NCHW, float32 and normalised, and labels_N."""
        source = self.images
        part = slice(index * source.batch_size, (index + 1) * source.batch_size)
        chosen_N = self.order_N[part]
        bytes_NCHW = source.crops_NCYXHW[chosen_N, :, self.rows_N[part], self.columns_N[part]]
        if source.flip:
            flips_N111 = self.flips_N[part].view(-1, 1, 1, 1)
            bytes_NCHW = torch.where(flips_N111, bytes_NCHW.flip(-1), bytes_NCHW)
        return source.normalise(bytes_NCHW), source.labels_N[chosen_N]


def evenly_chosen(images: Images, count: int) -> Images:
    """Return `count` images spread evenly over all of them, or all if there are fewer."""
    if count >= len(images):
        return images
    return images[torch.linspace(0, len(images) - 1, count).long()]


def evaluated_images(splits: Splits, device: torch.device) -> dict[str, Images]:
    """Return the images that every epoch is evaluated on, by split, on a device.

    Of the training images they are a tenth, but at least 1,000 where there are so many.
    """
    train = evenly_chosen(splits.train, max(1000, len(splits.train) // 10))
    return {
        "train": train.to(device),
        "validation": splits.validation.to(device),
        "test": splits.test.to(device),
    }


@dataclass
class EpochPosition:
    """Where in an epoch the trial stands."""

    epoch: int
    """Counted from 1."""
    draws: EpochDraws
    """A function of the seed and the epoch, so a checkpoint need not hold it."""
    batch: int = 0
    """Mini-batches done."""
    seconds: float = 0.0
    """Spent in this epoch before the last pause."""

    def state_dict(self) -> dict[str, Any]:
        """Return what `Trainer.load_state_dict` cannot derive from seed and epoch."""
        return {"batch": self.batch, "seconds": self.seconds}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Move to where `state` was taken in the same epoch."""
        self.batch = state["batch"]
        self.seconds = state["seconds"]
