"""Writes the report of a study: one HTML page that opens without a network, its tables and figures.

    python -m analysis.report STUDY [--scale NAME] [--output DIR] [--no-attach]

Into ``DIR/STUDY-SCALE/`` go ``report.html``, ``tables/`` (.csv, .md, .tex) and ``figures/`` (.png,
.pdf). A study that is not finished gets a report too, which says what is missing.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from analysis import trials
from analysis.record.names import REPORT
from analysis.report_page.gather import ReportMaterial, gather_material
from analysis.report_page.page import (
    write_report,
)
from analysis.trials import StudyInfo, UnknownStudyError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 2 for an unknown study or scale."""
    arguments = _build_parser().parse_args(argv)
    try:
        scales = [arguments.scale] if arguments.scale else trials.scales(arguments.study)
        if not scales:
            raise UnknownStudyError(f"the study `{arguments.study}` has not been started")
        materials = [gather_material(arguments.study, scale) for scale in scales]
    except UnknownStudyError as error:
        print(f"analysis.report: {error}", file=sys.stderr)
        return 2
    written = []
    for material in materials:
        folder = write_report(material, Path(arguments.output))
        written.append(_described(material, folder))
        if not arguments.json:
            print(folder / "report.html")
        if arguments.attach:
            _attach_report(material.info, folder)
    if arguments.json:
        print(json.dumps({"document": "report", "version": 1, "reports": written}, indent=2))
    return 0


def _described(material: ReportMaterial, folder: Path) -> dict[str, str]:
    """Return one report as docs/json/report.schema.json describes it."""
    return {
        "study": material.info.study,
        "scale": material.info.scale,
        "headline": material.answer,
        "page": str(folder / "report.html"),
        "tables": str(folder / "tables"),
        "figures": str(folder / "figures"),
    }


def _attach_report(info: StudyInfo, folder: Path) -> None:
    try:
        trials.attach(info.run_id, folder, name=REPORT, tracking_uri=info.tracking_uri)
    except Exception as error:  # the report is written; a server that is away must not undo that
        print(f"analysis.report: not attached to the study's run: {error}", file=sys.stderr)


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m analysis.report",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("study", help="its name, the MLflow experiment's")
    parser.add_argument("--scale", help="of the study; without it every scale on record")
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
