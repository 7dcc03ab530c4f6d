"""Show the studies on record: ``python -m study.list``."""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.command_line import CommandParser, command_name, runs_command, tell_refusal
from analysis.json_documents import (
    Document,
    named_document,
    print_document,
)
from analysis.record.location import shown_tracking_uri
from analysis.record.names import STATE_WORDS
from analysis.record.store_errors import RecordError
from analysis.terminal import (
    line_width,
    plain_text,
    print_error,
    text_width,
    wrapped,
)
from study import state
from study.launching.shell_commands import shell_command
from study.lock import read_holder
from study.record.overview import StudyOverview, read_overview

if TYPE_CHECKING:
    from analysis.tables.rendering import TableGrid

DONE = "done"
"""The count of trials that is shown even where it is 0."""


@runs_command
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    options = build_parser().parse_args(arguments)
    try:
        studies = read_overview(print_error)
    except RecordError as error:
        return tell_refusal("study.list", error, as_document=options.json)
    if options.json:
        print_document(_list_document(studies, state.local_folder(options.state)))
        return 0
    if not studies:
        _say_how_to_begin()
        return 0
    text = studies_text(studies, state.local_folder(options.state), line_width(sys.stdout))
    print(plain_text(text), end="")
    return 0


def studies_text(studies: Sequence[StudyOverview], root: Path, width: int | None) -> str:
    """Return the studies as a table, or, where that is too wide, each in lines of its own.

    Args:
        studies: in the order in which they are shown.
        root: the folder of all state folders.
        width: in columns; None for a pipe or a file.
    """
    # Late: it loads NumPy, which help and a mistake need not wait for.
    from analysis.tables.rendering import to_text

    states = [_state_of(study, root) for study in studies]
    table = to_text(_overview_grid(studies, states))
    if width is not None and any(text_width(line) > width for line in table.splitlines()):
        return "".join(
            f"{wrapped(text, width, hanging=2)}\n"
            for study, state in zip(studies, states, strict=True)
            for text in _overview_lines(study, state)
        )
    return table + "".join(
        f"{wrapped(f'{study.study}, {study.scale}: {state.words}', width, hanging=2)}\n"
        for study, state in zip(studies, states, strict=True)
        if state.more
    )


def _overview_grid(
    studies: Sequence[StudyOverview], states: "Sequence[_StudyState]"
) -> "TableGrid":
    # Late, as above.
    from analysis.tables.rendering import TableCell, TableGrid

    counts = [_counts_of(study) for study in studies]
    shown = [name for name in counts[0] if name == DONE or any(each[name] for each in counts)]
    rows = [
        [
            study.study,
            study.scale,
            state.word,
            *(str(each[name]) for name in shown),
            _change_text(study),
        ]
        for study, state, each in zip(studies, states, counts, strict=True)
    ]
    return TableGrid(
        header=[("", name) for name in ("study", "scale", "state", *shown, "last change")],
        rows=[[TableCell(text) for text in row] for row in rows],
        numeric=[False] * 3 + [True] * len(shown) + [False],
    )


def _overview_lines(study: StudyOverview, state: "_StudyState") -> list[str]:
    counts = [f"{n} {name}" for name, n in _counts_of(study).items() if n or name == DONE]
    return [
        f"{study.study}, {study.scale}: {state.words}",
        f"  {', '.join(counts)}; changed {_change_text(study)}",
    ]


def _counts_of(study: StudyOverview) -> dict[str, int]:
    """Return the trials by what has become of them."""
    return {
        DONE: study.done,
        "running": study.running,
        "cut off": study.cut_off,
        "failed": study.failed,
    }


def _change_text(study: StudyOverview) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(study.changed))


def _say_how_to_begin() -> None:
    begin = shell_command("study.launch", ["beta"])
    said = (
        f"No studies on record in {shown_tracking_uri()}. Begin one with: {begin}\n"
        "(Studies that ran in another folder are listed there, or with MLFLOW_TRACKING_URI set.)"
    )
    print(plain_text(wrapped(said, line_width(sys.stdout))))


def _list_document(studies: Sequence[StudyOverview], root: Path) -> Document:
    """Return what docs/json/list.schema.json describes."""
    listed = [{**asdict(study), "state": _state_of(study, root).words} for study in studies]
    return named_document("list", {"tracking_uri": shown_tracking_uri(), "studies": listed})


@dataclass(frozen=True)
class _StudyState:
    word: str
    more: str = ""
    """Which process holds the study, where one does."""

    @property
    def words(self) -> str:
        return f"{self.word}{self.more}"


def _state_of(study: StudyOverview, root: Path) -> _StudyState:
    """Return a study's state; a held lock shows that the driver lives, a lease may be old."""
    held = read_holder(root / study.study / study.scale / "lock")
    if held is not None:
        who = f", process {held['pid']} on {held['host']} since {held['since']}"
        return _StudyState("running", who)
    if study.holder and study.status == "RUNNING":
        return _StudyState("running elsewhere", f": {study.holder}")
    if study.status == "RUNNING":  # and yet nothing holds the study
        return _StudyState("cut off")
    return _StudyState(STATE_WORDS[study.status])


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = CommandParser("study.list", description="Show the studies on record and their state.")
    parser.add_argument(
        "--state",
        default=state.DEFAULT,
        metavar="DIR",
        help=f"as of {command_name('study.launch')}",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    return parser


if __name__ == "__main__":
    sys.exit(main())
