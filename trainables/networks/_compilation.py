"""Passes through stages as `torch.compile` makes them: one compilation serves many trials.

What is compiled knows the stages' structure and the shape of what they are fed, not the weights: it
serves all networks of a process that look alike, and from the compiler's cache on disk those of
other processes. https://docs.pytorch.org/docs/stable/torch.compiler.html.
"""

from collections.abc import Callable, Sequence
from functools import cache

import torch
from torch import Tensor, nn

SHAPES = 256
"""How many a process may compile: beyond it the compiler refuses, where by default it would go on
uncompiled after eight, and compute other bits."""

Pass = Callable[[Sequence[nn.Module], Tensor], Tensor]


def run_stages(stages: Sequence[nn.Module], maps: Tensor) -> Tensor:
    """Return what the last stage makes of what the first is fed."""
    for stage in stages:
        maps = stage(maps)
    return maps


@cache
def compiled_run() -> Pass:
    """Return the same as compiled for each structure and shape that it meets, forward and backward.

    From torch 2.10 on nothing about it is chosen by measuring: it is the same in each process.
    """
    from torch import _inductor  # each takes seconds to import
    from torch._dynamo import config as tracing
    from torch._functorch import config as differentiation

    # The compiler hears of deterministic mode by this call alone; see `be_deterministic`.
    torch.use_deterministic_algorithms(
        torch.are_deterministic_algorithms_enabled(),
        warn_only=torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    tracing.recompile_limit = tracing.accumulated_recompile_limit = SHAPES
    # PuzzleMix may go back through a pass twice; the memory that this saves is lost to the second.
    differentiation.donated_buffer = False
    known = "deterministic" in _inductor.list_options()  # not to torch 2.9
    compiled: Pass = torch.compile(
        run_stages,
        fullgraph=True,
        dynamic=False,
        options={"deterministic": True} if known else None,
    )
    return compiled
