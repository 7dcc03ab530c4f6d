"""A study survives kill -9 of its driver and of its trials: nothing is lost, nothing repeated."""

import pytest
from chaos import STUDY, check, wreak
from launching import Folder

pytestmark = pytest.mark.timeout(900)


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
