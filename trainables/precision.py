"""What forward and backward pass compute in: fp32, tf32 or bf16, said to PyTorch explicitly.

By itself PyTorch lets cuDNN's convolutions round what they multiply to TensorFloat-32 (10 bits of
mantissa) on GPUs that can, and matrix products not. Here `fp32` is fp32 in both, and `tf32` is
TensorFloat-32 in both: what a trial's record says is what was computed.
See https://docs.pytorch.org/docs/stable/notes/cuda.html#tensorfloat-32-tf32-on-ampere-and-later.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from trainables.devices import cpuinfo_field, device_name
from trainables.networks import Network
from trainables.recipe import Precision, PrecisionSetting

AMPERE = (8, 0)
"""The first compute capability with instructions for TensorFloat-32 and bfloat16."""


class PrecisionError(ValueError):
    """The device does not compute in the precision that is asked for."""


def chosen_precision(setting: PrecisionSetting, device: torch.device) -> Precision:
    """Return the precision that a setting means on a device.

    Raises:
        PrecisionError: for `tf32` where no instruction computes it.
    """
    if setting == "auto":
        return best_precision(device)
    if setting == "tf32" and not _has_tensor_float(device):
        raise PrecisionError(
            "`training.precision: tf32` needs a GPU of compute capability 8.0 (Ampere) or newer; "
            f"{device_name(device)} computes the same as `fp32`: use `fp32` or `auto`"
        )
    return setting


def best_precision(device: torch.device) -> Precision:
    """Return bf16 where the device has instructions for it, else fp32: others emulate it, slowly.

    A rule and no measurement, so that the same device has the same precision in every trial. On a
    CPU with AVX512-BF16 it pays for LeNet as for residual networks of any width, as measured by
    `python -m tests.benchmarks`.
    """
    if device.type == "cuda":
        return "bf16" if _has_tensor_float(device) else "fp32"
    flags = set(" ".join(cpuinfo_field("flags")).split())
    return "bf16" if flags & {"avx512_bf16", "amx_bf16"} else "fp32"


def put_on(network: Network, precision: Precision, device: torch.device) -> None:
    """Put a network on a device, its convolutions in the layout that is fastest there.

    A user's own network keeps its layout: its code may ask for maps that lie contiguously.
    """
    network.to(device)
    if not network.is_own:
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                module.to(memory_format=fastest_layout(precision, device))


def fastest_layout(precision: Precision, device: torch.device) -> torch.memory_format:
    """Return how weights and maps of convolutions lie in memory: it decides the last bits too.

    Channels last suits a GPU's tensor cores, and a CPU's convolutions, poolings and batch
    normalisation (`tests/benchmarks/results`). A GPU's convolutions in fp32 gain nothing by it.
    https://docs.pytorch.org/tutorials/intermediate/memory_format_tutorial.html
    """
    gains = device.type == "cpu" or precision != "fp32"
    return torch.channels_last if gains else torch.contiguous_format


@contextmanager
def computing_in(precision: Precision, device: torch.device) -> Iterator[None]:
    """Let operations within the block compute in a precision.

    What autocast converts is converted in the block alone. How fp32 itself is multiplied stays as
    it was set, so that a backward pass after the block computes as its forward pass did.
    """
    set_tensor_float(precision == "tf32")
    bf16 = precision == "bf16"
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16):
        yield


def set_tensor_float(allowed: bool) -> None:
    """Let the GPU's products of fp32 round to TensorFloat-32, or forbid it, for this process."""
    wanted = "tf32" if allowed else "ieee"
    if _HAS_SETTINGS and all(each.fp32_precision == wanted for each in _backends()):
        return
    # The older flags first: parts of PyTorch still read them, and refuse to where they disagree
    # with the settings that follow.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some versions call them deprecated
        torch.backends.cuda.matmul.allow_tf32 = allowed
        torch.backends.cudnn.allow_tf32 = allowed
    if _HAS_SETTINGS:
        for backend in _backends():
            backend.fp32_precision = wanted


_HAS_SETTINGS = hasattr(torch.backends.cudnn, "conv")
"""Whether this PyTorch says by operation how fp32 is multiplied."""


def _backends() -> tuple[Any, Any, Any]:
    """Return what is told: matrix products, convolutions, recurrent networks."""
    cudnn: Any = torch.backends.cudnn
    return torch.backends.cuda.matmul, cudnn.conv, cudnn.rnn


def _has_tensor_float(device: torch.device) -> bool:
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= AMPERE
