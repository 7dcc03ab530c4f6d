"""Memory of a trial: its peak, its share of a GPU, what its process keeps."""

import ctypes
import os
import platform
import resource
from pathlib import Path

import pynvml
import torch

MEGABYTE = 2**20
# Of glibc's `mallopt`, from its <malloc.h>.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
CONTEXT_MEGABYTES = 600.0
"""What CUDA takes of a GPU for each process, beside what the process allocates; an estimate."""


class PeakMemory:
    """The most memory in use at once since `begin_peak`, of the GPU or of the process."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def megabytes(self) -> float:
        """Return the peak in units of 2^20 bytes."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device) / MEGABYTE
        return _process_peak_bytes() / MEGABYTE


def begin_peak(device: torch.device) -> PeakMemory:
    """Forget the peak so far, and return the one from here on."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        _forget_process_peak()
    return PeakMemory(device)


def taken_megabytes(device: torch.device) -> float:
    """Return the most that this process has taken of a GPU's memory, its context included.

    What others hold of the GPU is none of it. 0 on a CPU.
    """
    if device.type != "cuda":
        return 0.0
    reserved = torch.cuda.max_memory_reserved(device) / MEGABYTE
    held = torch.cuda.memory_reserved(device) / MEGABYTE
    # No less than the estimate: the cap of a share leaves as much to the context.
    return reserved + max(process_megabytes(device) - held, CONTEXT_MEGABYTES)


def process_megabytes(device: torch.device) -> float:
    """Return what the driver says that this process holds of a GPU; 0 where it does not say.

    In a container the driver may know the process by another number.
    """
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return 0.0
    try:
        uuid = f"GPU-{torch.cuda.get_device_properties(device).uuid}"
        handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)
        found = pynvml.nvmlDeviceGetComputeRunningProcesses(handle)
    except pynvml.NVMLError:
        return 0.0
    finally:
        pynvml.nvmlShutdown()
    return sum((each.usedGpuMemory or 0) for each in found if each.pid == os.getpid()) / MEGABYTE


def refused_allocations(device: torch.device) -> int:
    """Return how often this process was refused memory of a GPU, errors that were caught included.

    A library that asks for a workspace tolerates the refusal and does without.
    """
    if device.type != "cuda":
        return 0
    return int(torch.cuda.memory_stats(device).get("num_ooms", 0))


def keep_within(share: float) -> None:
    """Let this process take no more than a share of its GPU, between 0 and 1.

    Ray's fractions are bookkeeping: this is what keeps a trial from its neighbours' memory.
    """
    total = torch.cuda.get_device_properties(0).total_memory / MEGABYTE
    torch.cuda.set_per_process_memory_fraction(allocatable_share(share, total))


def allocatable_share(share: float, total_megabytes: float) -> float:
    """Return which part of a GPU a process may allocate, so that with its context it has a share.

    At least half of the share: where the context takes more, the GPU is not one to be shared so.
    """
    return max(share - CONTEXT_MEGABYTES / total_megabytes, share / 2)


def keep_freed() -> None:
    """Let this process keep what it frees, for the next step asks for as much again.

    glibc gives large blocks back to the system, which clears each page when it is asked for again:
    on a CPU that can take a fifth of a step. Where there is no glibc nothing happens.
    """
    if (libc := _c_library()) is not None:
        libc.mallopt(M_MMAP_THRESHOLD, 32 * MEGABYTE)  # the most it allows
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def give_back_freed() -> None:
    """Give back what this process keeps, so that it is no part of the next trial's peak."""
    if (libc := _c_library()) is not None:
        libc.malloc_trim(0)


def _c_library() -> ctypes.CDLL | None:
    """Return this process's C library, or None if it is another."""
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None


def _forget_process_peak() -> None:
    """Reset the kernel's high-water mark: a warm process ran other trials before."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return  # not Linux, or not allowed: the peak then covers the process's whole life


def _process_peak_bytes() -> int:
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
