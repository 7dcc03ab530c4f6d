"""Asking the search for the next configuration, which of hundreds may take a Gaussian process 1 s.

While trials run, such an answer is waited for on a thread of its own: the driver goes on hearing
what becomes of them. Ray Tune keeps a trial ahead of those that run, so that none waits for it.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Protocol

from threadpoolctl import threadpool_limits

from study.scheduling.protocols import SearchLike
from study.trials import Suggestion

BRIEF_SECONDS = 0.1
"""What the driver waits for itself: most samplers answer sooner, as if there were no thread."""


class Asker(Protocol):
    """How the next configuration is come by."""

    @property
    def is_choosing(self) -> bool:
        """Whether a configuration is asked for that nobody has taken: it is one of the study's."""
        ...

    def next_suggestion(self, *, patient: bool) -> Suggestion | None:
        """Return the next configuration; None while it is still being chosen.

        Args:
            patient: whether there is nothing to do meanwhile, so that it is waited for.
        """
        ...


class DirectAsker:
    """Waits for each configuration."""

    is_choosing = False

    def __init__(self, search: SearchLike) -> None:
        """Take the search that chooses."""
        self._search = search

    def next_suggestion(self, *, patient: bool) -> Suggestion | None:
        """Choose the next configuration."""
        return self._search.ask()


class ThreadedAsker:
    """Lets a thread choose, one configuration at a time.

    Meanwhile the search may be told of results: the configuration is chosen by those that the
    search knew when it was asked.
    """

    def __init__(self, ask: Callable[[], Suggestion], pool: ThreadPoolExecutor) -> None:
        """Take what chooses the next configuration, and a pool of one thread."""
        self._ask = ask
        self._pool = pool
        self._asked: Future[Suggestion] | None = None

    @property
    def is_choosing(self) -> bool:
        """Whether a configuration is asked for that nobody has taken: it is one of the study's."""
        return self._asked is not None

    def next_suggestion(self, *, patient: bool) -> Suggestion | None:
        """Return the next configuration; None while it is still being chosen."""
        seconds = 0.0
        if self._asked is None:
            self._asked, seconds = self._pool.submit(self._ask), BRIEF_SECONDS
        wait([self._asked], timeout=None if patient else seconds)
        if not self._asked.done():
            return None
        asked, self._asked = self._asked, None
        return asked.result()


@contextmanager
def asking_aside(ask: Callable[[], Suggestion]) -> Iterator[ThreadedAsker]:
    """Lend an asker with a thread; the block ends once the thread has chosen.

    A configuration that nobody has taken by then is chosen nevertheless, and stays so on record.
    """
    # One thread of the libraries' too: the cores are the trials'.
    with ThreadPoolExecutor(1, "ask", initializer=threadpool_limits, initargs=(1,)) as pool:
        yield ThreadedAsker(ask, pool)
