"""Stop a running study from another terminal: ``python -m study.stop NAME``."""

import argparse
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence

from analysis.command_line import CommandParser, command_name, runs_command
from analysis.json_documents import named_document, print_document, refusal_document
from analysis.terminal import print_error
from study import state
from study.launching.exit_status import BAD_INPUT
from study.lock import read_holder


@runs_command
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    options = build_parser().parse_args(arguments)
    folder = state.local_folder(options.state) / options.study
    running = {
        lock.parent.name: held
        for lock in sorted(folder.glob("*/lock"))
        if (held := read_holder(lock)) and options.scale in (None, lock.parent.name)
    }
    if len(running) != 1:
        which = f" at scale {options.scale}" if options.scale else ""
        many = f"runs at several scales: {', '.join(running)}; name one with --scale"
        none = f"does not run{which} (looked in {folder})"
        return _refuse(f"{options.study} {many if running else none}", options)
    ((scale, held),) = running.items()
    if held["host"] != socket.gethostname():
        return _refuse(f"{options.study} runs on {held['host']}: stop it there", options)
    say = print_error if options.json else print  # with --json the output is the document's alone
    os.kill(int(held["pid"]), signal.SIGTERM if options.now else signal.SIGINT)
    say(f"Stopping {options.study}, scale {scale}, process {held['pid']} …")
    while read_holder(folder / scale / "lock") == held:
        time.sleep(0.2)
    say("Stopped. The same launch command goes on with it.")
    if options.json:
        stopped = {"study": options.study, "scale": scale, "process": int(held["pid"])}
        print_document(named_document("stop", stopped))
    return 0


def _refuse(message: str, options: argparse.Namespace) -> int:
    print_error(message)
    if options.json:
        print_document(refusal_document("stop", message, BAD_INPUT))
    return BAD_INPUT


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        "study.stop",
        description="Stop a running study; the command that launched it goes on with it later.",
    )
    parser.add_argument("study", help="the study's name")
    parser.add_argument("--scale", metavar="NAME", help="needed if several scales of it run")
    parser.add_argument(
        "--now", action="store_true", help="save in the middle of an epoch rather than finish it"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument(
        "--state",
        default=state.DEFAULT,
        metavar="DIR",
        help=f"as of {command_name('study.launch')}",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
