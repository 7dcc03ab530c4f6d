import os
import re
import signal
import subprocess
import threading
import time

import pytest

from study.lock import StudyHeldError, hold_study, read_holder
from tests.study.held_lock import held_elsewhere


@pytest.fixture
def path(tmp_path):
    return tmp_path / "lock"


@pytest.fixture
def other(path):
    """A process that holds the lock."""
    with held_elsewhere(path) as process:
        yield process


def test_a_second_holder_is_told_who_holds_it_and_since_when(path, other):
    with pytest.raises(StudyHeldError) as error, hold_study(path):
        pass
    said = str(error.value)
    assert f"process {other.pid} on " in said
    assert re.search(f"since {time.strftime('%Y-%m-%d')} [0-9:]{{8}} [+-][0-9]{{4}}; ", said)
    assert said.endswith("one study runs once at a time")
    assert read_holder(path)["pid"] == other.pid


def test_the_death_of_the_holder_releases_it(path, other):
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert read_holder(path) is None
    with hold_study(path):
        pass


def test_it_is_free_again_after_the_block_however_it_ends(path):
    with hold_study(path):
        assert read_holder(path)["pid"] == os.getpid()
    with pytest.raises(ZeroDivisionError), hold_study(path):
        raise ZeroDivisionError
    with hold_study(path):
        pass
    assert read_holder(path) is None
    assert path.read_text() == ""


def test_a_child_that_outlives_the_holder_does_not_hold_it(path):
    with hold_study(path):
        child = subprocess.Popen(["sleep", "30"])
    try:
        with hold_study(path):
            pass
    finally:
        child.kill()
        child.wait()


def test_nobody_holds_a_lock_that_was_never_made(path):
    assert read_holder(path) is None


def test_whoever_asks_who_holds_it_does_not_keep_it_from_being_held(path):
    with hold_study(path):
        pass
    stop = threading.Event()

    def ask():
        while not stop.is_set():
            read_holder(path)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        for _ in range(50):
            with hold_study(path):
                pass
    finally:
        stop.set()
        thread.join()
