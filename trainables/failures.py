"""What a trial's attempt failed of, read from its traceback: whose memory ran out decides the mend.

A GPU whose memory ran out calls for a larger share; a machine whose memory ran out calls for fewer
trials side by side. CUDA's libraries say the first in words of their own, and Ray ends a process
for the second with an error whose name is much like PyTorch's.
"""

import re
from typing import Literal

FailureCause = Literal["gpu_memory", "host_memory", "other"]

GPU_MEMORY = re.compile(
    r"torch\.(cuda\.)?OutOfMemoryError"
    r"|\b(CUDA|HIP)\b[^\n]{0,20}out of memory"
    r"|cudaErrorMemoryAllocation|CUDA_ERROR_OUT_OF_MEMORY"
    r"|\bCU[A-Z]+_\w*(?<!HOST_)ALLOC(ATION)?_FAILED"
)
"""Words of PyTorch, of Triton and of CUDA, and of each of CUDA's libraries its own error."""
HOST_MEMORY = re.compile(
    r"ray\.exceptions\.OutOfMemoryError"
    r"|killed due to the node running low on memory"
    r"|DefaultCPUAllocator: (can't allocate|not enough) memory"
    r"|Cannot allocate memory"
    r"|MemoryError"
    r"|\bCU[A-Z]+_\w*HOST_ALLOC(ATION)?_FAILED"
)
"""Words of Ray, of PyTorch on a CPU, of the system and of Python."""
GPU_MEMORY_MAYBE = re.compile(
    r"\bCU[A-Z]+_STATUS_NOT_INITIALIZED"
    r"|CUDNN_STATUS_INTERNAL_ERROR"
    r"|[Uu]nable to find a valid cuDNN algorithm"
    r"|unable to find an engine to execute this computation"
    r"|NVML_SUCCESS == [^\n]* INTERNAL ASSERT FAILED [^\n]*CUDACachingAllocator"
)
"""Words of libraries that find no memory for a handle or a workspace, among other causes: a larger
share mends the one and does no harm to the others. PyTorch's allocator, when it is refused memory,
asks the driver who holds the rest, and fails of that where the driver does not say (on MIG)."""


def failure_cause(failure: str) -> FailureCause:
    """Return what an attempt failed of.

    Args:
        failure: the traceback, or what else is known, such as an error's text.
    """
    if GPU_MEMORY.search(failure):
        return "gpu_memory"
    # After the GPU's: PyTorch's own error ends in the words of Python's, `MemoryError`.
    if HOST_MEMORY.search(failure):
        return "host_memory"
    if GPU_MEMORY_MAYBE.search(failure):
        return "gpu_memory"
    return "other"


def error_cause(error: BaseException) -> FailureCause:
    """Return what an error comes of, by its type's full name and its text."""
    kind = type(error)
    return failure_cause(f"{kind.__module__}.{kind.__qualname__}: {error}")
