"""Kills a study at random moments and launches it again until it is done."""

import random
import signal
import subprocess
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass

import psutil
from optuna.trial import TrialState

from tests.study.launching import Folder

STUDY = """
study: small
question: Does a study survive anything?
trial:
  dataset: {name: digits, validation: 0.2, train_images: 600, test_images: 100}
  network: {name: lenet}
  regularizer: {name: lamix}
  training: {epochs: 8, batch_size: 25, learning_rate: 0.05, milestones: []}
search:
  sampler: random
  configurations: 8
  seeds: 2
  space: {regularizer.beta: {low: 0.1, high: 0.9}}
checkpoints: {at_least_every_seconds: 0.3}
scales: {quick: {}, paper: {}}
"""


@dataclass
class Chaos:
    """What was done to a study."""

    driver_kills: int = 0
    trial_kills: int = 0
    launches: int = 0

    @property
    def kills(self) -> int:
        return self.driver_kills + self.trial_kills


def recorded_epochs(folder: Folder) -> int:
    """Return how many epochs are on record."""
    if not any(folder.path.rglob("optuna.db")):  # MLflow's database is made before it
        return 0
    return sum(int(run.data.metrics.get("train_loss") is not None) for run in folder.runs()) + sum(
        len(folder.client.get_metric_history(run.info.run_id, "train_loss"))
        for run in folder.runs()
        if run.info.status == "RUNNING"
    )


def wreak(folder: Folder, *, kills: int, seed: int) -> Chaos:
    """Launch the study again and again, killing it `kills` times, until it ends by itself."""
    dice = random.Random(seed)
    chaos = Chaos()
    while True:
        chaos.launches += 1
        process = folder.start()
        while chaos.kills < kills and process.poll() is None:
            if not _wait_for_progress(folder, process):
                break
            time.sleep(dice.uniform(0, 1.5))
            if dice.random() < 0.4 and _kill_a_trial(process, dice):
                chaos.trial_kills += 1
                continue
            process.send_signal(signal.SIGKILL)
            chaos.driver_kills += 1
            break
        process.wait(timeout=500)
        if process.returncode != -signal.SIGKILL:
            assert process.returncode == 0, folder.output.read_text()
            return chaos


def _wait_for_progress(folder: Folder, process: subprocess.Popen[bytes]) -> bool:
    """Wait until an epoch is recorded, or return False once the launch has ended."""
    before = recorded_epochs(folder)
    while process.poll() is None:
        if recorded_epochs(folder) != before:
            return True
        time.sleep(0.1)
    return False


def trial_processes(pid: int) -> list[psutil.Process]:
    """Return the processes of trials that a process has started on its own machine."""
    found = []
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if "TrialTrainable" in " ".join(child.cmdline()):
                    found.append(child)
    return found


def _kill_a_trial(process: subprocess.Popen[bytes], dice: random.Random) -> bool:
    trials = trial_processes(process.pid)
    with suppress(psutil.NoSuchProcess):
        if trials:
            dice.choice(trials).kill()
    return bool(trials)


def check(folder: Folder, undisturbed: Folder) -> None:
    """Check that a study has lost and repeated nothing, beside one that nothing happened to."""
    runs = folder.runs()
    keys = Counter(run.data.tags["trial_key"] for run in runs)
    assert set(keys.values()) == {1}
    assert {run.info.status for run in [*runs, *folder.runs("study")]} == {"FINISHED"}
    assert {run.data.tags["outcome"] for run in runs} == {"completed"}
    assert folder.metrics() == undisturbed.metrics()  # each epoch once, bitwise equal
    trials, expected = folder.optuna().trials, undisturbed.optuna().trials
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * len(expected)
    assert [trial.params for trial in trials] == [trial.params for trial in expected]
    assert [trial.value for trial in trials] == [trial.value for trial in expected]
    assert list((folder.state() / "checkpoints").iterdir()) == []
