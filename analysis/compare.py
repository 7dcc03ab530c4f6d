"""Sets studies side by side, like beside like, and their differences seed by seed.

    python -m analysis.compare STUDY[:SCALE] STUDY[:SCALE] … [--test last|last10|best]

A study that selects is represented by its best configuration, chosen by its own objective; a study
that compares and selects nothing by all of its configurations. Those of other studies stand beside
those of the first, the reference, whose settings are equal in all that varies within a study, so
that only what tells the studies apart is left to differ. Settings that differ are listed, since a
difference in error is a difference in any of them; other data are warned of.
"""

import argparse
import sys
from collections.abc import Sequence

from analysis.command_line import CommandParser, runs_command, speaker, tell_refusal
from analysis.json_documents import print_document
from analysis.record.store_errors import (
    BUSY_SECONDS,
    RecordError,
    UnknownStudyError,
    ask_until_answered,
    is_busy,
)
from analysis.reported_error import TEST_CHOICES, add_test_flag
from analysis.terminal import line_width, plain_text, print_error


@runs_command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 2 where there is nothing to compare."""
    parser = build_parser()
    arguments = parser.parse_args(argv)
    if len(arguments.studies) < 2:
        parser.error("name at least two studies, or one at two scales")
    # Late: pandas, MLflow and the statistics take 5 s; help and a mistake are told before.
    from analysis.tables.comparison import NoResultError, compare_document, compared_study
    from analysis.tables.counterparts import NoCounterpartError, side_by_side
    from analysis.tables.fitting import fit_text

    test = TEST_CHOICES[arguments.test]
    try:
        entries = ask_until_answered(
            lambda: [compared_study(label, test=test) for label in arguments.studies],
            failed="cannot read the record",
            seconds=BUSY_SECONDS,
            say=lambda text: print_error(f"{speaker('analysis.compare')}: {text}"),
            may_pass=is_busy,
        )
        grids = side_by_side(entries, test=test)
    except (UnknownStudyError, NoResultError, NoCounterpartError, RecordError) as error:
        return tell_refusal("analysis.compare", error, as_document=arguments.json)
    if arguments.json:
        print_document(compare_document(entries, test=test))
        return 0
    width = line_width(sys.stdout)
    print(plain_text("\n".join(fit_text(grid, width) for grid in grids)), end="")
    return 0


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        "analysis.compare",
        description="Set studies side by side, like beside like, and their differences seed by "
        "seed.\n\n"
        "A study that selects is represented by its best configuration, chosen by its own "
        "objective; a study that compares and selects nothing by all of its configurations. Those "
        "of other studies stand beside those of the first, the reference, whose settings are equal "
        "in all that varies within a study, so that only what tells the studies apart is left to "
        "differ. Settings that differ are listed, since a difference in error is a difference in "
        "any of them; other data are warned of.",
    )
    parser.add_argument("studies", nargs="+", metavar="STUDY[:SCALE]")
    add_test_flag(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    return parser


if __name__ == "__main__":
    sys.exit(main())
