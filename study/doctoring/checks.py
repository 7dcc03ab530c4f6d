"""All checks in their order, each within bounded time: those that may hang have their own process.

What such a process has started ends with it.
"""

import multiprocessing
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from multiprocessing.connection import Connection

import psutil

from study.doctoring.findings import NAMES, Finding
from study.doctoring.gpu import GPU_CHECKS, run_gpu_check
from study.doctoring.machine import MACHINE_CHECKS, DoctorOptions
from study.doctoring.services import SERVICE_CHECKS

CHECKS = {**MACHINE_CHECKS, **SERVICE_CHECKS, **GPU_CHECKS}
assert tuple(CHECKS) == NAMES
SECONDS = 180.0
"""For each of Ray and the record."""
GPU_SECONDS = 240.0
"""For each check of GPUs."""
END_SECONDS = 10.0
"""How long a process is given to end after its last word."""


def run_checks(names: Sequence[str], options: DoctorOptions) -> Iterator[Finding]:
    """Yield what each check finds, in the order of `NAMES`."""
    for name in MACHINE_CHECKS:
        if name in names:
            yield from _found_by(name, options)
    for name in SERVICE_CHECKS:
        if name in names:
            yield from run_apart([name], options, seconds=SECONDS)
    wanted = [name for name in GPU_CHECKS if name in names]
    if wanted:
        yield from run_apart(wanted, options, seconds=GPU_SECONDS)


def _found_by(name: str, options: DoctorOptions) -> Iterator[Finding]:
    """Yield what a check finds; one that fails itself is a finding."""
    try:
        if name in GPU_CHECKS:
            yield from run_gpu_check(name, options)
        else:
            yield from {**MACHINE_CHECKS, **SERVICE_CHECKS}[name](options)
    except Exception as error:  # whatever a check meets is what the user should know
        said = f"{type(error).__name__}: {error}".strip().splitlines()[0]
        yield Finding(name, "failed", said[:500], "please report this, with the whole output")


def run_apart(names: Sequence[str], options: DoctorOptions, *, seconds: float) -> Iterator[Finding]:
    """Yield what checks find in a process of their own; one without an answer has failed.

    Args:
        names: of the checks; those after one without an answer are skipped.
        options: of the doctor.
        seconds: for each check; the first has its process started within them.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(there, list(names), options))
    process.start()
    there.close()
    left, deadline = list(names), time.monotonic() + seconds
    try:
        while left and here.poll(max(0.0, deadline - time.monotonic())):
            told: Finding | str = here.recv()
            if isinstance(told, Finding):
                yield told
            else:
                left.remove(told)
                deadline = time.monotonic() + seconds
    except EOFError:
        yield _without_answer(left.pop(0), "its process ended")
    finally:
        _end(process)
    if left:
        yield _without_answer(left.pop(0), f"no answer within {seconds:g} s")
    yield from (Finding(name, "skipped", "a check before it gave no answer") for name in left)


def _without_answer(name: str, why: str) -> Finding:
    remedy = f"`lamix-study doctor --only {name}` tries it alone; please report this"
    return Finding(name, "failed", why, remedy)


def _answer(connection: Connection, names: list[str], options: DoctorOptions) -> None:
    # What libraries print is no part of the output.
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        os.dup2(nowhere.fileno(), sys.__stderr__.fileno() if sys.__stderr__ else 2)
        os.dup2(nowhere.fileno(), 1)
        for name in names:
            for finding in _found_by(name, options):
                connection.send(finding)
            connection.send(name)


def _end(process: multiprocessing.process.BaseProcess) -> None:
    """Wait for a process and end what is left of it and of what it has started."""
    family = _children_of(process)
    process.join(END_SECONDS)
    family |= _children_of(process)
    if process.is_alive():
        process.terminate()
        process.join(END_SECONDS)
    if process.is_alive():
        process.kill()
    for child in family:
        with suppress(psutil.NoSuchProcess):
            child.kill()


def _children_of(process: multiprocessing.process.BaseProcess) -> set[psutil.Process]:
    try:
        return set(psutil.Process(process.pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return set()
