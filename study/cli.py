"""All commands as one, ``lamix-study launch beta``: each is the ``python -m`` form of a module."""

import argparse
import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from analysis.command_line import CommandDoor, CommandParser, entered_through

PROGRAM = "lamix-study"


@dataclass(frozen=True)
class StudyCommand:
    """One command."""

    module: str
    """Whose `main` takes the arguments."""
    purpose: str
    first: tuple[str, ...] = ()
    """Arguments that the command itself stands for."""


COMMANDS = {
    "launch": StudyCommand("study.launch", "make a study true: run what is missing, go on"),
    "plan": StudyCommand("study.launch", "say what a launch would do, and its cost", ("--plan",)),
    "list": StudyCommand("study.list", "show the studies on record and their state"),
    "stop": StudyCommand("study.stop", "stop a running study, from another terminal"),
    "report": StudyCommand("analysis.report", "write the report of a study"),
    "compare": StudyCommand("analysis.compare", "set studies side by side, paired by seed"),
    "evaluate": StudyCommand("analysis.evaluate", "attack and corrupt the images of kept weights"),
    "site": StudyCommand("analysis.site", "write a static site of all studies on record"),
    "doctor": StudyCommand("study.doctor", "look at this machine and prove what its GPU does"),
    "schema": StudyCommand("study.schema", "write the JSON Schema of study files"),
    "completion": StudyCommand("study.completion", "print what a shell completes these by"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the command's exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    # What follows a command is the command's own: its parser knows it, this one need not.
    options = _build_parser().parse_args(given[:1])
    command = COMMANDS[options.command]
    modules = {each.module: name for name, each in COMMANDS.items() if not each.first}
    with entered_through(CommandDoor(PROGRAM, options.command, modules)):
        module = importlib.import_module(command.module)
        status: int = module.main([*command.first, *given[1:]])
        return status


def _build_parser() -> CommandParser:
    width = max(map(len, COMMANDS))
    listed = "\n".join(f"  {name:<{width}}  {each.purpose}" for name, each in COMMANDS.items())
    parser = CommandParser(
        "study.cli",
        prog=PROGRAM,
        description="Hyperparameter studies for regularizers that mix inputs and soften targets.",
        epilog=f"commands:\n\n{listed}\n\n{PROGRAM} COMMAND --help says more of each.",
        usage=f"{PROGRAM} [--help] [--version] COMMAND …",
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {_own_version()}")
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help=argparse.SUPPRESS)
    return parser


def _own_version() -> str:
    try:
        return version(PROGRAM)
    except PackageNotFoundError:  # run from a folder of the source, not installed
        return "(not installed)"


if __name__ == "__main__":
    sys.exit(main())
