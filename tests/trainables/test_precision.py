"""Precisions: what a setting means on a device, and what PyTorch is told of it."""

import subprocess
import sys

import pytest
import torch

from trainables import precision
from trainables.devices import DeviceError, open_device
from trainables.precision import (
    PrecisionError,
    chosen_precision,
    computing_in,
    fastest_layout,
    set_tensor_float,
)
from trainables.training import Trainer

CPU = torch.device("cpu")
PLAIN = {
    "dataset": {"name": "digits", "train_images": 60, "test_images": 20},
    "network": {"name": "lenet"},
    "regularizer": {"name": "vanilla"},
    "training": {"epochs": 1, "batch_size": 32, "milestones": []},
}


def told() -> set[str]:
    backends = torch.backends
    return {
        backends.cuda.matmul.fp32_precision,
        backends.cudnn.conv.fp32_precision,
        backends.cudnn.rnn.fp32_precision,
    }


@pytest.mark.parametrize(
    ("name", "said"), [("fp32", "ieee"), ("tf32", "tf32"), ("bf16", "ieee"), ("fp32", "ieee")]
)
def test_products_of_fp32_are_rounded_in_tf32_alone(name, said):
    with computing_in(name, CPU):
        assert told() == {said}
        product = torch.ones(2, 2) @ torch.ones(2, 2)
        assert product.dtype == (torch.bfloat16 if name == "bf16" else torch.float32)
    assert told() == {said}  # the backward pass comes after the block
    # What PyTorch itself still reads agrees: where it does not, reading raises.
    assert (
        torch.backends.cudnn.allow_tf32 == torch.backends.cuda.matmul.allow_tf32 == (said == "tf32")
    )
    set_tensor_float(False)


def test_saying_it_warns_of_nothing_and_a_new_process_is_told_too():
    program = (
        "import torch; from trainables.precision import set_tensor_float\n"
        "assert torch.backends.cudnn.conv.fp32_precision == 'tf32'\n"  # PyTorch's own choice
        "for allowed in (False, True, False): set_tensor_float(allowed)\n"
        "assert torch.backends.cudnn.conv.fp32_precision == 'ieee'\n"
        "assert torch.backends.cuda.matmul.fp32_precision == 'ieee'\n"
    )
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True
    )
    assert (run.returncode, run.stderr) == (0, "")


def test_without_settings_by_operation_the_older_flags_are_set(monkeypatch):
    monkeypatch.setattr(precision, "_HAS_SETTINGS", False)
    for allowed in (True, False):
        set_tensor_float(allowed)
        assert torch.backends.cudnn.allow_tf32 is allowed
        assert torch.backends.cuda.matmul.allow_tf32 is allowed


def test_a_trial_leaves_the_process_in_its_own_precision():
    set_tensor_float(True)
    Trainer(PLAIN, device="cpu").train_epoch()
    assert told() == {"ieee"}


def test_tf32_is_refused_on_a_cpu_with_the_way_out():
    with pytest.raises(PrecisionError, match=r"tf32` needs a GPU .* use `fp32` or `auto`"):
        chosen_precision("tf32", CPU)
    training = {**PLAIN["training"], "precision": "tf32"}
    with pytest.raises(PrecisionError, match="needs a GPU of compute capability 8.0"):
        Trainer({**PLAIN, "training": training}, device="cpu")


@pytest.mark.parametrize(("capability", "known"), [((7, 5), False), ((8, 0), True), ((9, 0), True)])
def test_a_gpu_before_ampere_has_neither_tf32_nor_bf16(monkeypatch, capability, known):
    card = torch.device("cuda", 0)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a card")
    assert chosen_precision("auto", card) == ("bf16" if known else "fp32")
    if known:
        assert chosen_precision("tf32", card) == "tf32"
    else:
        with pytest.raises(PrecisionError, match="a card computes the same as `fp32`"):
            chosen_precision("tf32", card)


def test_a_gpu_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(DeviceError, match="no device cuda:1: PyTorch finds no GPUs here"):
        open_device("cuda:1")
    assert open_device("cpu") == CPU


@pytest.mark.parametrize(
    ("device", "precision", "layout"),
    [
        ("cpu", "fp32", torch.channels_last),
        ("cpu", "bf16", torch.channels_last),
        ("cuda", "fp32", torch.contiguous_format),
        ("cuda", "tf32", torch.channels_last),
        ("cuda", "bf16", torch.channels_last),
    ],
)
def test_maps_are_channels_last_where_that_is_faster(device, precision, layout):
    assert fastest_layout(precision, torch.device(device)) is layout


def test_a_trial_trains_and_evaluates_in_its_layout():
    trainer = Trainer(PLAIN, seed=0)
    trainer.train_epoch()
    kernels = [weight for weight in trainer.network.parameters() if weight.dim() == 4]
    assert kernels
    for kernel in kernels:
        assert kernel.is_contiguous(memory_format=torch.channels_last)
