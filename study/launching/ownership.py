"""Whether a study is still this launch's to run: watched while trials run."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from study.launching.study_launch import StudyLaunch
from study.launching.watching import watch_meanwhile


def watch_ownership(
    launch: StudyLaunch, stop: Callable[[str], None]
) -> AbstractContextManager[None]:
    """Stop a launch whose study another launch has taken over, or whose state was deleted.

    Args:
        launch: which is watched until the block ends.
        stop: called once with the reason, from another thread.
    """

    def look() -> bool:
        if reason := launch.reason_to_stop():
            stop(reason)
        return not reason

    return watch_meanwhile(look, name="ownership")
