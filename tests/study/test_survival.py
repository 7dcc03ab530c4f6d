"""A study survives kill -9 of its driver and of its trials: nothing is lost, nothing repeated."""

from collections import Counter
from pathlib import Path

import pytest
from chaos import STUDY, wreak
from launching import Folder
from optuna.trial import TrialState

pytestmark = pytest.mark.timeout(900)


def check(folder: Folder, undisturbed: Folder) -> None:
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
    assert list((folder.path / "state/small/quick/checkpoints").iterdir()) == []


LONG_STUDY = STUDY.replace("epochs: 8", "epochs: 40")


def undisturbed(path: Path, study: str) -> Folder:
    path.mkdir()
    folder = Folder(path, study)
    folder.launch()
    return folder


def test_two_kills_lose_and_repeat_nothing(tmp_path):
    (tmp_path / "disturbed").mkdir()
    folder = Folder(tmp_path / "disturbed", STUDY)
    chaos = wreak(folder, kills=2, seed=1)
    assert chaos.kills == 2
    check(folder, undisturbed(tmp_path / "undisturbed", STUDY))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_twelve_kills_lose_and_repeat_nothing(tmp_path):
    (tmp_path / "disturbed").mkdir()
    folder = Folder(tmp_path / "disturbed", LONG_STUDY)
    chaos = wreak(folder, kills=12, seed=2)
    print(f"killed: {chaos.driver_kills} drivers, {chaos.trial_kills} trials")
    assert chaos.kills >= 10
    check(folder, undisturbed(tmp_path / "undisturbed", LONG_STUDY))
