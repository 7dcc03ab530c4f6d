"""Python's collector of garbage, kept away from reads of thousands of runs.

MLflow makes some sixty objects of a run's rows, all of them in use. The collector would look at
these objects again and again, and at all of torch's beside them, which took two thirds of a read's
time.
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
