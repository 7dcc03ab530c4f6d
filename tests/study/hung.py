"""Processes that do not do what they should; it imports nothing, for a new process to be quick."""

import os
import subprocess
import time
from pathlib import Path
from typing import Any


def answer_never(*args: object) -> None:
    """Hang."""
    time.sleep(600)


def answer_after_a_while(connection: Any, names: list[str], options: object) -> None:
    """Answer each check half a second after the one before."""
    for name in names:
        time.sleep(0.5)
        connection.send(name)


def die(*args: object) -> None:
    """End without a word."""
    os._exit(1)


def start_child(file: Path) -> None:
    """Start a process, write its number to a file, and hang."""
    child = subprocess.Popen(["sleep", "600"])
    file.write_text(str(child.pid))
    time.sleep(600)
