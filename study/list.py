"""Show the studies on record: ``python -m study.list``."""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from analysis.command_line import CommandParser, command_name
from analysis.json_documents import (
    Document,
    named_document,
    print_document,
    refusal_document,
)
from analysis.record.location import shown_tracking_uri
from analysis.record.names import STATE_WORDS
from analysis.record.store_errors import RecordError
from analysis.terminal import guards_output, line_width, plain_text, print_error, wrapped
from study import state
from study.launching.shell_commands import shell_command
from study.lock import read_holder
from study.record.overview import StudyOverview, read_overview


@guards_output
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    options = build_parser().parse_args(arguments)
    try:
        studies = read_overview(print_error)
    except RecordError as error:
        print_error(str(error))
        if options.json:
            print_document(refusal_document("list", str(error), 2))
        return 2
    if options.json:
        print_document(_list_document(studies, state.local_folder(options.state)))
        return 0
    if not studies:
        _say_how_to_begin()
        return 0
    _print_table(studies, state.local_folder(options.state))
    return 0


def _print_table(studies: "Sequence[StudyOverview]", root: Path) -> None:
    # Late, as is what reads the record: help and a mistake need not wait for Rich.
    from rich.table import Table

    # As late.
    from analysis.console import PlainConsole

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in (
        "study",
        "scale",
        "state",
        "done",
        "running",
        "cut off",
        "failed",
        "last change",
    ):
        table.add_column(heading, justify="right" if heading in COUNTS else "left")
    for study in studies:
        table.add_row(
            study.study,
            study.scale,
            _state_words(study, root),
            *(str(count) for count in (study.done, study.running, study.cut_off, study.failed)),
            time.strftime("%Y-%m-%d %H:%M", time.localtime(study.changed)),
        )
    PlainConsole().print(table)


def _say_how_to_begin() -> None:
    begin = shell_command("study.launch", ["beta"])
    said = (
        f"No studies on record in {shown_tracking_uri()}. Begin one with: {begin}\n"
        "(Studies that ran in another folder are listed there, or with MLFLOW_TRACKING_URI set.)"
    )
    print(plain_text(wrapped(said, line_width(sys.stdout))))


COUNTS = ("done", "running", "cut off", "failed")


def _list_document(studies: Sequence[StudyOverview], root: Path) -> Document:
    """Return what docs/json/list.schema.json describes."""
    listed = [{**asdict(study), "state": _state_words(study, root)} for study in studies]
    return named_document("list", {"tracking_uri": shown_tracking_uri(), "studies": listed})


def _state_words(study: StudyOverview, root: Path) -> str:
    """Return the state in words; a held lock shows that the driver lives, a lease may be old."""
    lock = root / study.study / study.scale / "lock"
    held = read_holder(lock)
    if held is not None:
        return f"running, process {held['pid']} on {held['host']} since {held['since']}"
    if study.holder and study.status == "RUNNING":
        return f"running elsewhere: {study.holder}"
    if study.status == "RUNNING":  # and yet nothing holds the study
        return "cut off"
    return STATE_WORDS[study.status]


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
