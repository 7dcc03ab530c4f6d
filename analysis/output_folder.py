"""The folder that a command writes to: where it cannot be written, that is told in words."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class OutputFolderError(Exception):
    """A folder cannot be written to, in words for the user."""


@contextmanager
def writing_errors_told(folder: Path) -> Iterator[None]:
    """Turn errors of writing into a sentence for the user.

    Args:
        folder: that the block writes to.

    Raises:
        OutputFolderError: in place of an error of the operating system.
    """
    try:
        yield
    except OSError as error:
        place = error.filename or folder
        reason = error.strerror or str(error)
        raise OutputFolderError(f"cannot write to `{place}`: {reason}") from error
