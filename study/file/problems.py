"""What is wrong with a study file, said so that the user can mend it."""

from dataclasses import dataclass

DIRECTION_MARKS = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)
"""They let a terminal show text in another order than it is written."""


@dataclass(frozen=True)
class FileProblem:
    """One mistake."""

    path: str
    """Dotted, from the file's root."""
    rule: str
    """What must hold, with the value that breaks it."""
    line: int | None = None
    """In the file, counted from 1; 0 where a `--set` flag says it, None where nothing does."""
    file: str | None = None
    """The included file that the line is of; None stands for the study file itself."""

    @classmethod
    def at(cls, path: str, rule: str, line: int | None) -> "FileProblem":
        """Return a mistake on a line that knows its file where an included one holds it."""
        return cls(path, rule, line, getattr(line, "file", None))


class StudyFileError(Exception):
    """The study file, or what the command line makes of it, is wrong; nothing was started."""

    def __init__(self, file: str, problems: list[FileProblem]) -> None:
        super().__init__(file, problems)
        self.file = file
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(printable_text(self._sentence(problem)) for problem in self.problems)

    def _sentence(self, problem: FileProblem) -> str:
        where = problem.file or self.file
        if problem.line is not None:
            where += f":{problem.line}" if problem.line else " (--set)"
        return ": ".join(part for part in (where, problem.path, problem.rule) if part)


def is_hidden(character: str) -> bool:
    """Return whether a character steers a terminal, or is none at all, rather than being shown."""
    code = ord(character)
    control = code < 0x20 or 0x7F <= code < 0xA0
    return (
        control or 0xD800 <= code <= 0xDFFF or character in DIRECTION_MARKS | {"\u2028", "\u2029"}
    )


def printable_text(text: str) -> str:
    r"""Return a text in one line whose control characters are written out: no terminal obeys them.

    >>> printable_text("\x1b[31mred")
    '\\x1b[31mred'
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else repr(character)[1:-1] for character in text
    )
