"""Look at this machine, and prove on its GPU what the documentation promises."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from analysis.command_line import CommandParser, command_name, runs_command
from analysis.json_documents import print_document
from study import state
from study.doctoring.findings import NAMES, Finding, is_well, plain_findings


@runs_command
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 1 if a check has failed."""
    options = build_parser().parse_args(arguments)
    # Late: PyTorch takes 4 s, which help and a mistake need not wait for.
    from study.doctoring.checks import run_checks
    from study.doctoring.machine import DoctorOptions
    from trainables.node_checks import code_versions

    names = options.only or NAMES
    findings: list[Finding] = []
    for finding in run_checks(names, DoctorOptions(options.data, options.state)):
        findings.append(finding)
        if not options.json:
            print("\n".join(finding.lines()), flush=True)
    if options.json:
        print_document(plain_findings(findings, code_versions()))
    else:
        print(_last_line(findings))
    return 0 if is_well(findings) else 1


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        "study.doctor",
        description=f"{__doc__} What it makes it removes again. Checks: {', '.join(NAMES)}.",
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=NAMES,
        metavar="NAME",
        help="a check to run, and no other; may be given again",
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=Path("data"),
        metavar="DIR",
        help=f"as of {command_name('study.launch')}",
    )
    parser.add_argument(
        "--state",
        default=state.DEFAULT,
        metavar="DIR",
        help=f"as of {command_name('study.launch')}",
    )
    parser.add_argument("--json", action="store_true", help="one object, for programs")
    return parser


def _last_line(findings: Sequence[Finding]) -> str:
    failed = [finding.name for finding in findings if finding.state == "failed"]
    if failed:
        return f"\nfailed: {', '.join(dict.fromkeys(failed))}"
    skipped = [finding.name for finding in findings if finding.state == "skipped"]
    return "\nall is well" + (f"; skipped: {', '.join(skipped)}" if skipped else "")


if __name__ == "__main__":
    sys.exit(main())
