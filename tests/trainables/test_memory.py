"""A trial's share of a GPU's memory."""

import pytest
import torch

from trainables.memory import CONTEXT_MEGABYTES, MEGABYTE, allocatable, keep_within


@pytest.mark.parametrize("count", [2, 4, 8])
@pytest.mark.parametrize("total", [16_000, 24_000, 80_000])
def test_all_shares_and_their_contexts_fit_the_gpu(count: int, total: float) -> None:
    allocated = total * allocatable(1 / count, total)
    assert count * (allocated + CONTEXT_MEGABYTES) <= total * (1 + 1e-9)


def test_a_share_that_a_context_would_fill_leaves_half_to_the_trial() -> None:
    assert allocatable(1 / 16, 8_000) == 1 / 32


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
