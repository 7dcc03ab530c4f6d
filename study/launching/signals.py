"""What Ctrl-C, SIGTERM and the loss of the terminal do to a launch, from its start to its end.

While modules load nothing is open, and the process ends at once. While a launch is prepared or
closed a signal raises KeyboardInterrupt, so that whatever is open is closed. While trials run a
signal is a wish, which the next one makes more urgent.

Python takes a signal when its main thread runs Python. Where that thread hangs in other code, as it
may while Ray starts, a thread of this module ends the process in its place.
"""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType

from study.launching.exit_status import INTERRUPTED

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals that ask a launch to end; SIGHUP says that its terminal is gone."""
PATIENCE = 3
"""The signal of this number, in one phase of a launch, ends the process at once."""
STUCK_SECONDS = 10.0
"""How long the main thread may fail to take a signal."""
ECHO_SECONDS = 0.25
"""The same signal again within this time is the same wish: `timeout` sends it to the process and to
its group."""
GOING_ON = "Interrupted; the same command goes on.\n"

Handler = Callable[[signal.Signals], None]


@contextmanager
def quit_at_signals() -> Iterator[None]:
    """End the process at the first signal until the block ends: nothing is open yet.

    An exception would not do: some modules print it while they load, and go on.
    """
    with _watched(), _handled(lambda number: _quit()):
        yield


@contextmanager
def quit_at_signals_after(save: Callable[[], object]) -> Iterator[None]:
    """End the process at the first signal, as `quit_at_signals` does, but call `save` before.

    A signal meanwhile ends the process at once.
    """
    heard = 0

    def save_and_quit(number: signal.Signals) -> None:
        nonlocal heard
        heard += 1
        if heard == 1:
            save()
        _quit()

    with _handled(save_and_quit):
        yield


@contextmanager
def interrupt_at_signals() -> Iterator[None]:
    """Raise KeyboardInterrupt at each signal until the block ends; the third one ends the process.

    What a launch has open is closed on the way out, unless even that hangs.
    """
    heard = 0

    def interrupt(number: signal.Signals) -> None:
        nonlocal heard
        heard += 1
        if heard >= PATIENCE:
            _quit()
        raise KeyboardInterrupt(number.name)

    with _handled(interrupt):
        yield


@contextmanager
def handle_signals(
    *,
    finish_epochs: Callable[[], None],
    stop_soon: Callable[[], None],
    leave: Callable[[], object],
) -> Iterator[None]:
    """Handle the signals of a study that runs until the block ends.

    Args:
        finish_epochs: called at SIGINT, if that is the first signal.
        stop_soon: called at SIGTERM and SIGHUP, unless one of them came before.
        leave: ends the process, called from another thread if this one takes not even the second
            signal.

    Any other signal, such as a second SIGINT or a second SIGTERM, raises KeyboardInterrupt.
    """
    heard: set[signal.Signals] = set()

    def take_wish(number: signal.Signals) -> None:
        urgent = number is not signal.SIGINT
        if urgent and heard <= {signal.SIGINT}:
            heard.add(number)
            stop_soon()
        elif not urgent and not heard:
            heard.add(number)
            finish_epochs()
        else:
            raise KeyboardInterrupt(number.name)

    _main_thread.leave = leave
    try:
        with _handled(take_wish):
            yield
    finally:
        _main_thread.leave = None


class _MainThread:
    """Whether the main thread takes signals."""

    def __init__(self) -> None:
        self.took_at = float("-inf")
        """When it last took one."""
        self.took = 0
        """Which."""
        self.leave: Callable[[], object] | None = None
        """Set while trials run. Then the first signal waits for the main thread, and a second one
        ends the process by this."""

    def takes(self, number: int) -> bool:
        """Note that it takes a signal; return False if that is the echo of the last one."""
        now = time.monotonic()
        is_echo = number == self.took and now - self.took_at < ECHO_SECONDS
        self.took_at, self.took = now, number
        return not is_echo


_main_thread = _MainThread()


@contextmanager
def _watched() -> Iterator[None]:
    """End the process in place of its main thread, if that thread takes no signal."""
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_watch_main_thread, args=(reader,), daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        writer.close()


def _watch_main_thread(reader: socket.socket) -> None:
    waiting: list[float] = []  # when signals came that are not taken yet
    with reader:
        while byte := reader.recv(1):
            came = time.monotonic()
            if byte[0] not in ENDING or (waiting and came - waiting[-1] < ECHO_SECONDS):
                continue
            waiting = [each for each in (*waiting, came) if each > _main_thread.took_at]
            while _main_thread.took_at < came:
                if time.monotonic() - came > STUCK_SECONDS:
                    _end_in_its_place(len(waiting))
                    break
                time.sleep(0.05)


def _end_in_its_place(waiting: int) -> None:
    """End the process if the main thread takes none of so many signals, unless it may yet."""
    if _main_thread.leave is None:
        _quit()
    elif waiting > 1:
        _main_thread.leave()


@contextmanager
def _handled(take: Handler) -> Iterator[None]:
    """Handle the signals until the block ends; a SIGHUP that is ignored (`nohup`) stays ignored.

    Away from the main thread, where Python takes no signal, they stay as they are.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handler(number: int, frame: FrameType | None) -> None:
        if _main_thread.takes(number):
            take(signal.Signals(number))

    _main_thread.took = 0  # whoever begins to listen has heard nothing yet
    before: Mapping[signal.Signals, object] = {
        number: signal.signal(number, handler)
        for number in ENDING
        if not (number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN)
    }
    try:
        yield
    finally:
        for number, handler_before in before.items():
            signal.signal(number, handler_before)  # type: ignore[arg-type]  # as it was given


def _quit() -> None:
    """End the process at once, saying that the same command goes on."""
    with suppress(OSError):  # nobody may be there to read it
        os.write(2, GOING_ON.encode())
    os._exit(INTERRUPTED)
