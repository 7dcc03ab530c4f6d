"""A study survives kill -9 of its driver and of its trials: nothing is lost, nothing repeated."""

from collections import Counter

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


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Folder:
    folder = Folder(tmp_path_factory.mktemp("undisturbed"), STUDY)
    folder.launch()
    return folder


def test_two_kills_lose_and_repeat_nothing(undisturbed, tmp_path):
    folder = Folder(tmp_path, STUDY)
    chaos = wreak(folder, kills=2, seed=1)
    assert chaos.kills == 2
    check(folder, undisturbed)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_twelve_kills_lose_and_repeat_nothing(undisturbed, tmp_path):
    folder = Folder(tmp_path, STUDY)
    chaos = wreak(folder, kills=12, seed=2)
    print(f"killed: {chaos.driver_kills} drivers, {chaos.trial_kills} trials")
    assert chaos.kills >= 10
    check(folder, undisturbed)
