"""What a training step asks of the device: its operations, taken down one by one."""

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from trainables.cuda_graphs import RecordingFailedError

WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "lift_fresh", "unique")
"""Operations that wait for a device: to read a value, to count, to copy a number to it."""


Operation = tuple[Any, Any, dict[str, Any], Any]
"""A function, its arguments by position and by name, and its result."""


class Taken(TorchDispatchMode):
    """Takes down the operations that are done within it, with all that they are given."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's own
        self.operations: list[Operation] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Take one operation down.

        Raises:
            RecordingFailedError: if it waits for the device.
        """
        if func.overloadpacket.__name__ in WAITING:
            raise RecordingFailedError(f"{func.overloadpacket.__name__} waits for the device")
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        self.operations.append((func, args, kwargs, result))
        return result


def described(value: object) -> object:
    """Return a number as it is and a tensor without its content."""
    if isinstance(value, torch.Tensor):
        return tuple(value.shape), value.stride(), value.dtype
    return type(value) if isinstance(value, torch.Generator) else value
