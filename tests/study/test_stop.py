"""A launch that is stopped from another terminal: told in words, or as a document."""

import signal

import pytest

from study import stop
from tests.json_documents import checked
from tests.study.held_lock import held_elsewhere


@pytest.fixture
def launched(tmp_path, monkeypatch):
    """A process that holds the study `small` at scale `quick`, as a launch does."""
    monkeypatch.chdir(tmp_path)
    lock = tmp_path / "state" / "small" / "quick" / "lock"
    lock.parent.mkdir(parents=True)
    with held_elsewhere(lock) as process:
        yield process


def test_what_was_stopped_is_a_document_and_the_words_go_elsewhere(launched, capsys):
    assert stop.main(["small", "--json"]) == 0
    told = capsys.readouterr()
    document = checked(told.out)
    assert (document["study"], document["scale"]) == ("small", "quick")
    assert document["process"] == launched.pid
    assert launched.wait(timeout=10) in (-signal.SIGINT, 1)
    assert f"Stopping small, scale quick, process {launched.pid}" in told.err
    assert "The same launch command goes on with it." in told.err


def test_a_study_that_does_not_run_is_a_refusal(tmp_path, capsys):
    assert stop.main(["small", "--state", str(tmp_path), "--json"]) == 2
    told = capsys.readouterr()
    refusal = checked(told.out)
    assert refusal["of"] == "stop" and refusal["status"] == 2
    assert refusal["message"] == f"small does not run (looked in {tmp_path / 'small'})"
    assert refusal["message"] in told.err
