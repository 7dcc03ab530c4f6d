"""Evaluates kept weights on test images that are attacked, corrupted or partly hidden.

    python -m analysis.evaluate STUDY [--scale NAME] [--data DIR] [--output DIR]

A trial keeps its weights with `diagnostics: {weights: true}`. Measured are FGSM at 4/255 and 8/255,
eight common corruptions at five severities, and occlusion. What is measured of a trial is put on
record beside it, so that a second call measures only what is missing. Into
``DIR/STUDY-SCALE/evaluation/`` go the tables (.md, .csv), which the study's run holds too.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from analysis.command_line import CommandParser, runs_command, speaker, tell_refusal
from analysis.json_documents import print_document
from analysis.output_folder import OutputFolderError
from analysis.record.store_errors import (
    BUSY_SECONDS,
    RecordError,
    UnknownStudyError,
    ask_until_answered,
    is_busy,
)
from analysis.terminal import plain_text, print_error


@runs_command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    0 when all kept weights are evaluated, 1 when some could not be, 2 when there are none, or
    the record cannot be read or the folder not be written to.
    """
    arguments = build_parser().parse_args(argv)

    # Late: pandas, MLflow and the statistics take 4 s; help and a mistake are told before.
    from analysis.robustness.study_scores import (
        NothingToEvaluateError,
        evaluate_document,
        evaluate_study,
        publish,
    )

    def say(text: str) -> None:
        print_error(f"{speaker('analysis.evaluate')}: {text}")

    try:
        found = ask_until_answered(
            lambda: evaluate_study(
                arguments.study, arguments.scale, data=Path(arguments.data), say=say
            ),
            failed="cannot read the record",
            seconds=BUSY_SECONDS,
            say=say,
            may_pass=is_busy,
        )
        written = publish(found, Path(arguments.output)) if found.records else None
    except (UnknownStudyError, NothingToEvaluateError, RecordError, OutputFolderError) as error:
        return tell_refusal("analysis.evaluate", error, as_document=arguments.json)
    for sentence in found.failed:
        say(sentence)
    status = 1 if found.failed else 0
    if arguments.json:
        print_document(evaluate_document(found, written, status))
    elif written:
        print(plain_text(written.text), end="")
    return status


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        "analysis.evaluate",
        description="Evaluate kept weights on test images that are attacked, corrupted or partly "
        "hidden.\n\n"
        "A trial keeps its weights with diagnostics: {weights: true}. Measured are FGSM at 4/255 "
        "and 8/255, eight common corruptions at five severities, and occlusion. What is measured "
        "of a trial is put on record beside it, so that a second call measures only what is "
        "missing. Into the folder STUDY-SCALE/evaluation of the reports go the tables (.md, .csv), "
        "which the study's run holds too.",
    )
    parser.add_argument("study", help="its name, the MLflow experiment's")
    parser.add_argument("--scale", help="of the study, where several are on record")
    parser.add_argument("--data", default="data", help="folder of the data sets (default: data)")
    parser.add_argument("--output", default="reports", help="folder of reports (default: reports)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    return parser


if __name__ == "__main__":
    sys.exit(main())
