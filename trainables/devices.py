"""What the hardware is called, and what it can do."""

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True)
class GpuDevice:
    """A GPU."""

    name: str
    memory_mb: float
    """In units of 2^20 bytes."""


def first_gpu() -> GpuDevice | None:
    """Return the first GPU that this process may use, or None."""
    if not torch.cuda.is_available():
        return None
    properties = torch.cuda.get_device_properties(0)
    return GpuDevice(properties.name, properties.total_memory / 2**20)


def device_name(device: torch.device) -> str:
    """Return the name of the GPU, or of the CPU, as its maker gives it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    names = _cpuinfo_field("model name")
    return names[0] if names else platform.processor() or platform.machine()


def driver_version() -> str | None:
    """Return the version of NVIDIA's driver, or None where there is none."""
    try:
        text = Path("/proc/driver/nvidia/version").read_text()
    except OSError:
        return None
    found = re.search(r"Kernel Module\s+(?:for \S+\s+)?(\d[\d.]*)", text)
    return found[1] if found else None


def be_deterministic() -> None:
    """Let this process compute the same from the same, bitwise; call it before it uses a GPU."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    # What is fresh is written before it is read, here and in PyTorch's own operations: filling it
    # first, the default in this mode, would cost as many kernels again and change no bit.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False


def best_precision(device: torch.device) -> Precision:
    """Return bf16 where the device has instructions for it, else fp32: others emulate it, slowly.

    A rule and no measurement, so that the same device has the same precision in every trial. On a
    CPU with AVX512-BF16 it pays for LeNet as for residual networks of any width, as measured by
    `python -m tests.benchmarks`.
    """
    if device.type == "cuda":
        return "bf16" if torch.cuda.get_device_capability(device) >= (8, 0) else "fp32"
    flags = set(" ".join(_cpuinfo_field("flags")).split())
    return "bf16" if flags & {"avx512_bf16", "amx_bf16"} else "fp32"


def _cpuinfo_field(field: str) -> list[str]:
    """Return the values of a field, one for each core; nothing where there is no Linux."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []
    return [line.partition(":")[2].strip() for line in lines if line.partition("\t")[0] == field]
