"""A look that is taken again and again while a block of code runs, by a thread of its own."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

WATCH_SECONDS = 1.0
"""Between two looks."""


@contextmanager
def watch_meanwhile(look: Callable[[], bool], *, name: str) -> Iterator[None]:
    """Look until the block ends, or until there is nothing more to see.

    Args:
        look: returns whether to look again; it is called from another thread.
        name: of the thread.
    """
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(WATCH_SECONDS):
            if not look():
                return

    thread = threading.Thread(target=watch, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(timeout=WATCH_SECONDS)
