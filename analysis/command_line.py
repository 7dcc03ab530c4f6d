"""The command line of each command: its name as typed, and near words for what is misspelt."""

import argparse
import atexit
import difflib
import gc
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from typing import NoReturn

from analysis.json_documents import print_document, refusal_document
from analysis.terminal import guards_output, print_error

NOTHING_DONE = 2
"""The exit status of a command that could not begin."""
CLOSE, CLOSE_IF_SHORT = 0.5, 0.6
"""How alike a word must be to be meant, by difflib's ratio: at .5 one letter is like three."""
SHORT = 2
"""Letters of a word, at most, that is short."""
ITEM = re.compile(r" *\S+ +")
"""The first word of a line of a list, and the blanks around it."""
UNKNOWN_CHOICE = re.compile(r"invalid choice: '([^']*)'")


@dataclass(frozen=True)
class CommandDoor:
    """A program that all commands are reached through, such as ``lamix-study``."""

    program: str
    command: str
    """The one that was typed."""
    commands: Mapping[str, str]
    """Module → the command that it is."""


_door: ContextVar[CommandDoor | None] = ContextVar("door", default=None)


@contextmanager
def entered_through(door: CommandDoor) -> Iterator[None]:
    """Let commands call themselves and each other as the user does."""
    before = _door.set(door)
    try:
        yield
    finally:
        _door.reset(before)


def entered_door() -> CommandDoor | None:
    """Return the program by which the running command was reached; None for ``python -m``."""
    return _door.get()


def command_name(module: str) -> str:
    """Return what a user types for the command of a module: ``lamix-study report``."""
    door = _door.get()
    if door is None:
        return f"python -m {module}"
    return f"{door.program} {door.commands[module]}"


def typed_command(module: str) -> str:
    """Return what the user has typed, of which several may be of one module."""
    door = _door.get()
    return command_name(module) if door is None else f"{door.program} {door.command}"


def speaker(module: str) -> str:
    """Return what stands before a message of a module's command."""
    return module if _door.get() is None else command_name(module)


def runs_command(main: Callable[[Sequence[str] | None], int]) -> Callable[..., int]:
    """Let a module's `main` be a command: it prints what it likes, and its process ends at once.

    At its end Python looks for garbage several times, among all that torch, MLflow and Ray have
    made: 1 to 3 s, for what ends with the process anyway.
    """
    guarded = guards_output(main)

    @wraps(main)
    def command(arguments: Sequence[str] | None = None) -> int:
        atexit.unregister(gc.freeze)  # not twice
        atexit.register(gc.freeze)
        return guarded(arguments)

    return command


def tell_refusal(module: str, error: Exception, *, as_document: bool) -> int:
    """Say why a module's command does nothing, also to a program; return the exit status."""
    print_error(f"{speaker(module)}: {error}")
    if as_document:
        document = module.rpartition(".")[2]
        print_document(refusal_document(document, str(error), NOTHING_DONE))
    return NOTHING_DONE


class WholeWords(argparse.HelpFormatter):
    """Paragraphs of whole words; one that begins with blanks is a list and keeps its lines."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(
            " ".join(text.split()), width, break_long_words=False, break_on_hyphens=False
        )

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = (
            _list_lines(paragraph, width)
            if paragraph.startswith(" ")
            else self._split_lines(paragraph, width)
            for paragraph in text.strip("\n").split("\n\n")
        )
        return "\n\n".join("\n".join(lines) for lines in paragraphs)


def _list_lines(paragraph: str, width: int) -> list[str]:
    """Return the lines of a list; what goes on stands below what is said of the first word."""
    lines = []
    for line in paragraph.splitlines():
        item = ITEM.match(line)
        below = " " * (item.end() if item else 0)
        lines += textwrap.wrap(
            line, width, subsequent_indent=below, break_long_words=False, break_on_hyphens=False
        )
    return lines


class CommandParser(argparse.ArgumentParser):
    """The parser of a command: a mistake is told with the nearest right word."""

    def __init__(
        self,
        module: str,
        *,
        description: str,
        epilog: str | None = None,
        prog: str = "",
        usage: str | None = None,
    ) -> None:
        """Begin a parser.

        Args:
            module: whose command it is.
            description: paragraphs, with an empty line between.
            epilog: further paragraphs, below the flags.
            prog: the command, where it is not the module's own.
            usage: of the whole command; None means as argparse writes it.
        """
        super().__init__(
            prog=prog or typed_command(module),
            description=description,
            epilog=epilog,
            usage=usage,
            formatter_class=WholeWords,
        )

    def error(self, message: str) -> NoReturn:
        """Print the usage, the mistake and the nearest right word, and exit with status 2."""
        self.print_usage(sys.stderr)
        print_error(f"{self.prog}: error: {message}{self._near_words(message)}")
        self.exit(2)

    def _near_words(self, message: str) -> str:
        flags = [flag for action in self._actions for flag in action.option_strings]
        near = [
            _nearest(word.partition("=")[0], flags)
            for word in message.split()
            if word.startswith("-") and message.startswith("unrecognized")
        ]
        if wrong := UNKNOWN_CHOICE.search(message):
            choices = [str(c) for action in self._actions for c in action.choices or ()]
            near.append(_nearest(wrong[1], choices))
        meant = [f"`{word}`" for word in dict.fromkeys(near) if word]
        return f"; did you mean {' and '.join(meant)}?" if meant else ""


def _nearest(word: str, known: Sequence[str]) -> str:
    """Return the known word that is most like another, or an empty string.

    The dashes of flags, in which all are alike, do not count.
    """
    bare, by_bare = word.lstrip("-"), {each.lstrip("-"): each for each in known}
    swapped = [each for each in by_bare if sorted(each) == sorted(bare)]
    if swapped and len(bare) > SHORT:  # "lsit" is `list`, though `site` has as much of it in order
        return by_bare[swapped[0]]
    cutoff = CLOSE_IF_SHORT if len(bare) <= SHORT else CLOSE
    near = difflib.get_close_matches(bare, by_bare, n=1, cutoff=cutoff)
    return by_bare[near[0]] if near else ""
