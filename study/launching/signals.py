"""What Ctrl-C and SIGTERM do to a running study."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def handle_signals(
    *, finish_epochs: Callable[[], None], stop_soon: Callable[[], None]
) -> Iterator[None]:
    """Handle signals until the block ends; away from the main thread, leave them as they are.

    Args:
        finish_epochs: called at the first SIGINT; the second one raises KeyboardInterrupt.
        stop_soon: called at SIGTERM.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Python handles signals in the main thread alone
        return
    interrupts = 0

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal interrupts
        interrupts += 1
        if interrupts > 1:
            raise KeyboardInterrupt
        finish_epochs()

    def terminate(number: int, frame: FrameType | None) -> None:
        stop_soon()

    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, interrupt),
        signal.SIGTERM: signal.signal(signal.SIGTERM, terminate),
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
