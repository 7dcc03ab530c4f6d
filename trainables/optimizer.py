"""SGD as every step takes it: torch's own, without torch's compiler.

torch marks the methods of its optimisers as none of the compiler's business, and loads the compiler
to say so: 860 modules, 1.3 s of a processor and 130 MB in each process that trains. No step here
compiles its optimiser, so that the methods are called as they stand below that mark.
"""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def _below_marks(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function without the decorators around it; see `functools.wraps`."""
    below: Callable[..., Any] = inspect.unwrap(method)
    return below


_ADD_PARAM_GROUP = _below_marks(torch.optim.SGD.add_param_group)
_STATE_DICT = _below_marks(torch.optim.SGD.state_dict)
_STEP = _below_marks(torch.optim.SGD.step)
_ZERO_GRAD = _below_marks(torch.optim.SGD.zero_grad)


class EagerSgd(torch.optim.SGD):
    """torch's SGD for steps that are not differentiated and not compiled; it computes the same.

    `load_state_dict` is torch's own and loads the compiler; no trial calls it, for a checkpoint's
    momentum is copied into the tensors that a recorded step reads.
    """

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Take parameters, as torch's own does, which takes here what it is made with, too.

        Raises:
            ValueError: if steps are to be differentiated.
        """
        if param_group.get("differentiable", self.defaults["differentiable"]):
            raise ValueError(
                "`differentiable` must be False: gradients do not flow through these steps; take "
                "torch.optim.SGD"
            )
        _ADD_PARAM_GROUP(self, param_group)

    def state_dict(self) -> dict[str, Any]:
        """Return the state, as torch's own does."""
        state: dict[str, Any] = _STATE_DICT(self)
        return state

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, as torch's own does."""
        _ZERO_GRAD(self, set_to_none)

    @torch.no_grad()
    def step(  # type: ignore[override]  # torch's has an overload for each kind of closure
        self, closure: Callable[[], Tensor] | None = None
    ) -> Tensor | None:
        """Update the parameters, as torch's own does.

        Args:
            closure: works out the loss and the gradients anew before the update.

        Returns:
            what the closure returns.
        """
        loss: Tensor | None = _STEP(self, closure)
        return loss
