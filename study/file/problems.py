"""What is wrong with a study file, said so that the user can mend it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class FileProblem:
    """One mistake."""

    path: str
    """Dotted, from the file's root."""
    rule: str
    """What must hold, with the value that breaks it."""
    line: int | None = None
    """In the file, counted from 1; 0 where a `--set` flag says it, None where nothing does."""


class StudyFileError(Exception):
    """The study file, or what the command line makes of it, is wrong; nothing was started."""

    def __init__(self, file: str, problems: list[FileProblem]) -> None:
        super().__init__(file, problems)
        self.file = file
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(self._sentence(problem) for problem in self.problems)

    def _sentence(self, problem: FileProblem) -> str:
        where = self.file
        if problem.line is not None:
            where += f":{problem.line}" if problem.line else " (--set)"
        return ": ".join(part for part in (where, problem.path, problem.rule) if part)
