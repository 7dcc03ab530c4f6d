"""Python's collector of garbage, kept away from parsed source.

A syntax tree is in use as a whole: to look at it again and again for garbage took half of the time
of parsing.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """Collect nothing until the block ends."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
