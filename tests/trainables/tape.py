"""What a CUDA graph is, for a CPU: the operations of a step, done again on the same memory."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import chain

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from lamix_study.testing.operations import Operation, Taken
from trainables.cuda_graphs import GraphRecorder
from trainables.training_step import TrainingStep


class Tape:
    """Records a step's operations. A replay does them one after the other, whatever Python says.

    As with a graph, numbers of the host are those of the recording, and tensors are read and
    written where they were.
    """

    def __init__(self, step: TrainingStep) -> None:
        self.step = step

    def stream(self) -> AbstractContextManager[None]:
        return nullcontext()

    def record(self, work: Callable[[], None], generator: torch.Generator) -> Callable[[], None]:
        with self._undone(generator), Taken() as taken:
            work()
        return lambda: replay(taken.operations)

    @contextmanager
    def _undone(self, generator: torch.Generator) -> Iterator[None]:
        """Put back what the work has changed, as if it had been recorded and not done."""
        step = self.step
        modules = (step.network, step.regularizer)
        tensors = [*chain.from_iterable((*m.parameters(), *m.buffers()) for m in modules)]
        tensors += [*step.momentum, step.loss_sum]
        before, draws = [tensor.detach().clone() for tensor in tensors], generator.get_state()
        try:
            yield
        finally:
            with torch.no_grad():
                for tensor, value in zip(tensors, before, strict=True):
                    tensor.copy_(value)
            generator.set_state(draws)


def as_recorder(tape: Tape) -> GraphRecorder:
    """Return the tape as what it stands for; the type checker holds it to that."""
    return tape


@torch.no_grad()
def replay(operations: list[Operation]) -> None:
    for func, args, kwargs, result in operations:
        given = {storage(tensor) for tensor in tensors_in((args, kwargs))}
        again = func(*args, **kwargs)
        for there, here in zip(tensors_in(result), tensors_in(again), strict=True):
            if storage(there) not in given:  # else it is a view, or was changed in place
                there.copy_(here)


def tensors_in(tree: object) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def storage(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)
