"""scikit-learn's digits: 1,797 real 8x8 images, always there. Alpaydin & Kaynak 1998."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch

from trainables.datasets._images import (
    Flip,
    GreyMean,
    GreyStd,
    Images,
    Padding,
    RawDataset,
    SplitSettings,
    stratified_holdout,
)
from trainables.settings import settings


@settings
class Settings(SplitSettings):
    """scikit-learn's digits, 10 classes, resized from 8x8 to 32x32; a fifth of them is the test."""

    name: Literal["digits"] = "digits"
    # Measured on the training images at 32x32.
    mean: GreyMean = (0.3062,)
    std: GreyStd = (0.3240,)
    padding: Padding = 4
    flip: Flip = False

    @property
    def image_size(self) -> int:
        """LeNet's size; one pixel of the original becomes four by four."""
        return 32

    def places(self, root: Path) -> Sequence[Path]:
        """Return none: they come with scikit-learn, and change with its version alone."""
        del root
        return []

    def read(self, root: Path) -> RawDataset:
        """Read the images that ship with scikit-learn."""
        from sklearn.datasets import load_digits  # a second of import that only this module needs

        del root
        digits = load_digits()
        images = Images(
            torch.from_numpy(digits.images / 16 * 255).round().to(torch.uint8).unsqueeze(1),
            torch.from_numpy(digits.target).long(),
        )
        train, test = stratified_holdout(images, 0.2)
        return RawDataset(
            train=train,
            test=test,
            classes=tuple("0123456789"),
            mean=self.mean,
            std=self.std,
            padding=self.padding,
            flip=self.flip,
        )
