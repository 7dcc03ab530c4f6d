"""Components as a user of the project would write them, for the tests of all rooms."""

NOISE = '''
"""Noise on the inputs."""

from typing import Literal

import torch

from trainables.regularizers import RegularizerModule, TargetComparison
from trainables.regularizers import SmoothingSettings
from trainables.settings import NonNegative, settings


@settings
class Settings(SmoothingSettings):
    """Gaussian noise on every pixel."""

    name: Literal["own_noise"] = "own_noise"
    sigma: NonNegative = 0.1
    """Standard deviation of the noise."""

    def build(self, *, num_classes, num_features):
        return OwnNoise(self, num_classes=num_classes)


class OwnNoise(RegularizerModule):
    def compare(self, network, batch):
        noise_NCHW = torch.empty_like(batch.images_NCHW).normal_(generator=batch.generator)
        logits_NC = network(batch.images_NCHW + self.settings.sigma * noise_NCHW)
        return TargetComparison(logits_NC=logits_NC, targets_NC=batch.targets_NC, mixed=False)
'''

TWO_MORE = '''
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from trainables.datasets import Images, RawDataset, SplitSettings
from trainables.networks import Network
from trainables.settings import Count, settings


@settings
class OneStage:
    """One convolution."""

    name: Literal["one_stage"] = "one_stage"
    width: Count = 8
    """Channels."""

    def build(self, *, num_classes, in_channels, image_size):
        stage = nn.Sequential(nn.Conv2d(in_channels, self.width, 3, padding=1), nn.ReLU())
        neck = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        return Network(
            stages=nn.Sequential(stage), neck=neck, num_features=self.width, num_classes=num_classes
        )


@settings
class Halves(SplitSettings):
    """Images whose upper or lower half is bright."""

    name: Literal["halves"] = "halves"

    @property
    def image_size(self):
        return 8

    def places(self, root: Path):
        return []

    def read(self, root: Path):
        labels_N = torch.arange(120) % 2
        images_NCHW = torch.zeros(120, 1, 8, 8, dtype=torch.uint8)
        images_NCHW[labels_N == 0, :, :4] = 255
        images_NCHW[labels_N == 1, :, 4:] = 255
        train, test = (Images(images_NCHW[a:b], labels_N[a:b]) for a, b in ((0, 100), (100, 120)))
        return RawDataset(
            train=train, test=test, classes=("upper", "lower"), mean=(0.5,), std=(0.5,),
            padding=0, flip=False,
        )
'''
