"""The console of commands that draw: Rich's, without its markup."""

from collections.abc import Iterable
from typing import Any, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from analysis.terminal import line_width, plain_text, wrapped


class PlainConsole(Console):
    """A console that reads no text as markup and lets no control character of data through."""

    def __init__(self, file: TextIO | None = None, **options: Any) -> None:
        """Take the options of Rich's own console, but those that would read a text as markup."""
        super().__init__(file=file, markup=False, highlight=False, emoji=False, **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Render as Rich does; what Rich itself tells the terminal stays."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(plain_text(segment.text), segment.style)


def prose_width(console: Console) -> int | None:
    """Return how wide the lines of prose are on a console, as `line_width` does of a stream."""
    return console.width if console.is_terminal else line_width(console.file)


def print_prose(console: Console, text: str, *, hanging: int = 0, style: str | None = None) -> None:
    """Print a text as it is, in lines of whole words that fit the terminal.

    Args:
        console: where.
        text: lines, each of which is wrapped for itself.
        hanging: by how much lines that go on are indented.
        style: of Rich's, for the whole text.
    """
    shown = wrapped(text, prose_width(console), hanging=hanging)
    console.print(shown, style=style, highlight=False, markup=False, soft_wrap=True)
