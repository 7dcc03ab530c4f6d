"""Whose memory ran out is read from the words of the libraries that found none."""

import pytest
import torch

from trainables.failures import error_cause, failure_cause


@pytest.mark.parametrize(
    "text",
    [
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has …",
        "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB",
        "torch.AcceleratorError: CUDA error: out of memory\nCUDA kernel errors might be …",
        "RuntimeError: CUDA error: out of memory",
        "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "RuntimeError: cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "RuntimeError: cuDNN error: CUDNN_STATUS_NOT_INITIALIZED",
        "RuntimeError: CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate`",
        "RuntimeError: FIND was unable to find an engine to execute this computation",
        "RuntimeError: Unable to find a valid cuDNN algorithm to run convolution",
        "RuntimeError: cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "RuntimeError: CUDA error: CUSPARSE_STATUS_ALLOC_FAILED when calling `cusparseCreate`",
        "RuntimeError: CURAND_STATUS_ALLOCATION_FAILED",
        "RuntimeError: CUDA driver error: out of memory",
        "RuntimeError: Triton Error [CUDA]: out of memory",
        "RuntimeError: CUDA ran out of memory outside PyTorch's allocator. If this workload …",
        'RuntimeError: NVML_SUCCESS == r INTERNAL ASSERT FAILED at "…/CUDACachingAllocator.cpp"',
    ],
)
def test_the_gpus_memory_ran_out(text):
    assert failure_cause(f"Traceback (most recent call last):\n  File …\n{text}") == "gpu_memory"


@pytest.mark.parametrize(
    "text",
    [
        "ray.exceptions.OutOfMemoryError: Task was killed due to the node running low on memory.",
        "RuntimeError: [enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't "
        "allocate memory: you tried to allocate 800000000000 bytes. Error code 12",
        "MemoryError",
        "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 8. TiB: MemoryError",
        "OSError: [Errno 12] Cannot allocate memory",
        "RuntimeError: cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED",
    ],
)
def test_the_machines_memory_ran_out(text):
    assert failure_cause(text) == "host_memory"


@pytest.mark.parametrize(
    "text",
    [
        "ValueError: the memory of an elephant",
        "RuntimeError: CUDA error: device-side assert triggered",
        "RuntimeError: CUDA error: an illegal memory access was encountered",
        'RuntimeError: NVML_SUCCESS == r INTERNAL ASSERT FAILED at "…/PeerToPeerAccess.cpp":83',
        "triton.runtime.errors.OutOfResources: out of resource: shared memory, Required: 262144",
        "ray.exceptions.ActorDiedError: The actor died unexpectedly before finishing this task.",
        "its process died",
        "",
    ],
)
def test_what_is_no_lack_of_memory_is_none(text):
    assert failure_cause(text) == "other"


def test_the_type_of_an_error_counts_as_its_text_does():
    assert error_cause(torch.OutOfMemoryError("no room")) == "gpu_memory"
    assert error_cause(MemoryError()) == "host_memory"
    assert error_cause(ValueError("wrong")) == "other"


def test_a_real_failure_of_the_cpus_allocator_is_known():
    with pytest.raises(RuntimeError) as failed:
        torch.empty(2**60, dtype=torch.uint8)
    assert error_cause(failed.value) == "host_memory"
