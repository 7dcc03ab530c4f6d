"""Launches of a study that are killed before a side effect and launched again, in forked processes.

A fork of a process that has imported all begins at once, and so does a record that is a copy of an
empty one: MLflow takes seconds to make its tables.
"""

import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import torch
import yaml
from mlflow import MlflowClient

from analysis.record.names import PLOTS
from tests.benchmarks.in_process import get_ready, launch_in_process
from tests.benchmarks.left_behind import KINDS, Remains, faults_of, read_remains
from tests.benchmarks.side_effects import SideEffect, SideEffects
from trainables.datasets._cache import VARIABLE as CACHE

LONGEST_SECONDS = 300.0
"""A launch that takes longer hangs."""
STUDY_FILE, FINISHED, OUTPUT = "study.yaml", "finished.json", "output.txt"
COLUMNS = ("not finished", *KINDS)
"""What can be wrong after a crash."""


@dataclass(frozen=True)
class Scenario:
    """What is launched, and what was finished in the same folder before."""

    study: dict[str, Any]
    before: dict[str, Any] | None = None


@dataclass
class Sweep:
    """What a sweep of one scenario has found."""

    points: int
    """Side effects of the undisturbed launch."""
    tried: int = 0
    killed: int = 0
    """Launches that came to their point; another order of threads may end one before."""
    kinds: dict[str, int] = field(default_factory=dict)
    """Of the points of the kills."""
    faults: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COLUMNS, 0))
    said: list[str] = field(default_factory=list)
    """The faults in words."""

    def note_kill(self, effect: SideEffect) -> None:
        """Note that a launch was killed before a side effect."""
        self.killed += 1
        self.kinds[effect.kind] = self.kinds.get(effect.kind, 0) + 1

    def note_faults(self, point: str, found: dict[str, str]) -> None:
        """Note what was wrong after a point, in words by column."""
        self.tried += 1
        for column, text in found.items():
            self.faults[column] += 1
            self.said.append(f"{point}: {column}: {text}")


class CrashLab:
    """Folders in which studies are launched, killed and launched again."""

    def __init__(self, home: Path, study: dict[str, Any]) -> None:
        """Get ready.

        Args:
            home: a folder that is the lab's alone.
            study: any of those to come; see `get_ready`.
        """
        self.home = home
        os.environ[CACHE] = str(home / "cache")
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(home / "inductor")
        os.environ["MLFLOW_TRACKING_URI"] = "sqlite:///mlflow.db"
        os.environ.pop("RAY_ADDRESS", None)
        torch.set_num_threads(1)  # or a forked process would wait for threads that it has not
        write_study(home, study)
        get_ready(home / STUDY_FILE)
        self.blank = self._made("blank", lambda: bool(MlflowClient().search_experiments()) - 1)

    def sweep(
        self, scenario: Scenario, points: Callable[[int], Sequence[int]]
    ) -> tuple[Sweep, list[SideEffect]]:
        """Kill a scenario's launch before each chosen point; return what was found, and the points.

        Args:
            scenario: what is launched.
            points: returns the numbers of the points to try, from 1, of so many.
        """
        base = self._prepared(scenario)
        undisturbed = self.copied(base, "undisturbed")
        expected = self._expected(undisturbed)
        effects = read_effects(undisturbed)
        shutil.rmtree(undisturbed)
        found = Sweep(points=len(effects))
        for number in points(len(effects)):
            folder = self.copied(base, "killed")
            point, status = f"point {number}", self._launch(folder, fatal=number)
            if status == -signal.SIGKILL:
                last = read_effects(folder)[-1]
                found.note_kill(last)
                point = f"{point} ({' '.join(last)})"
            try:
                if status not in (0, -signal.SIGKILL):
                    raise LaunchError(f"exit status {status} at once: {_output_of(folder)}")
                found.note_faults(point, faults_of(self._finish(folder), expected))
            except LaunchError as error:
                found.note_faults(point, {"not finished": str(error)})
            shutil.rmtree(folder)
        shutil.rmtree(base)
        return found, effects

    def disturb(self, scenario: Scenario, *, kills: int, seed: int) -> tuple[int, dict[str, str]]:
        """Kill a scenario's launches at random points, one after the other; let the last one end.

        A study that ends before all kills are spent is begun anew.

        Args:
            scenario: what is launched.
            kills: how many.
            seed: of the points.

        Returns:
            The kills, and how the studies differ from one that nothing happened to; `faults_of`.
        """
        base = self._prepared(scenario)
        undisturbed = self.copied(base, "undisturbed")
        expected = self._expected(undisturbed)
        farthest = max(1, len(read_effects(undisturbed)) // 3)
        shutil.rmtree(undisturbed)
        dice, killed, faults = random.Random(seed), 0, {}
        while killed < kills:
            folder = self.copied(base, "killed")
            status = -signal.SIGKILL
            while killed < kills and status == -signal.SIGKILL:
                status = self._launch(folder, fatal=dice.randint(1, farthest))
                killed += status == -signal.SIGKILL
            if status not in (0, -signal.SIGKILL):
                raise LaunchError(f"exit status {status}: {_output_of(folder)}")
            faults |= faults_of(self._finish(folder), expected)
            shutil.rmtree(folder)
        return killed, faults

    def _prepared(self, scenario: Scenario) -> Path:
        """Return a folder in which a scenario's launch may begin."""
        base = self.copied(self.blank, "base")
        if scenario.before is not None:
            write_study(base, scenario.before)
            status = in_fork(base, lambda: launch_in_process([STUDY_FILE]))
            if status:
                raise LaunchError(f"exit status {status}: {_output_of(base)}")
        write_study(base, scenario.study)
        return base

    def _expected(self, folder: Path) -> Remains:
        """Return what an undisturbed launch leaves.

        Raises:
            LaunchError: if that is not what a finished study should leave.
        """
        if status := self._launch(folder, fatal=0):
            raise LaunchError(f"exit status {status}: {_output_of(folder)}")
        expected = self._finish(folder)
        if faults := faults_of(expected, expected):
            raise LaunchError(f"without any kill: {faults}")
        if not any(f"/{PLOTS}/" in path for path in expected["artifacts"]):
            raise LaunchError(f"no plots without any kill: {expected['artifacts']}")
        return expected

    def _launch(self, folder: Path, *, fatal: int) -> int:
        """Launch while side effects are counted; return the exit status, negative of a signal."""

        def launch() -> int:
            SideEffects(folder, folder.with_suffix(".jsonl"), fatal=fatal).watch()
            return launch_in_process([STUDY_FILE])

        folder.with_suffix(".jsonl").unlink(missing_ok=True)
        return in_fork(folder, launch)

    def _finish(self, folder: Path) -> Remains:
        """Launch to the end and return what is there then.

        Raises:
            LaunchError: if the launch does not end as it should.
        """

        def launch() -> int:
            status = launch_in_process([STUDY_FILE])
            if not status:
                remains = read_remains(folder, yaml.safe_load(Path(STUDY_FILE).read_text()))
                Path(FINISHED).write_text(json.dumps(remains))
            return status

        status = in_fork(folder, launch)
        if status:
            raise LaunchError(f"exit status {status}: {_output_of(folder)}")
        remains: Remains = json.loads((folder / FINISHED).read_text())
        return remains

    def _made(self, name: str, action: Callable[[], int]) -> Path:
        folder = self.home / name
        folder.mkdir()
        if status := in_fork(folder, action):
            raise LaunchError(f"exit status {status}: {_output_of(folder)}")
        return folder

    def copied(self, source: Path, name: str) -> Path:
        """Return a copy of a folder under a name, the same for all that are compared."""
        folder = self.home / name / "here"
        shutil.rmtree(folder.parent, ignore_errors=True)
        shutil.copytree(source, folder)
        return folder


class LaunchError(Exception):
    """A launch did not end as it should."""


def in_fork(folder: Path, action: Callable[[], int], *, longest: float = LONGEST_SECONDS) -> int:
    """Run in a process forked from this one; return its exit status, negative of a signal.

    Args:
        folder: where it runs.
        action: returns the exit status.
        longest: seconds after which it counts as hung.
    """
    return wait_for_fork(start_in_fork(folder, action), longest=longest)


def start_in_fork(folder: Path, action: Callable[[], int], *, output: str = OUTPUT) -> int:
    """Run in a process forked from this one, in a folder; return the process's number.

    Args:
        folder: where it runs, and leaves its temporary files.
        action: returns the exit status.
        output: the name of the file to which it adds what it prints.
    """
    pid = os.fork()
    if not pid:
        _be_child(folder, action, output)
    return pid


def wait_for_fork(pid: int, *, longest: float = LONGEST_SECONDS) -> int:
    """Return the exit status of a process, negative of a signal; one that hangs is killed."""
    until = time.monotonic() + longest
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > until:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return -signal.SIGALRM
        time.sleep(0.01)


def _be_child(folder: Path, action: Callable[[], int], output: str) -> NoReturn:
    status = 70
    try:
        os.chdir(folder)
        file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, 1)
        os.dup2(file, 2)
        temporary = folder / "tmp"
        temporary.mkdir(exist_ok=True)
        os.environ["TMPDIR"] = tempfile.tempdir = str(temporary)
        status = action()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def read_effects(folder: Path) -> list[SideEffect]:
    """Return the side effects of the last launch in a folder."""
    lines = folder.with_suffix(".jsonl").read_text().splitlines()
    return [SideEffect(*json.loads(line)) for line in lines]


def write_study(folder: Path, study: dict[str, Any]) -> None:
    """Write a study's file into a folder."""
    (folder / STUDY_FILE).write_text(yaml.safe_dump(study, sort_keys=False))


def _output_of(folder: Path) -> str:
    return (folder / OUTPUT).read_text()[-1500:]
