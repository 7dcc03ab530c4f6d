"""What the reading of data sets has to say, brought to the user's console."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

READERS = "trainables.datasets"
"""The logger of the data sets."""


class _MessageSayer(logging.Handler):
    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self.say = say

    def emit(self, record: logging.LogRecord) -> None:
        self.say(record.getMessage())


@contextmanager
def tell_data_messages(say: Callable[[str], None]) -> Iterator[None]:
    """Pass on what data sets log while they are read: that a lock or a cache is in the way.

    Args:
        say: takes one message.
    """
    handler = _MessageSayer(say)
    logger = logging.getLogger(READERS)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
