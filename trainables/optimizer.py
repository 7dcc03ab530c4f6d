"""SGD as every step takes it: torch's own, without torch's compiler.

torch marks the methods of its optimisers as none of the compiler's business, and loads the compiler
to say so: 860 modules, 1.3 s of a processor and 130 MB in each process that trains. No step here
compiles its optimiser, so that the methods are called as they stand below that mark.
"""

import inspect
from collections.abc import Callable
from typing import Any

import torch


def _below_marks(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function without the decorators around it; see `functools.wraps`."""
    below: Callable[..., Any] = inspect.unwrap(method)
    return below


_ADD_PARAM_GROUP = _below_marks(torch.optim.SGD.add_param_group)
_STATE_DICT = _below_marks(torch.optim.SGD.state_dict)
_STEP = _below_marks(torch.optim.SGD.step)
_ZERO_GRAD = _below_marks(torch.optim.SGD.zero_grad)


class EagerSgd(torch.optim.SGD):
    """torch's SGD for steps that are not differentiated and not compiled; it computes the same."""

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Take further parameters, as torch's own does."""
        _ADD_PARAM_GROUP(self, param_group)

    def state_dict(self) -> dict[str, Any]:
        """Return the state, as torch's own does."""
        state: dict[str, Any] = _STATE_DICT(self)
        return state

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, as torch's own does."""
        _ZERO_GRAD(self, set_to_none)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # no step here has one
        """Update the parameters, as torch's own does."""
        _STEP(self, closure)
