"""The console of commands that draw: Rich's, without its markup."""

from collections.abc import Iterable
from typing import Any, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from analysis.terminal import plain_text


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
