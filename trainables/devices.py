"""What the hardware is called."""

import platform
from pathlib import Path

import torch


def device_name(device: torch.device) -> str:
    """Return the name of the GPU, or of the CPU, as its maker gives it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
