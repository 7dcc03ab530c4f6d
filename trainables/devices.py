"""What the hardware is called, and what it can do."""

import os
import platform
import re
import time
from dataclasses import dataclass
from pathlib import Path

import torch


@dataclass(frozen=True)
class GpuDevice:
    """A GPU."""

    name: str
    memory_mb: float
    """In units of 2^20 bytes."""
    driver: str = ""
    """The version of NVIDIA's driver, or nothing where it is not known."""
    mps: bool = False
    """Whether NVIDIA's multi-process service runs beside it."""


class DeviceError(ValueError):
    """There is no such device."""


def open_device(device: torch.device | str | None = None) -> torch.device:
    """Return a device that is ready for every call: CUDA is started, a GPU has its number.

    Args:
        device: a torch device; by default the current GPU, or the CPU where there is none.

    Raises:
        DeviceError: for a GPU that is not there.
    """
    found = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if found.type != "cuda":
        return found
    count = torch.cuda.device_count()
    if (found.index or 0) >= count:
        gpus = "1 GPU" if count == 1 else f"{count or 'no'} GPUs"
        raise DeviceError(f"there is no device {found}: PyTorch finds {gpus} here")
    torch.cuda.init()  # calls that take a numbered device do not start CUDA by themselves
    return torch.device("cuda", torch.cuda.current_device() if found.index is None else found.index)


def first_gpu() -> GpuDevice | None:
    """Return the first GPU that this process may use, or None."""
    if not torch.cuda.is_available():
        return None
    properties = torch.cuda.get_device_properties(0)
    memory_mb = properties.total_memory / 2**20
    return GpuDevice(properties.name, memory_mb, driver_version() or "", is_mps_running())


def device_name(device: torch.device) -> str:
    """Return the name of the GPU, or of the CPU, as its maker gives it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    names = cpuinfo_field("model name")
    return names[0] if names else platform.processor() or platform.machine()


def driver_version() -> str | None:
    """Return the version of NVIDIA's driver, or None where there is none."""
    try:
        text = Path("/proc/driver/nvidia/version").read_text()
    except OSError:
        return None
    found = re.search(r"Kernel Module\s+(?:for \S+\s+)?(\d[\d.]*)", text)
    return found[1] if found else None


def is_mps_running() -> bool:
    """Return whether processes started here would share a GPU by NVIDIA's multi-process service."""
    folder = Path(os.environ.get("CUDA_MPS_PIPE_DIRECTORY", "/tmp/nvidia-mps"))
    if not (folder / "control").exists():
        return False
    try:
        process = int((folder / "nvidia-cuda-mps-control.pid").read_text())
    except (OSError, ValueError):
        return True
    return Path(f"/proc/{process}").exists()  # what a daemon that was killed has left


def time_when_done(device: torch.device) -> float:
    """Return the time, in seconds, once the device has done all that it was asked for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def be_deterministic() -> None:
    """Let this process compute the same from the same, bitwise; call it before it uses a GPU."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # By its other name, which tells the compiler nothing: to load the compiler takes 1.3 s. Whoever
    # compiles tells it.
    torch.set_deterministic_debug_mode("error")
    # What is fresh is written before it is read, here and in PyTorch's own operations: filling it
    # first, the default in this mode, would cost as many kernels again and change no bit.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # PyTorch gives its module a class of its own
    torch.backends.cudnn.benchmark = False


def cpuinfo_field(field: str) -> list[str]:
    """Return the values of a field of the CPUs, one for each core; nothing without Linux."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []
    return [line.partition(":")[2].strip() for line in lines if line.partition("\t")[0] == field]
