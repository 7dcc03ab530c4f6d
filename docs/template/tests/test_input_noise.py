"""Input noise keeps the contract of all regularizers, and is no noise at σ = 0."""

import torch

from lamix_study.testing import RegularizerContract
from lamix_study.testing.contract import seeded
from lamix_study.testing.regularizers import make, make_batch


class TestInputNoise(RegularizerContract):
    settings = [{"name": "input_noise"}, {"name": "input_noise", "sigma": 0.5}]


def test_no_noise_is_vanilla() -> None:
    net, silent = make({"name": "input_noise", "sigma": 0.0})
    _, vanilla = make({"name": "vanilla"})
    batch = make_batch(8)
    losses = [each.loss(net, *batch, step=0, generator=seeded()) for each in (silent, vanilla)]
    assert torch.equal(*losses)
