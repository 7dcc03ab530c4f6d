"""The baselines do what they stand for."""

import pytest
import torch

from tests.benchmarks import gpu
from tests.benchmarks.baselines import baseline_c
from trainables import networks
from trainables.recipe import TrainingSettings


def test_baseline_c_trains_on_airbenchs_augmented_images():
    pytest.importorskip("airbench")
    loop = baseline_c(gpu.images(), networks.build("lenet", num_classes=10), TrainingSettings())
    images_NCHW, labels_N = next(iter(loop.train))
    assert images_NCHW.shape == (128, 3, 32, 32) and labels_N.shape == (128,)
    before = loop.network.classifier.weight.clone()
    assert loop.rate(2) > 0
    assert not torch.equal(loop.network.classifier.weight, before)
