"""One driver per study and scale, wherever its state lies."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from study.lock import StudyHeldError
from study.processes import is_gone, is_running, this_process
from study.record import lease as lease_module
from study.record.claims import LeaseClaim, read_claims
from study.record.errors import RecordError
from study.record.lease import take_lease
from study.record.study_run import open_experiment
from tests.study.records import KEY, PARAMS, TAGS, trial_runs, write
from tests.study.services import wait_for

HOLD = """
import sys, time
from study.record import lease
from analysis.record.client import open_client
lease.BEAT_SECONDS = 0.2
held = lease.take_lease(open_client(), sys.argv[1], "quick", say=lambda text: None)
print("held", flush=True)
while not held.lost:
    time.sleep(0.05)
print(held.lost, flush=True)
"""
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def experiment(client):
    return open_experiment(client, "sample", create=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Look and beat often."""
    monkeypatch.setattr(lease_module, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(lease_module, "BEAT_SECONDS", 0.05)


@pytest.fixture
def take(client, experiment):
    """Take the lease as a launch does; what was said is kept in `take.said`."""
    leases = []

    def take(scale="quick", stale_seconds=60.0):
        taken = take_lease(
            client, experiment, scale, say=take.said.append, stale_seconds=stale_seconds
        )
        leases.append(taken)
        return taken

    take.said = []
    yield take
    for taken in leases:
        taken.release()


@pytest.fixture
def other(client, experiment):
    """Another process of this machine that holds the study."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, experiment], stdout=subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.wait()


def claims(client, experiment):
    return read_claims(client, experiment, "quick")


def on_another_machine(client, experiment, **changes):
    """Write the tag of a launch on a machine that cannot be seen from here."""
    far = replace(this_process(), host="far", machine="another", pid=7)
    claim = LeaseClaim(
        scale="quick", token="0" * 16, state="holds", term=3, since="noon", process=far
    )
    claim = replace(claim, **changes)
    client.set_experiment_tag(experiment, claim.name, claim.as_text())
    return claim


def test_a_second_launch_is_told_who_holds_the_study_since_when_and_leaves_nothing(
    client, experiment, take, other
):
    before = claims(client, experiment)
    with pytest.raises(StudyHeldError) as error:
        take()
    said = str(error.value)
    assert f"process {other.pid} on " in said
    assert re.search(f"since {time.strftime('%Y-%m-%d')} [0-9:]{{8}} [+-][0-9]{{4}}; ", said)
    assert said.endswith("one study runs once at a time")
    assert [claim.token for claim in claims(client, experiment)] == [before[0].token]


def test_another_scale_of_the_study_runs_beside_it(take):
    take("quick")
    take("paper")
    assert take.said == []


def test_a_study_that_was_released_is_free_and_no_tag_is_left(client, experiment, take):
    take().release()
    taken = take()
    taken.release()
    taken.release()  # as a launch does that closes its record and then ends
    tags = client.get_experiment(experiment).tags
    assert [name for name in tags if name.startswith("lease.")] == []
    assert take.said == []


def test_a_killed_launch_of_this_machine_is_taken_over_at_once(take, other):
    other.send_signal(signal.SIGKILL)
    other.wait()
    started = time.monotonic()
    take()
    assert time.monotonic() - started < 5
    (said,) = take.said
    assert f"Taken over from process {other.pid} on " in said
    assert "its process is gone" in said


def test_a_launch_of_another_machine_that_gives_no_sign_of_life_is_taken_over(
    client, experiment, take
):
    on_another_machine(client, experiment)
    started = time.monotonic()
    taken = take(stale_seconds=0.5)
    assert 0.5 <= time.monotonic() - started < 20
    assert taken.claim.term == 4
    waiting, over = take.said
    assert waiting.startswith("process 7 on far holds this study since noon. Waiting")
    assert over == (
        "Taken over from process 7 on far, which held this study since noon: it gave no sign of "
        "life for 0.5 s."
    )


def test_a_launch_of_another_machine_that_lives_keeps_the_study(client, experiment, take):
    claim = on_another_machine(client, experiment)
    ended = threading.Event()

    def live():
        beat = 0
        while not ended.wait(0.2):
            beat += 1
            on_another_machine(client, experiment, beat=beat)

    thread = threading.Thread(target=live)
    thread.start()
    try:
        with pytest.raises(StudyHeldError, match="process 7 on far"):
            take(stale_seconds=30)
    finally:
        ended.set()
        thread.join()
    assert [found.token for found in claims(client, experiment)] == [claim.token]


def test_a_launch_that_was_stopped_is_taken_over_and_finds_out(client, experiment, take, other):
    other.send_signal(signal.SIGSTOP)
    taken = take(stale_seconds=0.5)
    other.send_signal(signal.SIGCONT)
    said = other.stdout.readline().decode()
    assert said.startswith(f"process {os.getpid()} on ")
    assert "this launch was not heard of for" in said
    taken.check()
    assert [claim.token for claim in claims(client, experiment)] == [taken.claim.token]


def test_a_launch_whose_tag_comes_back_after_it_was_taken_over_gives_way(client, experiment, take):
    first = take()
    first._ended.set()  # as if stopped between its look and its writing
    first._thread.join()
    on_another_machine(client, experiment, token=first.claim.token, term=first.claim.term)
    second = take(stale_seconds=0.3)
    client.set_experiment_tag(experiment, first.claim.name, first.claim.as_text())
    first._ended.clear()
    first._renew()
    assert first.lost.startswith(second.claim.holder)
    second._renew()
    assert second.lost == ""


@pytest.mark.parametrize("attempt", range(3))
def test_of_launches_that_begin_at_the_same_moment_exactly_one_wins(client, experiment, attempt):
    start = threading.Barrier(3)
    won, refused = [], []

    def launch():
        start.wait()
        time.sleep(attempt * 0.01)
        try:
            won.append(take_lease(client, experiment, "quick", say=lambda text: None))
        except StudyHeldError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=launch) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(refused)) == (1, 2)
    assert [claim.token for claim in claims(client, experiment)] == [won[0].claim.token]
    won[0].release()


def test_what_is_no_claim_among_the_tags_is_passed_over(client, experiment, take):
    for name, text in {"lease.a": "no JSON", "lease.b": "{}", "lease.c": "[1]"}.items():
        client.set_experiment_tag(experiment, name, text)
    take()
    assert take.said == []


def test_a_record_that_was_taken_over_writes_nothing_more(client, opened, tmp_path):
    record = opened(alone=True)
    write(record)
    with pytest.raises(StudyHeldError):
        opened("b.jsonl", alone=True)
    claim = record.lease.claim
    on_another_machine(client, record.experiment_id, term=claim.term + 1)
    client.delete_experiment_tag(record.experiment_id, claim.name)
    wait_for(lambda: record.lost_to, 20)
    record.begin("f" * 16, name="x", params=PARAMS, tags=TAGS)
    for step in (
        lambda: record.study_writer.begin_study({}),
        lambda: record.study_writer.publish(texts={}, plots=[], status="FINISHED"),
    ):
        with pytest.raises(RecordError, match="process 7 on far holds this study since noon"):
            step()
    assert not record.close(timeout=1)
    assert [run.data.tags["trial_key"] for run in trial_runs(client, record)] == [KEY]
    assert client.get_run(record.parent_id).info.status == "SCHEDULED"
    (line,) = (tmp_path / "records.jsonl").read_text().splitlines()
    assert json.loads(line)["kind"] == "begin"


def test_records_that_an_ousted_launch_left_do_not_undo_what_the_other_has_finished(client, opened):
    first = opened("a.jsonl")
    first.spool.deliver = None  # nothing is delivered any more
    first.spool._closing = True
    first.begin(KEY, name="x", params=PARAMS, tags=TAGS)
    first.interrupt(KEY)
    first.close(timeout=0)
    time.sleep(0.01)
    second = opened("b.jsonl")
    write(second)
    second.close(timeout=20)
    third = opened("a.jsonl")
    (run,) = trial_runs(client, third)
    assert third.spool.refused == []
    assert (run.info.status, run.data.tags["outcome"]) == ("FINISHED", "completed")


def test_a_process_is_gone_running_or_out_of_sight():
    own = this_process()
    assert is_running(own) and not is_gone(own)
    for far in (replace(own, machine="another"), replace(own, machine="")):
        assert not is_running(far) and not is_gone(far)
    reused = replace(own, started="1")  # the number is another process's
    assert is_gone(reused) and not is_running(reused)
    child = subprocess.Popen(["sleep", "60"])
    try:
        started = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[19]
        process = replace(own, pid=child.pid, started=started)
        assert is_running(process)
        child.send_signal(signal.SIGSTOP)
        wait_for(lambda: not is_running(process), 10)
        assert not is_gone(process)
        child.kill()
        wait_for(lambda: is_gone(process), 10)  # not waited for: a zombie
    finally:
        child.kill()
        child.wait()
