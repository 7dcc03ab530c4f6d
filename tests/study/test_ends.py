"""However a launch ends, nothing is left running, and the same command goes on."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from study.launching import signals
from tests.study.chaos import STUDY, recorded_epochs
from tests.study.launching import Folder
from tests.study.services import wait_for

pytestmark = pytest.mark.timeout(900)

LONG = STUDY.replace("configurations: 8", "configurations: 2").replace("epochs: 8", "epochs: 2000")


def statuses(folder: Folder) -> set[str]:
    return {run.info.status for run in [*folder.runs(), *folder.runs("study")]}


def family_of(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def left_of(family: list[psutil.Process]) -> list[psutil.Process]:
    return [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Kill what a test that fails would leave."""
    yield
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            child.kill()


def start_in_group(folder: Folder) -> subprocess.Popen[bytes]:
    """Start a launch as the leader of a process group, as a shell and `timeout` do."""
    with folder.output.open("w") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "study.launch", "small.yaml"],
            cwd=folder.path,
            env=folder.environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,
        )


@pytest.mark.slow
def test_a_sigterm_to_all_processes_saves_what_runs_and_leaves_none(tmp_path):
    folder = Folder(tmp_path, LONG)
    process = start_in_group(folder)
    wait_for(lambda: recorded_epochs(folder) > 2, seconds=400)
    family = family_of(process)
    os.killpg(process.pid, signal.SIGTERM)
    for member in left_of(family):  # as systemd and Slurm do
        member.send_signal(signal.SIGTERM)
    began = time.monotonic()
    assert process.wait(timeout=120) == 130, folder.output.read_text()
    assert time.monotonic() - began < 40
    assert "RUNNING" not in statuses(folder)
    assert any((folder.state() / "checkpoints").iterdir())
    assert "Told to end" in folder.output.read_text()
    assert left_of(family) == []


@pytest.mark.slow
def test_a_driver_that_is_killed_leaves_no_process(tmp_path):
    folder = Folder(tmp_path, LONG)
    process = folder.start()
    wait_for(lambda: recorded_epochs(folder) > 2, seconds=400)
    family = family_of(process)
    process.kill()
    # For a minute Ray's agents try to tell a head that is gone of the loss, and end then.
    wait_for(lambda: not left_of(family), seconds=120)


@pytest.mark.slow
def test_two_sigterms_end_a_launch_whose_trial_hangs(tmp_path):
    folder = Folder(tmp_path, LONG)
    process = folder.start()
    wait_for(lambda: recorded_epochs(folder) > 2, seconds=400)
    family = family_of(process)
    for member in family:
        if "TrialTrainable" in " ".join(member.cmdline()):
            member.suspend()
    process.send_signal(signal.SIGTERM)
    time.sleep(1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=120) == 130
    assert "RUNNING" not in statuses(folder)
    assert left_of(family) == []


def piped_launch(folder: Folder, reader: str) -> int:
    command = f"{sys.executable} -m study.launch small.yaml | {reader}; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder.path,
        env=folder.environment,
        capture_output=True,
        timeout=600,
    )
    assert done.stderr == b""
    return done.returncode


def test_a_launch_outlives_the_reader_of_its_output(tmp_path):
    folder = Folder(tmp_path, STUDY.replace("configurations: 8", "configurations: 1"))
    folder.environment["PYTHONIOENCODING"] = "ascii"
    assert piped_launch(folder, "head -1") == 0
    assert statuses(folder) == {"FINISHED"}
    assert "Next:" in (folder.state() / "log.txt").read_text()


@pytest.mark.parametrize(
    ("moment", "number"),
    [(0.0, signal.SIGINT), (0.7, signal.SIGINT), (2.0, signal.SIGTERM), (4.0, signal.SIGINT)],
)
@pytest.mark.slow
def test_a_signal_in_the_first_seconds_ends_a_launch_without_a_traceback(tmp_path, moment, number):
    folder = Folder(tmp_path)
    process = folder.start()
    # Before that Python itself has not begun with the launch.
    wait_for(lambda: is_caught(process, number), seconds=30)
    time.sleep(moment)
    process.send_signal(number)
    assert process.wait(timeout=30) == 130
    output = folder.output.read_text()
    assert "Traceback" not in output and "go on" in output.replace("goes on", "go on")
    assert "RUNNING" not in statuses(folder)


def is_caught(process: subprocess.Popen[bytes], number: signal.Signals) -> bool:
    """Return whether a process has set a handler of its own for SIGTERM, read from Linux."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    caught = next(line for line in lines if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) & (1 << (signal.SIGTERM - 1)))


@pytest.mark.slow
def test_a_sigterm_while_the_table_is_made_leaves_no_run_running(tmp_path):
    folder = Folder(tmp_path, STUDY.replace("configurations: 8", "configurations: 1"))
    slow = tmp_path / "sitecustomize.py"
    slow.write_text(SLOW_TABLE)
    folder.environment["PYTHONPATH"] = f"{tmp_path}:{Path.cwd()}"
    process = folder.start()
    wait_for(lambda: (tmp_path / "table").exists(), seconds=400)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=120) == 130
    assert "RUNNING" not in statuses(folder)
    assert "Traceback" not in folder.output.read_text()
    slow.unlink()
    assert "Nothing to do" in folder.launch()
    assert statuses(folder) == {"FINISHED"}


SLOW_TABLE = """
import sys
if any("study.launch" in word for word in sys.orig_argv):
    import pathlib, time
    from analysis.tables import configurations
    real = configurations.over_configurations
    def slow(*args, **kwargs):
        pathlib.Path("table").touch()
        time.sleep(60)
        return real(*args, **kwargs)
    configurations.over_configurations = slow
"""


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("RAY_TMPDIR", "/nowhere", "set RAY_TMPDIR to a folder that exists"),
        ("RAY_TMPDIR", "", "set RAY_TMPDIR to a folder that exists"),
        ("TMPDIR", "long", "characters too long"),
    ],
)
@pytest.mark.slow
def test_a_ray_that_cannot_start_is_told_with_what_mends_it(tmp_path, variable, value, said):
    folder = Folder(tmp_path)
    if value == "long":
        value = str(tmp_path / ("x" * 90))
        Path(value).mkdir()
    folder.environment[variable] = value
    output = folder.launch(status=2)
    assert said in output and "Traceback" not in output
    assert folder.runs() == folder.runs("study") == []  # nothing was started, nothing is on record


# The signals themselves


class Wishes:
    def __init__(self) -> None:
        self.heard: list[str] = []

    def wish(self, name: str) -> Callable[[], None]:
        return lambda: self.heard.append(name)


@pytest.mark.parametrize(
    ("sent", "heard", "raised"),
    [
        ([signal.SIGINT], ["finish"], False),
        ([signal.SIGTERM], ["soon"], False),
        ([signal.SIGHUP], ["soon"], False),
        ([signal.SIGINT, signal.SIGTERM], ["finish", "soon"], False),
        ([signal.SIGINT, signal.SIGINT], ["finish"], True),
        ([signal.SIGTERM, signal.SIGTERM], ["soon"], True),
        ([signal.SIGTERM, signal.SIGINT], ["soon"], True),
        ([signal.SIGINT, signal.SIGTERM, signal.SIGTERM], ["finish", "soon"], True),
    ],
)
def test_each_signal_makes_the_wish_more_urgent(sent, heard, raised, monkeypatch):
    wishes = Wishes()
    was_raised = False
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(signals, "ECHO_SECONDS", 0.0)
    with signals.handle_signals(
        finish_epochs=wishes.wish("finish"),
        stop_soon=wishes.wish("soon"),
        leave=wishes.wish("leave"),
    ):
        try:
            for number in sent:
                signal.raise_signal(number)
        except KeyboardInterrupt:
            was_raised = True
    assert (wishes.heard, was_raised) == (heard, raised)
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_same_signal_twice_at_once_is_one_wish():
    wishes = Wishes()
    with signals.handle_signals(
        finish_epochs=wishes.wish("finish"),
        stop_soon=wishes.wish("soon"),
        leave=wishes.wish("leave"),
    ):
        for _ in range(2):  # as `timeout` sends it
            signal.raise_signal(signal.SIGTERM)
    assert wishes.heard == ["soon"]


def test_a_hangup_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals.interrupt_at_signals():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_the_third_signal_ends_a_launch_that_hangs_on_its_way_out():
    code = (
        "import signal\n"
        "from study.launching import signals\n"
        "signals.ECHO_SECONDS = 0.0\n"
        "with signals.interrupt_at_signals():\n"
        "    for _ in range(5):\n"
        "        try:\n"
        "            signal.raise_signal(signal.SIGTERM)\n"
        "        except KeyboardInterrupt:\n"
        "            print('interrupted', flush=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (130, "interrupted\n" * 2)
    assert done.stderr == signals.GOING_ON


def test_a_main_thread_that_takes_no_signal_does_not_keep_a_launch_alive():
    code = (
        "import ctypes, os, signal, threading\n"
        "from study.launching import signals\n"
        "signals.STUCK_SECONDS = 0.3\n"
        "read, write = os.pipe()\n"
        "with signals.quit_at_signals(), signals.interrupt_at_signals():\n"
        "    signal.siginterrupt(signal.SIGTERM, False)\n"
        "    threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGTERM)).start()\n"
        "    ctypes.CDLL(None).read(read, ctypes.create_string_buffer(1), 1)\n"  # waits for ever
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (130, signals.GOING_ON)


@pytest.mark.slow
def test_a_trial_that_hangs_is_ended_after_its_timeout_and_tried_again(tmp_path):
    study = STUDY.replace("configurations: 8", "configurations: 1").replace("seeds: 2", "seeds: 1")
    folder = Folder(tmp_path, study.replace("epochs: 8", "epochs: 400"))
    process = folder.start("--set", "resources.trial_timeout=0.01")
    wait_for(lambda: recorded_epochs(folder) > 2, seconds=400)
    (trial,) = [p for p in family_of(process) if "TrialTrainable" in " ".join(p.cmdline())]
    trial.suspend()
    assert process.wait(timeout=500) == 0, folder.output.read_text()
    output = folder.output.read_text()
    assert "nothing was heard of the trial for 0.01 h; the attempt is ended" in output
    (steps,) = [metrics["train_loss"] for metrics in folder.metrics().values()]
    assert [step for step, _ in steps] == list(range(1, 401))
    assert statuses(folder) == {"FINISHED"}
