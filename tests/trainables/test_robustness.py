"""What kept weights go through: corruptions by their definition, attacks by their bound."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy import ndimage

from analysis.robustness import worker
from trainables.batches import PixelNormaliser
from trainables.robustness.corruptions import SEVERITIES, STRENGTHS, corrupt
from trainables.robustness.perturbations import PERTURBATIONS, attack, occlude
from trainables.robustness_document import VERSION
from trainables.training import Trainer
from trainables.trial_key import hash_configuration

CONFIGURATION = {
    "dataset": {"name": "digits", "train_images": 300, "test_images": 100},
    "network": {"name": "lenet"},
    "regularizer": {"name": "vanilla"},
    "training": {"epochs": 4, "batch_size": 50, "learning_rate": 0.05, "milestones": []},
    "diagnostics": {"weights": True},
}


@pytest.fixture(scope="module", params=[1, 3])
def images(request) -> torch.Tensor:
    """Images with edges and slopes, of one channel or three."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(40, request.param, 8, 8, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size=(32, 32), mode="bilinear")
    smooth[:, :, 8:24, 8:24] *= 0.5
    return (smooth * 255).round().to(torch.uint8)


def changed(before, after):
    return (after.float() - before.float()).abs().mean().item()


@pytest.mark.parametrize("corruption", STRENGTHS)
def test_a_corruption_is_bytes_and_the_same_each_time_and_the_fifth_is_stronger(images, corruption):
    made = {severity: corrupt(images, corruption, severity) for severity in SEVERITIES}
    for severity, corrupted in made.items():
        assert corrupted.dtype == torch.uint8 and corrupted.shape == images.shape
        assert torch.equal(corrupted, corrupt(images, corruption, severity))
    sizes = [changed(images, corrupted) for corrupted in made.values()]
    assert sizes[0] > 0 and sizes[-1] > 1.3 * sizes[0]


def grey(value, *, count=64):
    return torch.full((count, 1, 32, 32), value, dtype=torch.uint8)


def test_noise_has_the_spread_of_its_definition():
    noisy = corrupt(grey(128), "gaussian_noise", 5).float() / 255
    assert noisy.std().item() == pytest.approx(0.10, rel=0.02)
    shot = corrupt(grey(128), "shot_noise", 3).float() / 255
    assert shot.std().item() == pytest.approx((128 / 255 / 100) ** 0.5, rel=0.02)
    struck = corrupt(grey(128), "impulse_noise", 4)
    assert (struck != 128).float().mean().item() == pytest.approx(0.05, rel=0.1)
    assert (struck == 255).sum().item() == pytest.approx((struck == 0).sum().item(), rel=0.1)


def test_a_blur_is_that_of_scipy(images):
    blurred = corrupt(images, "gaussian_blur", 5)
    for ours, before in zip(blurred[:5], images, strict=False):
        theirs = ndimage.gaussian_filter(
            before.numpy() / 255, sigma=(0, 1, 1), mode="nearest", truncate=4
        )
        assert np.abs(ours.numpy() - 255 * theirs).max() <= 0.5 + 1e-6


def test_brightness_adds_to_the_value_and_keeps_the_hue():
    pixel = torch.tensor([[[[102]], [[51]], [[0]]]], dtype=torch.uint8)  # value .4
    brighter = corrupt(pixel.expand(1, 3, 4, 4).contiguous(), "brightness", 5)
    assert brighter[0, :, 0, 0].tolist() == [round(0.7 * 255), round(0.35 * 255), 0]
    black = torch.zeros(1, 3, 4, 4, dtype=torch.uint8)
    assert set(corrupt(black, "brightness", 2).flatten().tolist()) == {round(0.1 * 255)}


def test_contrast_draws_pixels_towards_the_mean_of_their_channel():
    image = torch.zeros(1, 1, 4, 4, dtype=torch.uint8)
    image[..., :2] = 200  # mean 100
    assert set(corrupt(image, "contrast", 2).flatten().tolist()) == {50, 150}


def test_pixels_that_are_all_one_survive_pixelation_and_compression():
    for corruption in ("pixelate", "jpeg"):
        assert changed(grey(128, count=2), corrupt(grey(128, count=2), corruption, 5)) <= 1


def test_an_occlusion_is_a_black_square_in_the_middle(images):
    hidden = occlude(images, 2)
    assert (hidden[..., 12:20, 12:20] == 0).all()
    outside = torch.ones(32, 32, dtype=torch.bool)
    outside[12:20, 12:20] = False
    assert torch.equal(hidden[..., outside], images[..., outside])
    assert not torch.equal(images, hidden)


# A trained network


@pytest.fixture(scope="module")
def trained() -> Trainer:
    trainer = Trainer(CONFIGURATION, seed=2, device="cpu")
    while not trainer.finished:
        trainer.train_epoch()
    return trainer


@pytest.mark.parametrize("pixels", [4, 8])
def test_an_attack_moves_no_pixel_further_and_along_the_sign_of_the_slope(trained, pixels):
    test = trained.splits.test
    network = trained.network.eval()
    normalise = PixelNormaliser(trained.splits, torch.device("cpu"))
    moved = attack(network, normalise, test.images_NCHW, test.labels_N, pixels)
    steps = moved.int() - test.images_NCHW.int()
    assert steps.abs().max() == pixels

    pixels_NCHW = (test.images_NCHW.float() / 255).requires_grad_()
    mean, std = (torch.tensor(v).view(-1, 1, 1) for v in (trained.splits.mean, trained.splits.std))
    loss = torch.nn.functional.cross_entropy(network((pixels_NCHW - mean) / std), test.labels_N)
    loss.backward()
    slope = pixels_NCHW.grad
    clear = (slope.abs() > 1e-6) & (steps != 0)
    assert clear.any() and (steps.sign() == slope.sign())[clear].all()


def key_of(trainer):
    return hash_configuration(
        trainer.configuration, data=trainer.splits.fingerprint, seed=trainer.seed
    )


def test_kept_weights_are_scored_by_a_process_of_its_own(trained, tmp_path):
    weights = tmp_path / "weights.pt"
    weights.write_bytes(trained.diagnostics.files()["weights.pt"])
    wanted = {"settings": CONFIGURATION, "weights": weights, "seed": 2, "key": key_of(trained)}
    with worker.RobustnessWorker(tmp_path) as process:
        answer = process.ask(**wanted)
        again = process.ask(**wanted)
        other = process.ask(**{**wanted, "seed": 3})
        unknown = process.ask(**{**wanted, "settings": {"dataset": {"name": "digit"}}})
        weights.write_bytes(b"no weights")
        damaged = process.ask(**wanted)
    assert answer == again
    assert answer["version"] == VERSION
    where = [(each["kind"], each["name"], each["severity"]) for each in answer["scores"]]
    assert where == [(p.kind, p.name, p.severity) for p in PERTURBATIONS]
    errors = {
        key: each["scores"]["error"] for key, each in zip(where, answer["scores"], strict=True)
    }
    assert errors["clean", "", 0] == trained.history[-1].test_error
    assert errors["fgsm", "", 8] >= errors["fgsm", "", 4] > errors["clean", "", 0]
    assert errors["occlusion", "", 5] > errors["clean", "", 0]
    assert "of other data" in other["reason"]
    assert "not understood" in unknown["reason"]
    assert "not of its network" in damaged["reason"]


def test_what_a_library_prints_is_no_answer(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", worker.MODULE, "--data", str(tmp_path)],
        input=json.dumps({"settings": {}, "weights": "nowhere", "seed": 0, "key": ""}) + "\n",
        capture_output=True,
        text=True,
        cwd=worker.ROOT,
        check=True,
    )
    (line,) = done.stdout.splitlines()
    assert "nowhere" in json.loads(line)["reason"]
