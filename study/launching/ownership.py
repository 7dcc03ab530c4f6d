"""Whether a study is still this launch's to run: watched while trials run."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from study.launching.study_launch import StudyLaunch

WATCH_SECONDS = 1.0
"""Between two looks."""


@contextmanager
def watch_ownership(launch: StudyLaunch, stop: Callable[[str], None]) -> Iterator[None]:
    """Stop a launch whose study another launch has taken over, or whose state was deleted.

    Args:
        launch: which is watched until the block ends.
        stop: called once with the reason, from another thread.
    """
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(WATCH_SECONDS):
            if reason := launch.reason_to_stop():
                stop(reason)
                return

    thread = threading.Thread(target=watch, name="ownership", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(timeout=WATCH_SECONDS)
