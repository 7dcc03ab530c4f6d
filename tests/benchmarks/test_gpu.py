"""What of the GPU's benchmarks can be known without one."""

import subprocess
import sys

import pytest
import torch

from tests.benchmarks import gpu


@pytest.mark.parametrize(("name", "gflop"), [("preact_resnet18", 3.33), ("lenet", 0.0032)])
def test_the_work_of_an_image_is_as_computed_by_hand(name, gflop):
    """Forward, and twice that backward but for the first layer's images, which learn nothing."""
    assert gpu.flop_per_image(name) / 1e9 == pytest.approx(gflop, rel=0.03)


def test_an_epoch_is_that_of_cifar10_without_its_smaller_batch():
    splits = gpu.images()
    assert splits.train.images_NCHW.shape == (391 * 128, 3, 32, 32)
    assert len(splits.train.labels_N) == 391 * 128
    assert len(splits.mean) == len(splits.std) == 3


def test_the_images_are_there_in_a_process_that_has_loaded_nothing_else():
    code = "from tests.benchmarks import gpu; print(len(gpu.images().train))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == [str(391 * 128)], done.stderr


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_contender_trains_for_the_steps_it_is_asked_for(precision):
    trial = gpu.Contender(gpu.LENET, gpu.images(), precision=precision, device="cpu")
    before = trial.step.network.classifier.weight.clone()
    assert trial.rate(2) > 0
    assert trial.done == 2 + 4
    assert not torch.equal(trial.step.network.classifier.weight, before)


def test_a_share_is_that_of_the_work_done():
    flop = gpu.flop_per_image("lenet")
    figure = gpu.share("share", "lenet", [100.0, 100.0], 1000 * flop, bar=(9, 11))
    assert figure.value.median == pytest.approx(10)
    assert figure.verdict == "met"


def test_without_a_gpu_there_is_a_sentence(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert list(gpu.measure(short=True)) == ["## One GPU\n\nNot measured: there is no GPU here.\n"]
