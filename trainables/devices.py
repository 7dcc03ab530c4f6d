"""What the hardware is called, and what it can do."""

import platform
from pathlib import Path
from typing import Literal

import torch
from torch import nn

Precision = Literal["fp32", "bf16"]

VECTOR_CHANNELS = 16
"""Channels that a convolution needs before bf16 pays: fewer leave its vectors partly empty."""


def device_name(device: torch.device) -> str:
    """Return the name of the GPU, or of the CPU, as its maker gives it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    names = _cpuinfo("model name")
    return names[0] if names else platform.processor() or platform.machine()


def best_precision(network: nn.Module, device: torch.device) -> Precision:
    """Return bf16 where the device computes in it and the network gains by it, else fp32.

    A rule and no measurement: the same device and network have the same precision in every trial.
    What it rests on is measured by `python -m tests.benchmarks`.
    """
    return "bf16" if _has_wide_convolutions(network) and _computes_in_bf16(device) else "fp32"


def _has_wide_convolutions(network: nn.Module) -> bool:
    return any(
        min(layer.in_channels, layer.out_channels) >= VECTOR_CHANNELS
        for layer in network.modules()
        if isinstance(layer, nn.Conv2d)
    )


def _computes_in_bf16(device: torch.device) -> bool:
    """Return whether the device has instructions for bf16; others emulate it, slowly."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    flags = set(" ".join(_cpuinfo("flags")).split())
    return bool(flags & {"avx512_bf16", "amx_bf16"})


def _cpuinfo(field: str) -> list[str]:
    """Return the values of a field, one for each core; nothing where there is no Linux."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []
    return [line.partition(":")[2].strip() for line in lines if line.partition("\t")[0] == field]
