"""The completion of ``lamix-study`` by a shell, as a script: ``lamix-study completion bash``.

The script holds every command, its flags and the shipped studies as they are when it is printed, so
that a shell completes at once, without Python. shtab writes it from the commands' own parsers.
"""

import argparse
import importlib
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import shtab

from analysis.command_line import CommandParser, runs_command
from study import cli
from study.file.locate import shipped_files
from study.file.names import DEFAULT_SCALE, PAPER_SCALE

SHELLS = ("bash", "zsh", "fish")
STUDY_FILE = "_lamix_study_files"
"""The shell function that completes a study file."""
SCALES = (DEFAULT_SCALE, "day", PAPER_SCALE)
FOLDERS = {"data", "state", "output", "folder"}
"""Names of arguments that are folders."""


@runs_command
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    options = build_parser().parse_args(arguments)
    print(completion_script(options.shell))
    return 0


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        "study.completion",
        description="Print what makes a shell complete the commands, flags and shipped studies of "
        f"{cli.PROGRAM}.",
        epilog=f'bash: put eval "$({cli.PROGRAM} completion bash)" into ~/.bashrc. '
        f'zsh: {cli.PROGRAM} completion zsh > "${{fpath[1]}}/_{cli.PROGRAM}". '
        f"fish: {cli.PROGRAM} completion fish > ~/.config/fish/completions/{cli.PROGRAM}.fish.",
    )
    parser.add_argument("shell", choices=SHELLS)
    return parser


def completion_script(shell: str) -> str:
    """Return the script for one of `SHELLS`."""
    script: str = shtab.complete(_whole_parser(), shell)
    return script


def _whole_parser() -> argparse.ArgumentParser:
    """Return one parser of all commands, each argument with what completes it."""
    parser = argparse.ArgumentParser(prog=cli.PROGRAM)
    parser.add_argument("--version", action="version", version="", help="print the version")
    commands = parser.add_subparsers()
    for name, command in cli.COMMANDS.items():
        own: argparse.ArgumentParser = importlib.import_module(command.module).build_parser()
        for argument in _arguments_of(own):
            _complete_argument(argument, command=name)
        commands.add_parser(
            name, parents=[own], add_help=False, help=command.purpose, description=command.purpose
        )
    return parser


def _arguments_of(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield a parser's arguments; argparse has no public way, and shtab goes this one too."""
    yield from parser._actions


def _complete_argument(argument: argparse.Action, *, command: str) -> None:
    """Say how a shell completes an argument, by the attribute that shtab reads."""
    completed: Any = None
    if argument.dest == "file":
        completed = _study_file() if command in ("launch", "plan") else shtab.FILE
    elif argument.dest in FOLDERS:
        completed = shtab.DIRECTORY
    elif argument.dest in ("study", "studies"):
        argument.choices = _shipped_names()
    elif argument.dest == "scale":
        argument.choices = SCALES
    if completed is not None:
        argument.__dict__["complete"] = completed


def _shipped_names() -> list[str]:
    return sorted({file.stem for file in shipped_files()})


def _study_file() -> dict[str, Any]:
    """Return what completes a study file: the name of a shipped one, or a YAML file."""
    names = " ".join(_shipped_names())
    bash = f"""\
{STUDY_FILE}() {{
  compgen -W "{names}" -- "$1"
  compgen -f -X '!*.yaml' -- "$1"
  compgen -f -X '!*.yml' -- "$1"
  compgen -d -S / -- "$1"
}}"""
    zsh = f"""\
{STUDY_FILE}() {{
  _alternative 'shipped:shipped study:({names})' 'files:study file:_files -g "*.y(a|)ml"'
}}"""
    return {
        "bash": STUDY_FILE,
        "zsh": STUDY_FILE,
        "fish": f"{names} (__fish_complete_path (commandline -ct) | string match '*.y*ml*') "
        "(__fish_complete_directories)",
        "preamble": {"bash": bash, "zsh": zsh},
    }


if __name__ == "__main__":
    sys.exit(main())
