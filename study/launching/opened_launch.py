"""A launch for as long as it is used: prepared, to be planned or run, and put away.

The command and Python's functions prepare by the same steps.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from study.file.resolved import ResolvedStudy
from study.launching.study_launch import StudyLaunch, prepare_launch
from study.lock import hold_study
from study.scheduling.code_rules import CodePolicy
from study.state import StateFolder

if TYPE_CHECKING:  # it loads pyinstrument, which few launches need
    from study.launching.launch_profile import LaunchProfile


@contextmanager
def open_launch(
    study: ResolvedStudy,
    console: Console,
    *,
    folder: StateFolder,
    data: Path,
    command: str,
    code: CodePolicy = "check",
    planning: bool = False,
    profile: "LaunchProfile | None" = None,
) -> Iterator[StudyLaunch]:
    """Lend a prepared launch, to be run: meanwhile no other launch runs the study.

    What is not delivered to the record at the end waits in the spool.

    Args:
        study: what is to become true.
        console: where the user reads.
        folder: the study's own files.
        data: the folder of the data sets, absolute.
        command: how this launch was called, to say how to go on.
        code: what becomes of results that other code computed.
        planning: whether the launch is to be planned alone: it then holds nothing, works on a copy
            of the folder, writes nothing to the record, and leaves no folder that holds nothing.
        profile: under way, if one is asked for.

    Raises:
        LaunchRefusedError: if the state directory, the data or the tracking server cannot be used.
        StudyHeldError: if another launch runs the study.
    """
    prepare = partial(
        prepare_launch, study, console, data=data, command=command, code=code, profile=profile
    )
    if planning:
        with folder.discarded_unless_used(), folder.copy() as copied:
            yield prepare(folder=copied, planning=True)
        return
    with hold_study(folder.lock) as lock:
        with folder.discarded_if_refused():
            launch = prepare(folder=folder, lock=lock)
        try:
            yield launch
        finally:
            launch.record.close(timeout=0)
