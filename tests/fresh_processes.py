"""Programs that each run in a process with nothing of this project loaded, started cheaply.

One process loads the large libraries once and is forked for each program, so that ten programs wait
for torch once and not ten times. What a program prints, and how it ends, is as if it ran alone.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

FORKS = """
import importlib, json, os, sys, threading, traceback

for name in sys.argv[1:]:
    importlib.import_module(name)
assert threading.active_count() == 1, threading.enumerate()  # a fork has the main thread alone
programs, found = json.load(sys.stdin), {}
for key, code in programs.items():
    printed, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(write, 1)
        os.dup2(write, 2)
        status = 1
        try:
            exec(compile(code, key, "exec"), {"__name__": "__main__"})
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    os.close(write)
    with os.fdopen(printed, "rb") as read:
        text = read.read().decode()
    found[key] = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), text]
json.dump(found, sys.stdout)
"""


@dataclass(frozen=True)
class EndedProgram:
    """How a program has ended."""

    status: int
    printed: str
    """To its output and its errors."""


def run_fresh(
    programs: Mapping[str, str], *, loaded: Sequence[str] = ()
) -> dict[str, EndedProgram]:
    """Run programs one after the other and return how each has ended.

    Args:
        programs: by name the source of each.
        loaded: libraries that are loaded before, and start no thread.
    """
    done = subprocess.run(
        [sys.executable, "-c", FORKS, *loaded],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        input=json.dumps(dict(programs)),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return {name: EndedProgram(*ended) for name, ended in json.loads(done.stdout).items()}
