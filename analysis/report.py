"""Writes the report of a study: one HTML page that opens without a network, its tables and figures.

    python -m analysis.report STUDY [--scale NAME] [--test last|last10|best] [--output DIR]
        [--no-attach]

Into ``DIR/STUDY-SCALE/`` go ``report.html``, ``tables/`` (.csv, .md, .tex) and ``figures/`` (.png,
.pdf). A study that is not finished gets a report too, which says what is missing.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.command_line import CommandParser, runs_command, speaker, tell_refusal
from analysis.json_documents import named_document, print_document
from analysis.output_folder import OutputFolderError
from analysis.record.names import REPORT
from analysis.record.quick_reading import refuse_unknown_study
from analysis.record.store_errors import (
    BUSY_SECONDS,
    RecordError,
    UnknownStudyError,
    ask_until_answered,
    is_busy,
    shown_reason,
)
from analysis.reported_error import TEST_CHOICES, add_test_flag
from analysis.terminal import plain_text, print_error

if TYPE_CHECKING:
    from analysis.record.study_info import StudyInfo
    from analysis.report_page.gather import ReportMaterial


@runs_command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    2 for an unknown study or scale, a record that cannot be read, a folder that cannot be written.
    """
    arguments = build_parser().parse_args(argv)
    try:
        materials = ask_until_answered(
            lambda: _gather_materials(
                arguments.study, arguments.scale, test=TEST_CHOICES[arguments.test]
            ),
            failed="cannot read the record",
            seconds=BUSY_SECONDS,
            say=lambda text: print_error(f"{speaker('analysis.report')}: {text}"),
            may_pass=is_busy,
        )
        written = [_write_report(material, arguments) for material in materials]
    except (UnknownStudyError, RecordError, OutputFolderError) as error:
        return tell_refusal("analysis.report", error, as_document=arguments.json)
    if arguments.json:
        print_document(named_document("report", {"reports": written}))
    return 0


def _gather_materials(study: str, scale: str | None, *, test: str) -> "list[ReportMaterial]":
    refuse_unknown_study(study, scale)
    # Late: pandas, MLflow and what draws take seven seconds; a wrong name is told before.
    from analysis import trials
    from analysis.report_page.gather import gather_material

    scales = [scale] if scale else trials.scales(study)
    if not scales:
        raise UnknownStudyError(f"the study `{study}` has not been started")
    return [gather_material(study, scale, test=test) for scale in scales]


def _write_report(material: "ReportMaterial", arguments: argparse.Namespace) -> dict[str, str]:
    """Write one report, tell its page, attach it, and return its description."""
    # Late: it draws. The materials have loaded most of it.
    from analysis.report_page.page import write_report

    folder = write_report(material, Path(arguments.output))
    if not arguments.json:
        print(plain_text(str(folder / "report.html")))
    if arguments.attach:
        _attach_report(material.info, folder)
    return _described(material, folder)


def _described(material: "ReportMaterial", folder: Path) -> dict[str, str]:
    """Return one report as docs/json/report.schema.json describes it."""
    return {
        "study": material.info.study,
        "scale": material.info.scale,
        "headline": material.answer,
        "page": str(folder / "report.html"),
        "tables": str(folder / "tables"),
        "figures": str(folder / "figures"),
    }


def _attach_report(info: "StudyInfo", folder: Path) -> None:
    # Late, as above: here it is loaded already.
    from analysis import trials

    try:
        trials.attach(info.run_id, folder, name=REPORT, tracking_uri=info.tracking_uri)
    except Exception as error:  # the report is written; a server that is away must not undo that
        print_error(
            f"{speaker('analysis.report')}: not attached to the study's run: {shown_reason(error)}"
        )


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        "analysis.report",
        description="Write the report of a study: one HTML page that opens without a network, its "
        "tables and figures.\n\n"
        "Into the folder STUDY-SCALE of the reports go report.html, tables/ (.csv, .md, .tex) and "
        "figures/ (.png, .pdf). A study that is not finished gets a report too, which says what "
        "is missing.",
    )
    parser.add_argument("study", help="its name, the MLflow experiment's")
    parser.add_argument("--scale", help="of the study; without it every scale on record")
    add_test_flag(parser)
    parser.add_argument("--output", default="reports", help="folder of reports (default: reports)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument(
        "--attach",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="add the report to the artifacts of the study's MLflow run",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
