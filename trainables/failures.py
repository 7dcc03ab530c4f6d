"""What a trial's attempt failed of, read from its traceback: whose memory ran out decides the mend.

A GPU whose memory ran out calls for a larger share; a machine whose memory ran out calls for fewer
trials side by side. CUDA's libraries say the first in words of their own, and Ray ends a process
for the second with an error whose name is much like PyTorch's.
"""

from typing import Literal

FailureCause = Literal["gpu_memory", "host_memory", "other"]

HOST_MEMORY = (
    "ray.exceptions.OutOfMemoryError",
    "Task was killed due to the node running low on memory",
    "worker(s) were killed due to the node running low on memory",
    "DefaultCPUAllocator: can't allocate memory",
    "DefaultCPUAllocator: not enough memory",
    "Cannot allocate memory",
    "MemoryError",
)
"""Words of Ray, of PyTorch on a CPU, of the system and of Python."""
GPU_MEMORY = (
    "torch.OutOfMemoryError",
    "torch.cuda.OutOfMemoryError",
    "CUDA out of memory",
    "CUDA error: out of memory",
    "cudaErrorMemoryAllocation",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUSOLVER_STATUS_ALLOC_FAILED",
    "CUFFT_ALLOC_FAILED",
    "HIP out of memory",
)
"""Words of PyTorch and of CUDA's libraries."""
GPU_MEMORY_MAYBE = (
    "CUBLAS_STATUS_NOT_INITIALIZED",
    "CUDNN_STATUS_NOT_INITIALIZED",
    "CUDNN_STATUS_INTERNAL_ERROR",
    "Unable to find a valid cuDNN algorithm",
    "unable to find an engine to execute this computation",
)
"""Words of libraries that find no memory for a handle or a workspace, among other causes: a larger
share mends the one and does no harm to the others."""


def failure_cause(failure: str) -> FailureCause:
    """Return what an attempt failed of.

    Args:
        failure: the traceback, or what else is known, such as an error's text.
    """
    if any(words in failure for words in GPU_MEMORY):
        return "gpu_memory"
    # After the GPU's: PyTorch's own error ends in the words of Python's, `MemoryError`.
    if any(words in failure for words in HOST_MEMORY):
        return "host_memory"
    if any(words in failure for words in GPU_MEMORY_MAYBE):
        return "gpu_memory"
    return "other"


def error_cause(error: BaseException) -> FailureCause:
    """Return what an error comes of, by its type's full name and its text."""
    kind = type(error)
    return failure_cause(f"{kind.__module__}.{kind.__qualname__}: {error}")
