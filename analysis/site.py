"""Writes a static site of all studies on record: ``python -m analysis.site DIR``.

Into ``DIR`` go ``index.html``, with each study's answer, state and date, and the folder of a report
for each study and scale. Any web host can serve it.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.command_line import CommandParser, runs_command, speaker, tell_refusal
from analysis.json_documents import Document, named_document, print_document
from analysis.output_folder import OutputFolderError
from analysis.record.store_errors import (
    BUSY_SECONDS,
    RecordError,
    UnknownStudyError,
    ask_until_answered,
    is_busy,
)
from analysis.terminal import plain_text, print_error

if TYPE_CHECKING:
    from analysis.report_page.site import WrittenSite


@runs_command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    2 where nothing is on record, the record cannot be read or the folder not be written to.
    """
    arguments = build_parser().parse_args(argv)
    # Late: what draws takes 9 s; help and a mistake are told before.
    from analysis.report_page.site import write_site

    try:
        site = ask_until_answered(
            lambda: write_site(Path(arguments.folder)),
            failed="cannot read the record",
            seconds=BUSY_SECONDS,
            say=lambda text: print_error(f"{speaker('analysis.site')}: {text}"),
            may_pass=is_busy,
        )
    except (UnknownStudyError, RecordError, OutputFolderError) as error:
        return tell_refusal("analysis.site", error, as_document=arguments.json)
    if arguments.json:
        print_document(_site_document(site))
    else:
        print(plain_text(str(site.index)))
    return 0


def _site_document(site: "WrittenSite") -> Document:
    """Return what docs/json/site.schema.json describes."""
    reports = [
        {
            "study": entry.study,
            "scale": entry.scale,
            "state": entry.state,
            "headline": entry.answer,
            "page": str(site.index.parent / entry.link),
        }
        for entry in site.entries
    ]
    return named_document("site", {"index": str(site.index), "reports": reports})


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        "analysis.site",
        description="Write a static site of all studies on record.\n\n"
        "Into the folder go index.html, with each study's answer, state and date, and the folder "
        "of a report for each study and scale. Any web host can serve it.",
    )
    parser.add_argument("folder", metavar="DIR", help="of the site")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    return parser


if __name__ == "__main__":
    sys.exit(main())
