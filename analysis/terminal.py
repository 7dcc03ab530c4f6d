"""What commands print: text that every terminal takes, to a reader who may go away.

Text of data (questions, paths, messages of other programs) is printed as it is: it is never read as
markup, and its control characters are written out, so that no escape sequence of it reaches a
terminal. A terminal that cannot show a character gets another in its place. Where the reader of the
output has gone away, as with ``| head``, the command goes on and its output goes to its log.
"""

import codecs
import os
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import wraps
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any, ParamSpec, TextIO

SUBSTITUTES = {
    "±": "+-",
    "·": "-",
    "–": "-",
    "—": "-",
    "…": "...",
    "×": "x",
    "─": "-",
    "━": "=",
    "│": "|",
    "★": "*",
    "≤": "<=",
    "≥": ">=",
    "→": "->",
    "‘": "'",
    "’": "'",
    "“": '"',
    "”": '"',
    "β": "beta",
    "λ": "lambda",
    "Δ": "delta",
}
"""What is written for a character that an encoding lacks; a question mark for all others."""
SUBSTITUTING = "lamix-substituting"
"""The name of the handler of encoding errors that writes substitutes."""
WORD_OR_BLANKS = re.compile("[ ]+|[^ ]+")
"""A line ends at ordinary blanks alone, not at one that says that none ends there."""
DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that turn the direction of text, and so show another text than there is."""

Arguments = ParamSpec("Arguments")


def plain_text(text: str) -> str:
    r"""Return a text with its control characters written out, such as ``\x1b``; lines stay."""
    if text.isprintable():  # the most common case, and the quickest to see
        return text
    return "".join(_written_out(character) for character in text)


def text_width(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    # Late: what an ASCII text need not wait for.
    from rich.cells import cell_len

    return cell_len(text)


def cut_text(text: str, width: int) -> str:
    """Return a text, or as much of its beginning as fits so many columns, with an ellipsis."""
    if text_width(text) <= width:
        return text
    kept = text[: max(0, width - 1)]
    while kept and text_width(kept) > width - 1:
        kept = kept[:-1]
    return f"{kept}…"


def padded(text: str, width: int, *, right: bool = False) -> str:
    """Return a text with blanks up to so many columns, behind it or, flush right, before it."""
    space = " " * (width - text_width(text))
    return space + text if right else text + space


def line_width(stream: IO[str]) -> int | None:
    """Return how wide the lines of prose are: the terminal's width, or what COLUMNS says.

    None for a pipe or a file without COLUMNS: there a sentence is one line.
    """
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given) > 0:
        return int(given)
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except (AttributeError, OSError, ValueError):  # no terminal, or a stream of Python's alone
        return None


def wrapped(text: str, width: int | None, *, hanging: int = 0) -> str:
    """Return a text with lines of whole words that are at most so wide.

    A word that is wider, such as a path or an address, keeps its line for itself. Lines that go on
    are indented as the line that they go on with.

    Args:
        text: lines, each of which is wrapped for itself.
        width: in columns; None leaves the text as it is.
        hanging: by how much lines that go on are indented further.
    """
    if width is None:
        return text
    return "\n".join(
        line if text_width(line) <= width else _wrap_line(line, width, hanging)
        for line in text.split("\n")
    )


def _wrap_line(line: str, width: int, hanging: int) -> str:
    lead = line[: len(line) - len(line.lstrip())]
    indent = lead + " " * hanging
    further = indent if len(indent) < width // 2 else ""
    lines, current, blanks, is_empty = [], lead, "", True
    for run in WORD_OR_BLANKS.findall(line.strip().expandtabs()):
        if run.startswith(" "):
            blanks = run
            continue
        for piece in _pieces(run, width - len(further)):
            if not is_empty and text_width(current) + len(blanks) + text_width(piece) > width:
                lines.append(current)
                current, blanks = further, ""
            current, blanks, is_empty = f"{current}{blanks}{piece}", "", False
    return "\n".join([*lines, current])


def _pieces(word: str, width: int) -> list[str]:
    """Return what of a word stays on one line: all of it, unless it is too long and has Chinese.

    Chinese and Japanese are written without blanks, also around Latin words, and a line may end
    behind each wide character with the marks on it. A path stays whole.
    """
    if text_width(word) <= width or "/" in word:
        return [word]
    pieces = [""]
    for character in word:
        if pieces[-1] and _is_wide(pieces[-1][-1]) and not _belongs_to_last(character):
            pieces.append("")
        pieces[-1] += character
    return pieces


def _is_wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in "WF"


def _belongs_to_last(character: str) -> bool:
    """Return whether a character is a mark on the one before it, or joins the next one to it."""
    return unicodedata.category(character) in ("Mn", "Me", "Cf")


def print_error(text: str) -> None:
    """Print a text on the standard error, in lines that fit the terminal."""
    print(wrapped(text, line_width(sys.stderr)), file=sys.stderr, flush=True)


def _written_out(character: str) -> str:
    code = ord(character)
    is_control = (code < 32 and character not in "\n\t") or 127 <= code < 160
    if not is_control and character not in DIRECTIONS:
        return character
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def _substitute(error: UnicodeError) -> tuple[str, int]:
    """Return what is written for characters that cannot be encoded, and where to go on."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    wrong = error.object[error.start : error.end]
    return "".join(SUBSTITUTES.get(character, "?") for character in wrong), error.end


codecs.register_error(SUBSTITUTING, _substitute)


class LastingStream:
    """A text stream that takes any text and outlives its reader."""

    def __init__(self, stream: TextIO, *, plain: bool = False) -> None:
        """Wrap a stream.

        Args:
            stream: of the process, such as its standard output.
            plain: whether control characters are written out; not where Rich draws.
        """
        self.stream = stream
        self.plain = plain
        self.log: Path | None = None
        """Where the output goes once nobody reads it; nowhere without it."""
        self._has_reader = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Write a text, or what can be shown of it; return how long it was."""
        shown = plain_text(text) if self.plain else text
        encoding = self.stream.encoding or "utf-8"
        with suppress(LookupError):  # an encoding that Python does not know: as it is
            shown = shown.encode(encoding, SUBSTITUTING).decode(encoding)
        self._try(lambda: self.stream.write(shown))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Write out what is kept back."""
        self._try(self.stream.flush)

    def _try(self, write: Callable[[], object]) -> None:
        try:
            write()
        except OSError:  # the reader is gone, or the terminal
            with suppress(OSError, ValueError):
                self._has_reader = False
                self._turn_away()
                self.stream.flush()

    def keep_in(self, log: Path) -> None:
        """Name the file for the output that nobody reads, be the reader gone now or later."""
        self.log = log
        if not self._has_reader:
            with suppress(OSError, ValueError):
                self._turn_away()

    def _turn_away(self) -> None:
        """Let whatever is written to the stream from now on go to the log, or nowhere.

        What a display draws on a terminal is nothing for a log.
        """
        target = os.devnull if self.log is None or self.stream.isatty() else str(self.log)
        handle = os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            os.dup2(handle, self.stream.fileno())
        finally:
            os.close(handle)


def guards_output(command: Callable[Arguments, int]) -> Callable[Arguments, int]:
    """Let a command print what it likes: to any terminal, and to a reader who goes away."""

    @wraps(command)
    def guarded(*args: Arguments.args, **kwargs: Arguments.kwargs) -> int:
        before = sys.stdout, sys.stderr
        sys.stdout = _guarded_stream(sys.stdout)
        sys.stderr = _guarded_stream(sys.stderr, plain=True)
        try:
            return command(*args, **kwargs)
        finally:
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    stream.flush()
            sys.stdout, sys.stderr = before

    return guarded


def _guarded_stream(stream: TextIO, *, plain: bool = False) -> TextIO:
    """Return a stream that lasts; there is none where the command was started without it.

    A pipe or a file gets each line as it is written, as a terminal does, not block by block.
    """
    if stream is None or isinstance(stream, LastingStream):
        return stream
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(line_buffering=True)
    return LastingStream(stream, plain=plain)  # type: ignore[return-value]  # it is as good as one


def keep_output_in(log: Path) -> None:
    """Name the file that the output goes to once nobody reads it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, LastingStream):
            stream.keep_in(log)
