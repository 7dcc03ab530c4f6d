"""Commands to print: each works as it stands in the shell at hand, with the environment active or
not.
"""

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from analysis.command_line import entered_door
from analysis.record import location, sqlite_file
from analysis.record.addresses import trials_address

DEFAULT_STORE = "mlflow.db"
"""The SQLite file that a plain `mlflow ui` shows, in the working directory."""


def shell_command(module: str, arguments: Sequence[str] = ()) -> str:
    """Return what runs the command of a module, through the door by which this one was entered."""
    door = entered_door()
    script = Path(sys.executable).with_name(door.program) if door is not None else None
    if door is not None and script is not None and script.exists():
        return shlex.join([_program(door.program, script), door.commands[module], *arguments])
    return shlex.join([_program("python", Path(sys.executable)), "-m", module, *arguments])


def trials_command(experiment_id: str, scale: str) -> tuple[str, str]:
    """Return what opens the table of a study's trials, and what to say of it.

    With a server that is an address; with a file it is the command that serves the file, and what
    is said of it is the address.
    """
    uri = location.tracking_uri()
    address = trials_address(uri, experiment_id, scale)
    if uri.startswith(("http://", "https://")):
        return address, "every trial"
    script = Path(sys.executable).with_name("mlflow")
    words = [_program("mlflow", script), "ui"]
    if not _is_default_store(uri):
        words += ["--backend-store-uri", location.shown_tracking_uri()]
    return shlex.join(words), f"every trial, at {address}"


def trials_place(experiment_id: str, scale: str) -> str:
    """Return where the trials are to be seen, in a line for the display."""
    command, said = trials_command(experiment_id, scale)
    _, _, address = said.partition(" at ")
    return f"{address} (with: {command})" if address else command


def _program(name: str, own: Path) -> str:
    """Return the name of a program where the shell finds our own by it, else its path."""
    found = shutil.which(name)
    # A virtual environment's python is a link: the folder says which environment it is of.
    if found is not None and Path(found).absolute().parent == own.absolute().parent:
        return name
    relative = os.path.relpath(own)
    if relative.startswith(os.pardir):
        return str(own)
    return relative if os.sep in relative else os.path.join(os.curdir, relative)


def _is_default_store(uri: str) -> bool:
    path = sqlite_file.file_of(uri)
    return path is not None and path.absolute() == Path(DEFAULT_STORE).absolute()
