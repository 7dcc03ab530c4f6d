"""A study survives kill -9 of its driver and of its trials: nothing is lost, nothing repeated."""

from pathlib import Path

import pytest

from tests.study.chaos import STUDY, check, wreak
from tests.study.launching import Folder

pytestmark = pytest.mark.timeout(900)


LONG_STUDY = STUDY.replace("epochs: 8", "epochs: 40")


def undisturbed(path: Path, study: str) -> Folder:
    path.mkdir()
    folder = Folder(path, study)
    folder.launch()
    return folder


@pytest.mark.slow
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
