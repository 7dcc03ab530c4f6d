"""CUDA graphs: work that is recorded once and then launched as a whole, not operation by operation.

After PyTorch's notes, https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs. What is
recorded reads and writes the same memory each time it is replayed, so its inputs are copied to
where it looks for them, and nothing that it works on may move.
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

import torch
from torch import Tensor

from trainables.failures import error_cause

STEPS_BEFORE_RECORDING = 3
"""Of each variant, as in PyTorch's notes: libraries choose and allocate, tables are made. They are
steps of the trial, so they leave no trace that would have to be wiped out."""

TORCH = tuple(map(int, torch.__version__.split(".")[:2]))

Step = Callable[[Tensor, Tensor, Hashable], None]
"""Is given images_NCHW, labels_N and the step's variant."""
Replay = Callable[[], None]


class RecordingFailedError(Exception):
    """The work holds something that cannot be recorded; nothing of it was done."""


class GraphRecorder(Protocol):
    """Records work, to be replayed."""

    def stream(self) -> AbstractContextManager[None]:
        """Return the context in which work goes before it is recorded, and in which it is replayed.

        What is asked of the device before the context is done before its work, what is asked for
        afterwards is done after it.
        """
        ...

    def record(self, work: Callable[[], None], generator: torch.Generator) -> Replay:
        """Take down what `work` asks of the device, without doing it, and return what does it.

        Args:
            work: has been done some times, in the recorder's stream.
            generator: what it draws from. A replay draws what the work itself would have drawn;
                the generator may be seeded between. After a failure it is of no use.

        Raises:
            RecordingFailedError: if that cannot be.
            torch.OutOfMemoryError: if the memory does not hold it; a larger share may.
        """
        ...


class CudaRecorder:
    """Records CUDA graphs that share one pool of memory: they are never replayed at once."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.side = torch.cuda.Stream(device)
        self.pool = torch.cuda.graph_pool_handle()

    @contextlib.contextmanager
    def stream(self) -> Iterator[None]:
        """Yield on a stream beside the current one; neither runs ahead of the other."""
        current = torch.cuda.current_stream(self.device)
        self.side.wait_stream(current)
        try:
            with torch.cuda.stream(self.side):
                yield
        finally:
            current.wait_stream(self.side)

    def record(self, work: Callable[[], None], generator: torch.Generator) -> Replay:
        """Capture the work as a CUDA graph, and return its launch."""
        graph = torch.cuda.CUDAGraph()
        try:
            _register_generator(graph, generator)
            with torch.cuda.graph(graph, pool=self.pool, stream=self.side):
                work()
        except RuntimeError as error:
            self._clean_up(graph)
            # The end of a broken capture fails too; what broke it came before.
            first = error.__context__ or error
            reason = str(first).partition("\n")[0]
            if "gpu_memory" in (error_cause(first), error_cause(error)):
                raise torch.OutOfMemoryError(
                    "while a step was recorded, which takes memory of its own "
                    f"(`training.graphs: false` does without): {reason}"
                ) from error
            raise RecordingFailedError(reason) from error
        return graph.replay

    def _clean_up(self, graph: torch.cuda.CUDAGraph) -> None:
        """Do what `CUDAGraph.capture_end` leaves undone where CUDA itself broke the capture off.

        The allocator would believe for ever that a capture is under way, and return no memory.
        """
        device = torch.cuda.current_device()
        # The capture did end, and this was done; or the names, which are private, are gone: then
        # the process holds the memory of one capture to its end.
        with contextlib.suppress(RuntimeError, AttributeError, TypeError):
            torch._C._cuda_endAllocateToPool(device, self.pool)
            torch._C._cuda_releasePool(device, self.pool)
        graph.reset()


def _register_generator(graph: torch.cuda.CUDAGraph, generator: torch.Generator) -> None:
    """Let a graph draw from a generator other than the default one.

    PyTorch does so by itself since 2.14, where the call does nothing and is announced to go.
    """
    if hasattr(graph, "register_generator_state") and TORCH < (2, 14):
        graph.register_generator_state(generator)


class StepRecordings:
    """The recorded steps, one for each variant, and the memory where they find their mini-batch."""

    def __init__(self, recorder: GraphRecorder) -> None:
        self.recorder = recorder
        self.replays: dict[Hashable, Replay] = {}
        self.computed: Counter[Hashable] = Counter()
        self.inputs: tuple[Tensor, Tensor] | None = None

    def stream(self) -> AbstractContextManager[None]:
        """Return the context of all steps, recorded or not."""
        return self.recorder.stream()

    def due(self, variant: Hashable) -> bool:
        """Count a step, and return whether enough of its variant were computed to record one."""
        self.computed[variant] += 1
        return self.computed[variant] > STEPS_BEFORE_RECORDING

    def fill(self, images_NCHW: Tensor, labels_N: Tensor) -> None:
        """Copy a mini-batch to where all recordings find it."""
        if self.inputs is None:
            self.inputs = torch.empty_like(images_NCHW), torch.empty_like(labels_N)
        for there, here in zip(self.inputs, (images_NCHW, labels_N), strict=True):
            there.copy_(here)

    def add(self, variant: Hashable, step: Step, generator: torch.Generator) -> None:
        """Record a step of the variant, which draws from `generator`.

        Raises:
            RecordingFailedError: if that cannot be.
            torch.OutOfMemoryError: if the memory does not hold it.
        """
        assert self.inputs is not None, "a mini-batch is there before the first recording"
        images_NCHW, labels_N = self.inputs
        self.replays[variant] = self.recorder.record(
            lambda: step(images_NCHW, labels_N, variant), generator
        )
