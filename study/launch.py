"""Make a study true: ``python -m study.launch FILE``.

Whatever of the study is finished stays, whatever is missing runs, whatever was cut off goes on. The
same command again is the whole recovery from any crash.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.command_line import CommandParser, command_name, runs_command
from analysis.json_documents import print_document, refusal_document
from analysis.record.collector import collector_at_rest, wake_collector
from analysis.terminal import keep_output_in, print_error
from study import state
from study.file.names import DEFAULT_SCALE
from study.launching import signals
from study.launching.exit_status import BAD_INPUT, DONE, INTERRUPTED

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from rich.console import Console

    from study.file.resolved import ResolvedStudy
    from study.launching.launch_profile import LaunchProfile


@runs_command
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    with signals.quit_at_signals(), collector_at_rest():
        return _run_command(arguments)


def _run_command(arguments: Sequence[str] | None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    options = build_parser().parse_args(arguments)
    # Imported late, here and below, in the order of what it costs: help, a file that is not there
    # and a mistake in a key are told before torch is loaded.
    from study.file.budget_flag import BudgetFlagError
    from study.file.problems import StudyFileError
    from study.launching.profile_file import ProfileFileError

    try:
        with _profiled(options) as profile:
            study = _load_study(options)
            return _announce_and_launch(study, options, given=arguments, profile=profile)
    except (BudgetFlagError, ProfileFileError, StudyFileError) as error:
        return _print_refusal(str(error), options)
    except KeyboardInterrupt:  # not while trials run: then they are asked to save themselves
        said = "Interrupted.\n" if options.plan else signals.GOING_ON
        print(said, end="", file=sys.stderr)
        return INTERRUPTED


def _profiled(options: argparse.Namespace) -> "AbstractContextManager[LaunchProfile | None]":
    """Return the context in which the launch is profiled, or one that does nothing."""
    if options.profile is None:
        return nullcontext()
    # Late: pyinstrument is for this flag alone.
    from study.launching.launch_profile import profile_launch

    return profile_launch(options.profile.absolute(), planning=options.plan)


def _load_study(options: argparse.Namespace) -> "ResolvedStudy":
    # Without pydantic: .1 s.
    from study.file.budget_flag import budget_overrides
    from study.file.locate import find_study_file
    from study.file.reading import read_study

    file = find_study_file(options.file)
    overrides = (*options.set, *budget_overrides(options.budget))
    read = read_study(file, scale=options.scale, overrides=overrides)
    # With pydantic: .3 s.
    from study.file.first_look import take_first_look

    take_first_look(read)
    # With torch, which the settings of components need: 2 s.
    from study.file.resolved import resolve_study

    return resolve_study(read)


def _announce_and_launch(
    study: "ResolvedStudy",
    options: argparse.Namespace,
    *,
    given: Sequence[str],
    profile: "LaunchProfile | None",
) -> int:
    # Late: help and mistakes need none of them.
    from analysis.console import PlainConsole
    from study.launching.announcement import announce_study
    from study.lock import StudyHeldError

    # With --json the standard output is the document's alone.
    console = PlainConsole(soft_wrap=True, file=sys.stderr if options.json else sys.stdout)
    announce_study(study, console, named=options.scale is not None)
    try:
        return _launch_study(study, options, console, given=given, profile=profile)
    except StudyHeldError as error:
        ends = f"{command_name('study.stop')} {study.name}"
        return _print_refusal(f"{study.source}: {error}: wait, or end it by `{ends}`", options)


def _launch_study(
    study: "ResolvedStudy",
    options: argparse.Namespace,
    console: "Console",
    *,
    given: Sequence[str],
    profile: "LaunchProfile | None",
) -> int:
    # Late: PyTorch, Optuna and MLflow take about 4 s; a mistake in the study file is said before.
    from study.launching import json_documents
    from study.launching.opened_launch import open_launch
    from study.launching.planning import plan_study
    from study.launching.running import run_study
    from study.launching.shell_commands import shell_command
    from study.launching.study_launch import LaunchRefusedError

    try:
        folder = state.StateFolder.open(options.state, study.name, study.scale)
        _log_to(folder.log)
    except (OSError, ValueError) as error:
        refusal = f"{study.source}: cannot use the state directory: {error}"
        return _print_refusal(refusal, options)
    keep_output_in(folder.log)
    if profile is not None:
        profile.profiles = folder.profiles
    opened = open_launch(
        study,
        console,
        folder=folder,
        data=options.data.absolute(),
        command=shell_command("study.launch", given),
        code=options.code,
        planning=options.plan,
        profile=profile,
    )
    try:
        with signals.interrupt_at_signals():
            with opened as launch:
                wake_collector()
                if options.plan:
                    status, plan = DONE, plan_study(launch, options.address)
                    document = json_documents.plan_document(plan)
                else:
                    status = run_study(launch, options.address)
                    document = json_documents.launch_document(launch, status)
                if profile is not None:  # while no other launch may use the folder of the trials'
                    document["profile"] = profile.save(launch.say)
            if options.json:
                print_document(document)
            return status
    except LaunchRefusedError as error:
        return _print_refusal(f"{study.source}: {error}", options)


def _log_to(file: Path) -> None:
    from analysis.record import credentials  # late: it loads MLflow

    handler = logging.FileHandler(file)
    handler.setFormatter(credentials.HidingFormatter(logging.BASIC_FORMAT))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.raiseExceptions = False  # a log that finds its disk full is no news for the user


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        "study.launch",
        description="Make a study true: run what is missing, go on with what was cut off.",
        epilog="Exit status: 0 all trials ended as planned; 1 some failed for good; 2 bad input, "
        "or results of other code that do not hold: no trial of the study began; 130 interrupted, "
        "resumable by the same command.",
    )
    parser.add_argument(
        "file",
        type=Path,
        help="the study file, for example search_spaces/beta.yaml, or the name of a shipped one, "
        "for example beta",
    )
    parser.add_argument("--scale", metavar="NAME", help=f"a scale of the file ({DEFAULT_SCALE})")
    parser.add_argument(
        "--set",
        type=_override,
        metavar="PATH=VALUE",
        action="append",
        default=[],
        help="override a setting, for example search.seeds=5; may be repeated",
    )
    parser.add_argument(
        "--budget",
        metavar="BUDGET",
        help="what this launch may spend, for example 8h or hours=8,gpu_hours=40,trials=200: it "
        "ends within that, and the same command goes on; with --plan, what can be learnt for it",
    )
    parser.add_argument(
        "--plan", action="store_true", help="print what there is to do and its cost; start nothing"
    )
    parser.add_argument(
        "--code",
        choices=("check", "keep", "retrain"),
        default="check",
        help="what becomes of results that other code computed: check proves them equal or ends "
        "with status 2, keep keeps and marks them, retrain trains them again (check)",
    )
    parser.add_argument(
        "--data", type=Path, default=Path("data"), metavar="DIR", help="the data sets (data)"
    )
    parser.add_argument(
        "--state",
        default=state.DEFAULT,
        metavar="DIR_OR_URI",
        help="checkpoints and Optuna's storage; on a cluster a folder that all nodes share, or a "
        f"URI such as s3://bucket/path for the checkpoints ({state.DEFAULT})",
    )
    parser.add_argument(
        "--address",
        metavar="RAY_ADDRESS",
        help="an existing Ray cluster, seen from one of its nodes (a local one is started)",
    )
    parser.add_argument(
        "--profile",
        type=Path,
        metavar="FILE",
        help="write where the time goes, of the launch's start, trials and end and of the first "
        "trial of each kind, for https://www.speedscope.app; with --plan, of the plan",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print one JSON document on the standard output, all words on the other",
    )
    return parser


def _override(text: str) -> str:
    """Return what `--set` was given, or refuse it where it has no value."""
    if "=" not in text:
        raise argparse.ArgumentTypeError(f"`{text}` has no value: write PATH=VALUE, as in {text}=5")
    return text


def _print_refusal(message: str, options: argparse.Namespace) -> int:
    print_error(message)
    if options.json:
        of = "plan" if options.plan else "launch"
        print_document(refusal_document(of, message, BAD_INPUT))
    return BAD_INPUT


if __name__ == "__main__":
    sys.exit(main())
