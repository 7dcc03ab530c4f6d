"""Writes a static site of all studies on record: ``python -m analysis.site DIR``.

Into ``DIR`` go ``index.html``, with each study's answer, state and date, and the folder of a report
for each study and scale. Any web host can serve it.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from analysis.command_line import CommandParser, speaker
from analysis.record.store_errors import UnknownStudyError
from analysis.terminal import guards_output, plain_text, print_error


@guards_output
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 2 where nothing is on record."""
    arguments = build_parser().parse_args(argv)
    # Late: what draws takes 9 s; help and a mistake are told before.
    from analysis.report_page.site import write_site

    try:
        file = write_site(Path(arguments.folder))
    except UnknownStudyError as error:
        print_error(f"{speaker('analysis.site')}: {error}")
        return 2
    print(plain_text(str(file)))
    return 0


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        "analysis.site",
        description="Write a static site of all studies on record.\n\n"
        "Into the folder go index.html, with each study's answer, state and date, and the folder "
        "of a report for each study and scale. Any web host can serve it.",
    )
    parser.add_argument("folder", metavar="DIR", help="of the site")
    return parser


if __name__ == "__main__":
    sys.exit(main())
