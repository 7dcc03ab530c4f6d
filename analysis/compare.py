"""Sets studies side by side, like beside like, and their differences seed by seed.

    python -m analysis.compare STUDY[:SCALE] STUDY[:SCALE] … [--test last|last10|best]

A study that selects is represented by its best configuration, chosen by its own objective; a study
that compares and selects nothing by all of its configurations. Those of other studies stand beside
those of the first, the reference, whose settings are equal in all that varies within a study, so
that only what tells the studies apart is left to differ. Settings that differ are listed, since a
difference in error is a difference in any of them; other data are warned of.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis import trials
from analysis.record.names import CONFIGURATION
from analysis.record.store_errors import BUSY_SECONDS, RecordError, ask_until_answered, is_busy
from analysis.reported_error import TEST_CHOICES, add_test_flag
from analysis.tables import configurations
from analysis.tables.configurations import by_seed
from analysis.tables.counterparts import (
    ComparedConfiguration,
    ComparedStudy,
    NoCounterpartError,
    side_by_side,
)
from analysis.tables.feasibility import none_feasible_sentence
from analysis.tables.printed import setting_text
from analysis.tables.rendering import to_text
from analysis.tables.study_table import load_study_table
from analysis.terminal import guards_output, plain_text
from analysis.trials import StudyInfo, UnknownStudyError
from trainables.metrics import TEST_ERROR_LAST


class NoResultError(LookupError):
    """A study on record in which no configuration has run in full."""


@guards_output
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 2 where there is nothing to compare."""
    parser = build_parser()
    arguments = parser.parse_args(argv)
    if len(arguments.studies) < 2:
        parser.error("name at least two studies, or one at two scales")
    test = TEST_CHOICES[arguments.test]
    try:
        entries = ask_until_answered(
            lambda: [compared_study(label, test=test) for label in arguments.studies],
            failed="cannot read the record",
            seconds=BUSY_SECONDS,
            say=lambda text: print(f"analysis.compare: {text}", file=sys.stderr),
            may_pass=is_busy,
        )
        grids = side_by_side(entries, test=test)
    except (UnknownStudyError, NoResultError, NoCounterpartError, RecordError) as error:
        print(f"analysis.compare: {error}", file=sys.stderr)
        return 2
    if arguments.json:
        print(json.dumps(compare_document(entries, test=test), indent=2))
        return 0
    print(plain_text("\n".join(to_text(grid) for grid in grids)), end="")
    return 0


def compare_document(entries: Sequence[ComparedStudy], *, test: str) -> dict[str, Any]:
    """Return the comparison as docs/json/compare.schema.json describes it; errors by seed."""
    return {
        "document": "compare",
        "version": 1,
        "reference": entries[0].label,
        "reported": test,
        "studies": [
            {
                "label": entry.label,
                "study": entry.info.study,
                "scale": entry.info.scale,
                "objective": entry.info.objectives[0],
                "selects": entry.info.selects,
                "configurations": [
                    {
                        "configuration": each.configuration,
                        "settings": each.what,
                        "objective_by_seed": _by_seed(each.objective),
                        "test_error_by_seed": _by_seed(each.test),
                    }
                    for each in entry.configurations
                ],
            }
            for entry in entries
        ],
    }


def _by_seed(values: "pd.Series[Any]") -> dict[str, float | None]:
    return {str(seed): None if pd.isna(value) else float(value) for seed, value in values.items()}


def compared_study(
    label: str, tracking_uri: str | None = None, *, test: str = TEST_ERROR_LAST
) -> ComparedStudy:
    """Return `STUDY` or `STUDY:SCALE` with the configurations that represent it.

    Raises:
        UnknownStudyError: if it is not on record, or has several scales and none is named.
        NoResultError: if no configuration has run in full.
    """
    info = _study_of_label(label, tracking_uri)
    loaded = load_study_table(info, tracking_uri, test=test)
    frame, factors, objectives, table = (
        loaded.frame,
        loaded.factors,
        loaded.objectives,
        loaded.table,
    )
    chosen = table[table["best"]].head(1) if info.selects else table[table["n"] > 0]
    if none_feasible := none_feasible_sentence(table):
        raise NoResultError(f"`{label}`: {none_feasible}")
    if chosen.empty:
        raise NoResultError(f"`{label}`: no configuration has run in full yet")
    keys = list(chosen[CONFIGURATION].astype(str))
    held = frame[frame[CONFIGURATION].isin(keys)]
    return ComparedStudy(
        label=label,
        info=info,
        configurations=tuple(
            ComparedConfiguration(
                configuration=str(row[CONFIGURATION]),
                what=setting_text(row, factors),
                settings=frame[frame[CONFIGURATION] == row[CONFIGURATION]].iloc[0],
                objective=by_seed(frame, str(row[CONFIGURATION]), objectives[0]),
                test=by_seed(frame, str(row[CONFIGURATION]), test),
            )
            for _, row in chosen.iterrows()
        ),
        factors=tuple(configurations.factors_of(held)),
    )


def _study_of_label(label: str, tracking_uri: str | None) -> StudyInfo:
    """Return the study that a label means; a colon may also be part of a study's name."""
    study, colon, scale = label.rpartition(":")
    try:
        return trials.study_info(label, None, tracking_uri)
    except UnknownStudyError:
        if not colon:
            raise
    return trials.study_info(study, scale, tracking_uri)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m analysis.compare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("studies", nargs="+", metavar="STUDY[:SCALE]")
    add_test_flag(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    return parser


if __name__ == "__main__":
    sys.exit(main())
