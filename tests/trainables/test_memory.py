"""What a trial's process takes and keeps of memory."""

import platform
import subprocess
import sys

import pytest
import torch

from trainables.memory import CONTEXT_MEGABYTES, MEGABYTE, allocatable_share, keep_within


@pytest.mark.parametrize("count", [2, 4, 8])
@pytest.mark.parametrize("total", [16_000, 24_000, 80_000])
def test_all_shares_and_their_contexts_fit_the_gpu(count: int, total: float) -> None:
    allocated = total * allocatable_share(1 / count, total)
    assert count * (allocated + CONTEXT_MEGABYTES) <= total * (1 + 1e-9)


def test_a_share_that_a_context_would_fill_leaves_half_to_the_trial() -> None:
    assert allocatable_share(1 / 16, 8_000) == 1 / 32


@pytest.mark.gpu
def test_what_lies_beyond_the_share_is_refused() -> None:
    total = torch.cuda.get_device_properties(0).total_memory
    keep_within(0.25)
    try:
        with pytest.raises(torch.OutOfMemoryError):
            torch.empty(total // 4, dtype=torch.uint8, device="cuda")
        inside = total // 4 - int((CONTEXT_MEGABYTES + 100) * MEGABYTE)
        torch.empty(inside, dtype=torch.uint8, device="cuda")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told")
def test_what_is_freed_is_kept_until_the_next_trial() -> None:
    program = """
import resource
import numpy
from pathlib import Path
from trainables.memory import give_back_freed, keep_freed

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    numpy.ones(3 * 2**20)  # 24 MB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() >> 20

faults()
print(faults())
keep_freed()
faults()
print(faults())
kept = resident()
give_back_freed()
print(kept - resident())
"""
    printed = subprocess.run(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, check=True, text=True
    ).stdout
    given_back, kept, megabytes = map(int, printed.split())
    assert given_back > 10 * (kept + 1)
    assert megabytes >= 20
