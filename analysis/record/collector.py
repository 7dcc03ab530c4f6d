"""Python's collector of garbage, kept away from reads of thousands of runs and from imports.

MLflow makes some sixty objects of a run's rows, all of them in use. The collector would look at
these objects again and again, and at all of torch's beside them, which took two thirds of a read's
time. What is imported stays as well: a fifth of the time that imports take is the collector's.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """Collect nothing until the block ends; several threads may be in one."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """Collect nothing while a command starts: until `wake_collector`, at the latest until the end.

    What is there when the collector wakes is in use to the end, and is not looked at again.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        (gc.enable if enabled else gc.disable)()


def wake_collector() -> None:
    """Let the collector look at what is made from now on."""
    gc.freeze()
    gc.enable()
